/**
 * The attacks on the admin port. Their clients connect again as soon as they are ended.
 *
 * @module
 */

import type { Socket } from "node:net";
import { concat, utf8 } from "../websocket/bytes.ts";
import { connectedFrom, share, sleep, type Target } from "./target.ts";
import { REQUEST } from "../acceptance/wire.ts";

/** A client that was not let in tries again after this time, in ms. */
const AGAIN_MS = 50;

/** Who is kept alive asks again after this time, in ms; and the number of clients that do. */
const ASK_MS = 3000;

/** After this time, in ms, there are half as many answers as clients, at least: so the attack has taken place. */
const ANSWERS_MS = 3000;
const ACCEPTED = utf8("HTTP/1.1 200 ");

/** What a client does on its connection, until that ends. */
type Act = (connection: Socket, index: number) => Promise<void>;

/**
 * A part of the clients' address. The honest have another one, and so has the next attack: after a hundred thousand
 * connections there is hardly a port left at an address, until the system has forgotten them.
 */
const NETWORK = 10 + Deno.pid % 200;
const STRANGER = `127.0.${NETWORK}.9`;
/** An address that an admin server's `allow` lacks. */
const OUTSIDER = `127.9.${NETWORK}.9`;

const POST = "POST / HTTP/1.1\r\nHost: x\r\n";
const STATUS = utf8("GET /status/ HTTP/1.1\r\nHost: x\r\n\r\n");

/** A head that is as long as may be, without its end. */
const LONG_HEAD = utf8(`${POST}X: ${"x".repeat(15_000)}`);

/** Half a head, in two ways. */
const HALF_HEADS = [utf8(`${POST}Content-Le`), LONG_HEAD];

/** Half a body, in four ways. */
const HALF_BODIES: readonly Uint8Array[] = [
  utf8(`${POST}Content-Length: 65536\r\n\r\n`),
  utf8(`${POST}Content-Length: 1048576\r\n\r\n${"x".repeat(100_000)}`),
  utf8(`${POST}Transfer-Encoding: chunked\r\n\r\n10000\r\n${"x".repeat(30_000)}`),
  utf8(`${POST}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n`),
];

/** The attacks on the admin port, by their names. */
export const ADMIN_ATTACKS: Readonly<Record<string, (target: Target) => Promise<void>>> = {
  A1: (target) => clients(target, 1500, ended),

  A2: (target) => clients(target, 1500, sending(HALF_HEADS)),

  A3: (target) => clients(target, 1500, sending(HALF_BODIES)),

  async A4(target) {
    let answers = 0;
    const least = share(target, 2000).length / 2;
    // Those that are idle are closed for newcomers, which is no refusal that the service could tell.
    setTimeout(() => {
      if (answers < least) fail(`There were only ${answers} answers`);
    }, ANSWERS_MS);
    await clients(target, 2000, async (connection) => {
      connection.on("data", (chunk) => {
        if (chunk.indexOf(ACCEPTED) === 0) answers++;
      });
      const end = ended(connection);
      for (let isOver = false; !isOver;) {
        await send(connection, STATUS);
        isOver = await Promise.race([end.then(() => true), sleep(ASK_MS).then(() => false)]);
      }
    });
  },

  A5: (target) => clients(target, 300, sending([STATUS]), () => OUTSIDER),

  A6: (target) =>
    clients(target, 1500, async (connection, index) => {
      const end = ended(connection);
      // Half of them take their time with the head, too.
      const slow = utf8(index % 2 === 0 ? POST : "x".repeat(1000));
      if (index % 2 === 1) await send(connection, utf8(`${POST}Content-Length: 1000\r\n\r\n`));
      for (const byte of slow) {
        await send(connection, Uint8Array.of(byte));
        if (await Promise.race([end.then(() => true), sleep(1000).then(() => false)])) return;
      }
    }),

  A7: (target) => {
    const head = utf8(`${POST}X: ${"x".repeat(60_000)}`);
    return clients(target, 3000, sending([head]));
  },

  A8: (target) => {
    const pages = ["/console/", "/metrics/"].map((path) =>
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`
    );
    const bytes = utf8(pages.join("").repeat(500));
    return clients(target, 500, async (connection) => {
      connection.pause();
      // It waits for ever when the service reads no more.
      for (;;) await send(connection, bytes);
    });
  },

  A9a: (target) =>
    clients(target, 1500, async (connection, index) => {
      if (index % 3 === 1) await send(connection, HALF_BODIES[1] ?? STATUS);
      if (index % 3 === 2) await send(connection, STATUS);
      await ended(connection);
    }),

  A9b: (target) =>
    clients({ ...target, admin: target.client }, 1500, async (connection, index) => {
      if (index % 2 === 1) await send(connection, utf8(REQUEST));
      await ended(connection);
    }),

  async A10(target) {
    const hello = await clientHello();
    // Silence, a part of a ClientHello, or a whole one, which costs the service a signature.
    const starts = [new Uint8Array(0), hello.subarray(0, 100), hello];
    await clients(target, 1100, sending(starts));
  },

  async A11(target) {
    const starts = [new Uint8Array(0), LONG_HEAD, ...HALF_BODIES];
    await Promise.all([
      clients({ ...target, admin: target.client }, 3000, ended),
      clients(target, 1500, sending(starts)),
    ]);
  },

  async A12(target) {
    const act: Act = async (connection, index) => {
      if (index % 2 === 1) await send(connection, utf8(POST));
      await ended(connection);
    };
    await Promise.all([
      clients({ ...target, admin: target.client }, 1500, act),
      clients(target, 1500, act),
    ]);
  },

  A13: (target) =>
    clients(target, 1500, sending(HALF_HEADS), (index) => `127.0.${NETWORK}.${10 + index % 20}`),

  A14: (target) => clients(target, 1500, sending(HALF_HEADS), () => "127.0.0.1"),
};

/** Sends one of several beginnings, and waits for the end. */
function sending(starts: readonly Uint8Array[]): Act {
  return async (connection, index) => {
    await send(connection, starts[index % starts.length] ?? STATUS);
    await ended(connection);
  };
}

/**
 * Connections that are being opened at a time. With more than 4,096 the kernel's queue would be full, and those of the
 * honest a second late, whatever the service does.
 */
const OPENING = 1000;

/** Lets clients connect, act, and connect again when that is over. */
async function clients(
  target: Target,
  count: number,
  act: Act,
  addressOf: (index: number) => string = () => STRANGER,
): Promise<void> {
  let opening = 0;
  await Promise.all(
    share(target, count).map(async (index) => {
      for (;;) {
        let connection: Socket;
        while (opening === OPENING) await sleep(AGAIN_MS);
        opening++;
        try {
          connection = await connectedFrom(addressOf(index), target.admin);
        } catch {
          await sleep(AGAIN_MS);
          continue;
        } finally {
          opening--;
        }
        try {
          await act(connection, index);
        } catch {
          // The service has ended it.
        }
        connection.destroy();
      }
    }),
  );
}

/** Ends the process, as the attack does not take place. */
function fail(why: string): never {
  Deno.stderr.writeSync(utf8(`${why}\n`));
  Deno.exit(1);
}

/** Resolves when the system has taken the bytes; rejects when the service has ended the connection. */
function send(connection: Socket, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    connection.write(bytes, (error) => error ? reject(error) : resolve());
  });
}

/** Reads until the service ends the connection. */
async function ended(connection: Socket): Promise<void> {
  if (connection.closed) return;
  await new Promise((resolve) => connection.once("close", resolve));
}

/** What a client of TLS sends first. */
async function clientHello(): Promise<Uint8Array> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  const secure = await Deno.connectTls({ hostname: "127.0.0.1", port: listener.addr.port });
  secure.handshake().catch(() => {});
  using connection = await accepted;
  const bytes = new Uint8Array(4096);
  const count = await connection.read(bytes) ?? 0;
  secure.close();
  // A record of TLS tells its length.
  const length = 5 + (bytes[3] ?? 0) * 256 + (bytes[4] ?? 0);
  if (bytes[0] !== 22 || count < length) throw new Error("That is no ClientHello");
  return concat(bytes.subarray(0, length));
}
