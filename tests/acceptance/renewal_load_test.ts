/**
 * Certificates that are renewed while 1,000 browsers listen and Phorge posts, all of them with TLS.
 */

import { fileURLToPath } from "node:url";
import { assertEquals, assertMatch } from "../assert.ts";
import { concat, utf8 } from "../websocket/bytes.ts";
import { type Authority, makeAuthority, makeCertificate } from "./certificate.ts";
import { Daemon } from "./daemon.ts";
import { testNotOnServe } from "./engines.ts";
import { Process } from "./process.ts";
import { ROOT } from "./program.ts";
import type { Received } from "./tls_browsers.ts";
import { until } from "./until.ts";
import { Wire } from "./wire.ts";

const BROWSERS = 1000;

/** Messages that are posted between two renewals, at least. */
const BETWEEN = 20;

/** The pause of a publisher after each message, in ms. */
const PAUSE_MS = 50;

/** New connections have the new certificate this long after SIGHUP, in ms. */
const SIGHUP_LIMIT_MS = 5000;

const roots = [makeAuthority("First Root"), makeAuthority("Second Root")] as const;
const caCerts = roots.map(({ cert }) => cert);
const certificates = [certify(roots[0]), certify(roots[1])] as const;

/** A certificate with its key, and the authority that signed it. */
type Certificate = ReturnType<typeof certify>;

function certify(root: Authority): { root: Authority; key: string; cert: string } {
  return { root, ...makeCertificate(root) };
}

/** Replaces the files as certbot does: new files, and links that are pointed at them. */
function renew({ folder }: Daemon, number: number, { key, cert }: Certificate): void {
  for (const [name, text] of [["privkey", key], ["fullchain", cert]] as const) {
    folder.write(`${name}${number}.pem`, text);
    Deno.symlinkSync(`${name}${number}.pem`, `${folder.path}/new`);
    Deno.renameSync(`${folder.path}/new`, `${folder.path}/${name}.pem`);
  }
}

/** Whether a new connection to a port is shown this certificate, and not the other one. */
async function shows(port: number, { root }: Certificate): Promise<boolean> {
  try {
    using connection = await Deno.connectTls({ hostname: "127.0.0.1", port, caCerts: [root.cert] });
    await connection.handshake();
    return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.InvalidData)) throw error;
    return false;
  }
}

/** Posts messages, one behind the other, until it is told to stop. */
class Publisher {
  /** The numbers of the messages that were taken. */
  readonly taken: number[] = [];
  /** What became of the others. */
  readonly failed: string[] = [];
  /** Connections that it has opened. */
  connections = 0;
  readonly #admin: number;
  readonly #isKept: boolean;
  readonly #done: Promise<void>;
  #wire: Wire | null = null;
  #stopped = false;

  /**
   * @param first The number of the first message; the next one's is one more.
   * @param isKept Whether one connection carries all messages, or each one its own.
   */
  constructor(admin: number, first: number, isKept: boolean) {
    this.#admin = admin;
    this.#isKept = isKept;
    this.#done = this.#run(first);
  }

  /** How many messages it has posted. */
  get posted(): number {
    return this.taken.length + this.failed.length;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  async #run(first: number): Promise<void> {
    for (let n = first; !this.#stopped; n++) {
      try {
        await this.#post(n);
        this.taken.push(n);
      } catch (error) {
        this.failed.push(`${n}: ${error}`);
        this.#close();
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    this.#close();
  }

  async #post(n: number): Promise<void> {
    const message = { subscribers: ["A"], n };
    if (this.#wire === null) {
      this.connections++;
      if (!this.#isKept) return await postOnce(this.#admin, message);
      this.#wire = await Wire.connect(this.#admin, caCerts);
    }
    await postBy(this.#wire, message, "keep-alive");
  }

  #close(): void {
    this.#wire?.[Symbol.dispose]();
    this.#wire = null;
  }
}

async function postBy(wire: Wire, message: unknown, connection: string): Promise<void> {
  const body = utf8(JSON.stringify(message));
  const head = `POST / HTTP/1.1\r\nHost: localhost\r\nConnection: ${connection}\r\n` +
    `Content-Length: ${body.length}\r\n\r\n`;
  await wire.send(concat(utf8(head), body));
  const answer = await wire.answer();
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.body}`);
}

/** Posts a message over a connection of its own. */
async function postOnce(admin: number, message: unknown): Promise<void> {
  using wire = await Wire.connect(admin, caCerts);
  await postBy(wire, message, "close");
}

/** Starts the browsers, and waits until all are connected. */
async function open(daemon: Daemon): Promise<Process> {
  const ca = daemon.folder.write("ca.pem", caCerts.join(""));
  const browsers = new Process(Deno.execPath(), [
    "run",
    `--config=${ROOT}deno.json`,
    "--no-prompt",
    "--allow-net=127.0.0.1",
    `--allow-read=${ca}`,
    fileURLToPath(new URL("tls_browsers.ts", import.meta.url)),
    `${daemon.written.client}`,
    ca,
    `${BROWSERS}`,
  ]);
  await browsers.line(/^Connected$/);
  return browsers;
}

/** A service with TLS on both ports, with its first certificate. */
function secured(certificate: Certificate): Daemon {
  const daemon = new Daemon();
  const { client, admin } = daemon.written;
  renew(daemon, 0, certificate);
  const tls = {
    "ssl.key": `${daemon.folder.path}/privkey.pem`,
    "ssl.cert": `${daemon.folder.path}/fullchain.pem`,
  };
  daemon.configure(() => ({
    servers: [
      { type: "client", port: client, listen: "127.0.0.1", ...tls },
      { type: "admin", port: admin, ...tls },
    ],
  }));
  return daemon;
}

testNotOnServe(
  "certificates are renewed under load: no browser is ended, no message refused or lost",
  async () => {
    const [first, second] = certificates;
    await using daemon = secured(first);
    await daemon.start();
    const { client, admin } = daemon.written;
    const service = daemon.pid("service");
    await using browsers = await open(daemon);
    const kept = new Publisher(admin, 0, true);
    const fresh = new Publisher(admin, 1_000_000, false);
    const more = async () => {
      const goals = [kept, fresh].map(({ posted }) => posted + BETWEEN);
      await until(() => [kept, fresh].every(({ posted }, index) => posted >= (goals[index] ?? 0)));
    };

    await more();
    for (const [number, certificate] of [second, first, second].entries()) {
      renew(daemon, number + 1, certificate);
      if (number === 1) {
        Deno.kill(daemon.pid("supervisor"), "SIGHUP");
        for (const port of [client, admin]) {
          await until(() => shows(port, certificate), SIGHUP_LIMIT_MS);
        }
      } else {
        const { code, output } = await daemon.run("reload");
        assertEquals(code, 0, output);
        assertMatch(
          output,
          /uses \S+fullchain\.pem as it is now, for new connections; the others stay/,
        );
        for (const port of [client, admin]) assertEquals(await shows(port, certificate), true);
      }
      await more();
    }
    await Promise.all([kept.stop(), fresh.stop()]);
    assertEquals([...kept.failed, ...fresh.failed], []);
    assertEquals(kept.connections, 1, "a connection that is kept alive outlives each renewal");
    assertEquals(browsers.output.match(/was ended .*/g), null);

    await postOnce(admin, { subscribers: ["A"], end: true });
    const received: Received = JSON.parse(await browsers.line(/^\{"lists"/));
    assertEquals([received.browsers, received.lists.length], [BROWSERS, 1]);
    assertEquals(received.lists[0]?.toSorted((a, b) => a - b), [...kept.taken, ...fresh.taken]);
    assertEquals(daemon.pid("service"), service);
    assertEquals((await browsers.ended()).code, 0);
  },
);
