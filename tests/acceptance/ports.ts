/**
 * Ports for the tests, which run beside each other.
 *
 * @module
 */

/**
 * Lowest port: above the last one that fetch refuses (10080, a "bad port" of the Fetch standard), and with
 * all others below those that the system gives to outgoing connections (32768 and up on Linux).
 */
const FIRST = 10_250;

/** Ports that one test file uses in turn. */
const BLOCK = 250;
const BLOCKS = 88;

/** The first port of the block that is this file's alone: it stays bound as long as the file runs. */
const own = claim();
let next = 0;

/**
 * Ports that are free, each another one, and not given again soon. Nobody else takes them: other test
 * files have blocks of their own, and no browser's connection comes from one.
 */
export function freePorts(count: number): number[] {
  const ports: number[] = [];
  while (ports.length < count) {
    next = next % (BLOCK - 1) + 1;
    if (isFree(own + next)) ports.push(own + next);
  }
  return ports;
}

function claim(): number {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * BLOCKS) * BLOCK;
    if (bind("127.0.0.1", port) !== null) return port;
  }
}

function isFree(port: number): boolean {
  const listener = bind("0.0.0.0", port);
  listener?.close();
  return listener !== null;
}

function bind(hostname: string, port: number): Deno.TcpListener | null {
  try {
    return Deno.listen({ hostname, port });
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    return null;
  }
}
