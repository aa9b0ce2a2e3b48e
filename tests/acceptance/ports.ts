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

/** A line of a table of sockets whose state is LISTEN, 0A, with the port in hexadecimal digits (proc(5)). */
const LISTENING = /^ *\d+: [\dA-F]+:([\dA-F]{4}) [\dA-F]+:[\dA-F]{4} 0A /gm;

/** The first port of the block that is this file's alone: it stays bound as long as the file runs. */
const own = claim();
let next = 0;

/**
 * Ports that are free, each another one, and not given again soon. Nobody else takes them: other test
 * files have blocks of their own, and no browser's connection comes from one.
 */
export function freePorts(count: number): number[] {
  const taken = listening();
  const ports: number[] = [];
  while (ports.length < count) {
    next = next % (BLOCK - 1) + 1;
    if (!taken.has(own + next)) ports.push(own + next);
  }
  return ports;
}

/**
 * Binds a free port inside of this process, and another one where it is taken. An engine tries its address and then
 * binds it: a process that another test starts at that moment has the socket of the trial until it runs its own program.
 */
export async function onFreePort<T>(bind: (port: number) => Promise<T>): Promise<T> {
  for (let left = 5;; left--) {
    const [port = 0] = freePorts(1);
    try {
      return await bind(port);
    } catch (error) {
      if (left === 0 || !isTaken(error)) throw error;
    }
  }
}

function isTaken(error: unknown): boolean {
  return error instanceof Deno.errors.AddrInUse ||
    error instanceof Error && "code" in error && error.code === "EADDRINUSE";
}

/**
 * Returns the ports that a program listens at. They are not found by binding them: a process that another test starts at
 * that moment has the socket, too, until it runs its own program, and the port is taken for so long.
 */
function listening(): Set<number> {
  return new Set(
    ["tcp", "tcp6"].flatMap((table) =>
      [...Deno.readTextFileSync(`/proc/net/${table}`).matchAll(LISTENING)]
        .map(([, port = ""]) => parseInt(port, 16))
    ),
  );
}

function claim(): number {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * BLOCKS) * BLOCK;
    try {
      Deno.listen({ hostname: "127.0.0.1", port });
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}
