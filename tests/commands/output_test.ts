/**
 * Whatever a service, a configuration or a state file says: no command prints what steers a terminal.
 */

import { createHash } from "node:crypto";
import fc from "fast-check";
import { loadCommands, main } from "../../src/cli/cli.ts";
import { Pidfile } from "../../src/supervisor/pidfile.ts";
import { UNPRINTABLE } from "../../src/text.ts";
import { FAMILIES } from "../../src/metrics/families.ts";
import { assert, assertEquals, assertStringIncludes } from "../assert.ts";
import { type Authority, makeAuthority, makeCertificate } from "../acceptance/certificate.ts";
import { freePorts } from "../acceptance/ports.ts";
import { PROGRAM } from "../acceptance/program.ts";
import { Folder } from "../folder.ts";

const COMMANDS = await loadCommands();

/** What steers a terminal, breaks a line, reorders text, or is not seen. */
const HOSTILE = [
  ..."\x00\x07\b\t\n\r\x1b\x7f\x85\x90\x9b\x9d\u00a0\u00ad\u061c\u115f\u200b\u200d\u200e\u200f\u2028\u2029",
  ..."\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\u3164\ufe0f\ufeff\ufffb",
  ...["\u{e0041}", "\ud800", "\udfff", "\x1b[2J", "\x1b]0;x\x07", "\x9b31m", "\r\nOK\n"],
];

const hostileText = fc.array(fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ maxLength: 3 })), {
  minLength: 1,
  maxLength: 6,
}).map((parts) => parts.join(""));

/** Runs a command in this process. Returns what it has written to standard output and standard error. */
async function outputOf(args: readonly string[]) {
  const out: string[] = [];
  const errors: string[] = [];
  const write = (texts: string[]) => (bytes: Uint8Array) => {
    // What listens goes on until it is interrupted.
    if (args[0] === "listen" && out.length + errors.length === 3) Deno.kill(Deno.pid, "SIGTERM");
    texts.push(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes));
    return bytes.length;
  };
  const { writeSync: toOut } = Deno.stdout;
  const { writeSync: toErrors } = Deno.stderr;
  Deno.stdout.writeSync = write(out);
  Deno.stderr.writeSync = write(errors);
  try {
    await main(PROGRAM.path, args);
  } finally {
    Deno.stdout.writeSync = toOut;
    Deno.stderr.writeSync = toErrors;
  }
  return { out: out.join(""), errors: errors.join("") };
}

/** Asserts that an output has nothing but line feeds that a terminal could obey. */
function assertPrintable(
  { out, errors }: Awaited<ReturnType<typeof outputOf>>,
  what: string,
): void {
  for (const text of [out, errors]) {
    const found = text.match(UNPRINTABLE)?.filter((character) => character !== "\n") ?? [];
    assertEquals(found, [], `${what}: ${JSON.stringify(text)}`);
    assertEquals(text.includes("Unexpected error"), false, `${what}: ${text}`);
  }
}

/** A server that answers as it is told, byte by byte: no library keeps it from anything. */
class Liar implements AsyncDisposable {
  readonly port: number;
  readonly #listener: Deno.TcpListener;
  readonly #accepting: Promise<void>;
  readonly #connections = new Set<Promise<void>>();
  /** Returns the bytes for a request's head. */
  answer: (head: string) => Uint8Array = () => new Uint8Array();

  constructor() {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    this.#accepting = this.#accept();
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) {
      const serving = this.#serve(connection).catch(() => {});
      this.#connections.add(serving);
      void serving.then(() => this.#connections.delete(serving));
    }
  }

  async #serve(connection: Deno.TcpConn): Promise<void> {
    using _ = connection;
    const buffer = new Uint8Array(65_536);
    let head = "";
    while (!head.includes("\r\n\r\n")) {
      const count = await connection.read(buffer);
      if (count === null) return;
      head += new TextDecoder().decode(buffer.subarray(0, count));
    }
    const answer = this.answer(head);
    for (let written = 0; written < answer.length;) {
      written += await connection.write(answer.subarray(written));
    }
    await connection.closeWrite();
    // What comes late would have the answer thrown away.
    while (await connection.read(buffer) !== null);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    await Promise.all(this.#connections);
  }
}

const encoder = new TextEncoder();

function joined(...parts: readonly (string | Uint8Array)[]): Uint8Array {
  const bytes = parts.map((part) => typeof part === "string" ? encoder.encode(part) : part);
  const all = new Uint8Array(bytes.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of bytes) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** An HTTP answer. */
function http(status: number, text: string, body: string): Uint8Array {
  // In a head a line ends where it says so.
  const safe = text.replace(/[\r\n\0]/g, " ");
  const bytes = encoder.encode(body);
  return joined(
    `HTTP/1.1 ${status} ${safe}\r\nLocation: ${safe}\r\nContent-Length: ${bytes.length}\r\n` +
      "Connection: close\r\n\r\n",
    bytes,
  );
}

/** An accepted WebSocket, a message, and a close frame with a reason. */
function webSocket(head: string, message: string, reason: string): Uint8Array {
  const key = /^sec-websocket-key: (.*)\r$/im.exec(head)?.[1] ?? "";
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest("base64");
  const payload = encoder.encode(message);
  const why = encoder.encode(reason).subarray(0, 100);
  return joined(
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
    new Uint8Array([0x81, 126, payload.length >> 8, payload.length & 255]),
    payload,
    new Uint8Array([0x88, 2 + why.length, 3, 233]),
    why,
  );
}

/** What answers of each kind say, with a text in every place that a command may print. */
function bodies(text: string): Readonly<Record<string, unknown>> {
  const peer = {
    ...{ peer: text, state: "down", fingerprint: text, proof: "contradicted", "last.error": text },
    ...{
      queued: text,
      sent: text,
      dropped: text,
      failed: text,
      "last.failure": 1,
      receivers: null,
    },
  };
  const server = { type: text, url: text, certificate: text };
  const labels = { server: text, reason: text, account: text, phorge_instance: text };
  const metrics = Object.fromEntries(
    Object.entries(FAMILIES).map(([name, { type }]) => [
      name,
      [[labels, type === "histogram" ? { bounds: text, counts: text, sum: text } : 1e300]],
    ]),
  );
  const now = {
    ...{ version: text, fingerprint: text, deno: text, at: 0, uptimeMs: 1 },
    ...{ servers: [server, { ...server, type: "client" }], peers: [peer], metrics },
  };
  const note = { at: 1e300, instance: text, type: text, subscribers: 1, outcome: text, bytes: 1 };
  return {
    "/": { fingerprint: "abc", outcome: "published", receivers: 1, peers: [peer], error: text },
    "/console/topic/": { instance: text, topic: text, subscribers: 1 },
    "/console/data/": {
      ...{ now, samples: [{}], messages: [note] },
      configuration: { path: text, flags: text, settings: { [text]: text } },
    },
    "/status/": {
      ...{ version: 7, instance: text, fingerprint: text, "clients.active": text },
      ...{ "messages.in": text, cluster: [peer] },
    },
  };
}

/** A configuration of a hostile service, in a folder whose files have odd names. */
function writeConfig(folder: Folder, admin: number, client: number, name: string): string {
  // A path in a permission flag has none of these.
  const file = name.replace(/[\0\r\n,/]/g, "").toWellFormed().slice(0, 40) + "x";
  return folder.write(
    "aphlict.json",
    JSON.stringify({
      servers: [
        { type: "client", port: client, listen: "127.0.0.1" },
        { type: "admin", port: admin },
      ],
      logs: [{ path: `${folder.path}/${file}.log` }],
      pidfile: `${folder.path}/${file}.pid`,
    }),
  );
}

/** The commands that speak to a service. */
const SPEAKING: readonly (readonly string[])[] = [
  ["status"],
  ["status", "--json"],
  ["status", "--topic", "A"],
  ["status", "--topic", "A", "--json"],
  ["health"],
  ["health", "--json"],
  ["health", "--wait", "0.01"],
  ["top"],
  ["send", "--to", "A"],
  ["doctor"],
  ["doctor", "--json"],
  ["check"],
  ["check", "--json"],
  ["listen", "A"],
  ["listen", "--json", "A"],
];

Deno.test("no answer of a service gets what steers a terminal into the output of a command", async () => {
  using folder = new Folder();
  // The signal may come when the command has ended.
  const ignore = () => {};
  Deno.addSignalListener("SIGTERM", ignore);
  using _ = { [Symbol.dispose]: () => Deno.removeSignalListener("SIGTERM", ignore) };
  await using admin = new Liar();
  await using client = new Liar();
  await fc.assert(
    fc.asyncProperty(
      hostileText,
      fc.constantFrom("raw", "shaped", "error", "cut"),
      fc.constantFrom(200, 302, 403, 503),
      async (text, kind, status) => {
        const shaped = bodies(text);
        admin.answer = (head) => {
          const path = /^\w+ ([^ ?]*)/.exec(head)?.[1] ?? "";
          const body = kind === "raw"
            ? text
            : JSON.stringify(kind === "error" ? { error: text } : shaped[path] ?? { error: text });
          if (kind === "cut") return encoder.encode(`HTTP/1.1 ${text}`);
          return http(kind === "shaped" ? 200 : status, text, body);
        };
        const json = JSON.stringify({ type: text, text, n: 1 }).replaceAll("\\u001b", "\x1b");
        const message = kind === "shaped" ? JSON.stringify({ type: text, text }) : json;
        client.answer = (head) =>
          /upgrade: websocket/i.test(head) && kind !== "error"
            ? webSocket(head, kind === "raw" ? text.toWellFormed() : message, text.toWellFormed())
            : http(501, text, text);
        const path = writeConfig(folder, admin.port, client.port, text);
        for (const [verb = "", ...args] of SPEAKING) {
          const said = await outputOf([verb, "--config", path, ...args]);
          assertPrintable(said, [verb, ...args].join(" "));
        }
      },
    ),
    { numRuns: 8 },
  );
});

const TOKEN = "kT2-9sLq.4vXz0bW~7hQm3dRc";

/** The token as servers may write it: in each way, and where a text is cut. */
const ECHOES = [
  [
    `Bearer ${TOKEN}`,
    TOKEN.slice(0, -3),
    `%6B${TOKEN.slice(1)}`,
    `\\u006b${TOKEN.slice(1)}`,
    btoa(`user:${TOKEN}`),
  ].join(" "),
  `${"x".repeat(490)}${TOKEN}`,
];

/** Asserts that an output has nothing of the token. */
function assertWithoutToken(
  { out, errors }: Awaited<ReturnType<typeof outputOf>>,
  what: string,
): void {
  for (const secret of [TOKEN.slice(0, 12), TOKEN.slice(1, 13), btoa(`user:${TOKEN}`)]) {
    assertEquals((out + errors).includes(secret), false, `${what}: ${out}${errors}`);
  }
}

/** A configuration whose admin server and whose peers have a token. */
function writeWithToken(
  folder: Folder,
  admin: number,
  client: number,
  cluster: readonly object[],
): string {
  const token = folder.write("token", TOKEN);
  Deno.chmodSync(token, 0o600);
  return folder.write(
    "aphlict.json",
    JSON.stringify({
      servers: [
        { type: "client", port: client, listen: "127.0.0.1" },
        { type: "admin", port: admin, "token.file": token },
      ],
      cluster: cluster.map((peer) => ({ host: "127.0.0.1", "token.file": token, ...peer })),
      pidfile: `${folder.path}/a.pid`,
    }),
  );
}

Deno.test("no command shows the token that an admin server or a peer gives back, whatever it was asked", async () => {
  using folder = new Folder();
  await using admin = new Liar();
  await using peer = new Liar();
  const [client = 0] = freePorts(1);
  const path = writeWithToken(folder, admin.port, client, [{ port: peer.port, protocol: "http" }]);
  for (const text of ECHOES) {
    const shaped = bodies(text);
    for (
      const [kind, status] of [["raw", 200], ["shaped", 200], ["error", 403], ["cut", 0]] as const
    ) {
      const answer = (head: string) => {
        const path = /^\w+ ([^ ?]*)/.exec(head)?.[1] ?? "";
        if (kind === "cut") return encoder.encode(`HTTP/1.1 ${text}`);
        // It is known from before, also where it is not sent.
        const body = kind === "raw"
          ? text
          : JSON.stringify(kind === "error" ? { error: text } : shaped[path] ?? { error: text });
        return http(status, text, body);
      };
      admin.answer = answer;
      // A peer that has passed for one gets the token.
      peer.answer = (head) =>
        kind === "error" && head.startsWith("GET /status/")
          ? http(200, "OK", JSON.stringify({ version: 7, fingerprint: "a-fingerprint" }))
          : answer(head);
      for (const [verb = "", ...args] of SPEAKING) {
        if (["check", "listen"].includes(verb)) continue;
        const said = await outputOf([verb, "--config", path, ...args]);
        assertWithoutToken(said, `${kind} ${[verb, ...args].join(" ")}`);
      }
    }
  }
});

Deno.test("no command shows a token that stands in a certificate", async () => {
  using folder = new Folder();
  const [client = 0, admin = 0] = freePorts(2);
  const named = (authority: Authority) =>
    makeCertificate(authority, undefined, {
      name: "subjectAltName",
      altNames: [{ type: 2, value: TOKEN }],
    });
  const [known, unknown] = [makeAuthority("Test"), makeAuthority(`${"x".repeat(40)}${TOKEN}`)];
  await using wrong = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {}, ...named(known) },
    () => new Response(),
  );
  await using strange = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {}, ...makeCertificate(unknown) },
    () => new Response(),
  );
  const ca = folder.write("ca.pem", known.cert);
  const path = writeWithToken(folder, admin, client, [
    { port: wrong.addr.port, protocol: "https", "ssl.ca": ca },
    { port: strange.addr.port, protocol: "https", "ssl.ca": ca },
  ]);
  const said = await outputOf(["doctor", "--config", path]);
  assertStringIncludes(said.out, "has a certificate for [the token], not for 127.0.0.1");
  assertStringIncludes(said.out, "has a certificate of an unknown issuer");
  assertWithoutToken(said, "doctor");
});

/** Verbs that are for bin/aphlict alone, which takes what they print as it is. */
const FOR_THE_SHELL = ["launch", "deno"];

/** Verbs that stay, and need a parent process. */
const FOR_A_PARENT = ["service"];

Deno.test("no configuration gets what steers a terminal into the output of a command", async () => {
  using folder = new Folder();
  const verbs = COMMANDS.map(({ verb }) => verb)
    .filter((verb) => ![...FOR_THE_SHELL, ...FOR_A_PARENT].includes(verb));
  assertEquals(verbs.length, COMMANDS.length - FOR_THE_SHELL.length - FOR_A_PARENT.length);
  await fc.assert(
    fc.asyncProperty(hostileText, fc.integer({ min: 0, max: 4 }), async (text, kind) => {
      const path = folder.write(
        "bad.json",
        [
          text,
          JSON.stringify({ [text]: text }),
          JSON.stringify({ servers: [{ type: text, port: text, listen: text }], pidfile: text }),
          JSON.stringify({ servers: text, logs: [{ path: text, level: text }], user: text }),
          `{"servers": ${text}`,
        ][kind] ?? "",
      );
      for (const { verb, options, operands = "" } of COMMANDS) {
        if (!verbs.includes(verb)) continue;
        const more = operands.startsWith("[") || operands === "" ? [] : [text];
        for (const file of [path, `${folder.path}/${text}`]) {
          const isJson = options.some(({ name }) => name === "json");
          for (const json of isJson ? [[], ["--json"]] : [[]]) {
            const args = [verb, "--config", file, ...json, ...more];
            const said = await outputOf(args);
            assertPrintable(said, args.join(" "));
            if (json.length === 0 || verb === "doctor" || said.errors.includes("Usage:")) continue;
            assert(typeof JSON.parse(said.out) === "object", verb);
          }
        }
        assertPrintable(await outputOf([verb, text, text, text]), verb);
        assertPrintable(await outputOf([verb, `--${text}`, text]), verb);
      }
      assertPrintable(await outputOf([text]), "a verb");
    }),
    { numRuns: 30 },
  );
});

Deno.test("no state file gets what steers a terminal into the output of a command", async () => {
  using folder = new Folder();
  const [admin = 0, client = 0] = freePorts(2);
  await fc.assert(
    fc.asyncProperty(hostileText, fc.boolean(), async (text, ok) => {
      const path = writeConfig(folder, admin, client, "a");
      const pidfile = await Pidfile.take(`${folder.path}/ax.pid`);
      const write = (reloads: number) =>
        folder.write(
          "ax.pid.state",
          JSON.stringify({
            ...{ pid: Deno.pid, config: text, ownGroup: true, drain: 0, since: 0, restarts: 1 },
            service: { pid: 1, since: 0, urls: [text, `http://127.0.0.1:${admin}/`] },
            lastEnd: { at: 0, reason: text },
            ...{
              reloadBegun: reloads,
              reloadDone: reloads,
              lastReload: { ok, lines: [text, text] },
            },
            complaint: { at: 0, line: text },
          }),
        );
      write(0);
      const onReload = () => void write(1);
      Deno.addSignalListener("SIGHUP", onReload);
      try {
        for (const args of [["status"], ["status", "--json"], ["doctor"], ["check"], ["reload"]]) {
          const [verb = "", ...more] = args;
          const said = await outputOf([verb, "--config", path, ...more]);
          assertPrintable(said, args.join(" "));
          if (verb === "reload") {
            assertStringIncludes(said.out + said.errors, ok ? "Reloaded" : "failed");
          }
          if (more.length > 0) assertEquals(JSON.parse(said.out).lastEnd.reason, text);
        }
      } finally {
        Deno.removeSignalListener("SIGHUP", onReload);
        pidfile?.remove();
        pidfile?.close();
      }
    }),
    { numRuns: 20 },
  );
});
