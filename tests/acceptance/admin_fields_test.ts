/**
 * The fields that keep browsers from taking an answer of the admin port for something else, on every answer.
 */

import { assertEquals, assertMatch } from "../assert.ts";
import { Folder } from "../folder.ts";
import { ENGINES } from "./engines.ts";
import { run, type Running } from "./server.ts";
import { until } from "./until.ts";
import { Wire } from "./wire.ts";

const TOKEN = "0123456789abcdefghij";

/** The head of the answer to some bytes. */
async function head(port: number, bytes: string): Promise<string> {
  using wire = await Wire.connect(port);
  await wire.send(bytes);
  return await wire.head();
}

/** A request with further header lines, each with its end. */
function request(line: string, fields = ""): string {
  return `${line} HTTP/1.1\r\nHost: 127.0.0.1\r\n${fields}\r\n`;
}

/** Asserts that a head is that of an answer with a status, and has what each answer has once. */
function assertGuarded(answer: string, status: number, what: string): void {
  assertMatch(answer, new RegExp(`^HTTP/1\\.1 ${status} `), what);
  const of = (name: string) => answer.match(new RegExp(`^${name}: .*$`, "gmi"))?.map(lowered);
  assertEquals(of("x-content-type-options"), ["x-content-type-options: nosniff"], what);
  assertEquals(
    of("cross-origin-resource-policy"),
    ["cross-origin-resource-policy: same-origin"],
    what,
  );
}

function lowered(line: string): string {
  return line.trimEnd().toLowerCase();
}

const HTML = "Accept: text/html\r\n";
const BEARER = `Authorization: Bearer ${TOKEN}\r\n`;

function post(body: string, fields = BEARER): string {
  return `${request("POST /", `${fields}Content-Length: ${body.length}\r\n`)}${body}`;
}

/** What is asked, and the status of its answer. */
const ANSWERS: readonly (readonly [string, number])[] = [
  ...[
    "/status/",
    "/status",
    "/metrics/",
    "/metrics",
    "/console/",
    "/console/data/",
    "/console/data",
    "/health/live",
    "/health/ready",
    "/health/live/",
    "/health/ready/",
  ].flatMap((path) => [[request(`GET ${path}`), 200], [request(`HEAD ${path}`), 200]] as const),
  [request("GET /", HTML), 302],
  [request("GET /console"), 302],
  [post('{"subscribers":["A"]}'), 200],
  [post("no message"), 400],
  [request("GET http://["), 400],
  [request(`GET /status/?instance=${"x".repeat(300)}`), 400],
  [post('{"subscribers":["A"]}', ""), 401],
  [request("GET /console/message/?id=1"), 401],
  [request("GET /console/message/?id=1", BEARER), 404],
  [post('{"subscribers":["A"]}', `${BEARER}Origin: http://evil.example.net\r\n`), 403],
  ["GET /console/ HTTP/1.1\r\nHost: evil.example.net\r\n\r\n", 403],
  [request("GET /"), 405],
  [request("OPTIONS /", "Origin: http://evil.example.net\r\n"), 405],
  [request("GET /elsewhere"), 404],
  [post("x".repeat(3000)), 413],
];

/** What is no request, and what is answered before there is one: by the engine `socket`. */
const MALFORMED: readonly (readonly [string, number])[] = [
  ["nonsense\r\n\r\n", 400],
  ["GET / HTTP/1.1\r\n\r\n", 400],
  [request("GET /", "Content-Length: 1\r\nContent-Length: 1\r\n"), 400],
  [request("GET /", "Expect: wonders\r\n"), 417],
  [request("GET /", `X: ${"x".repeat(17_000)}\r\n`), 431],
  [request("POST /", "Transfer-Encoding: gzip, chunked\r\n"), 501],
  ["GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505],
];

for (const engine of ENGINES) {
  const on = ` (${engine} engine)`;

  Deno.test(`every answer of the admin port says that it is what it says, for its own pages alone${on}`, async () => {
    using folder = new Folder();
    const keys = { "token.file": folder.write("token", TOKEN), "limit.message": 2048 };
    await using running = await run({
      engine,
      servers: [{ type: "client" }, { type: "admin", keys }],
    });
    const all = engine === "socket" ? [...ANSWERS, ...MALFORMED] : ANSWERS;
    for (const [bytes, status] of all) {
      assertGuarded(await head(running.admin, bytes), status, bytes.slice(0, 80));
    }
    assertGuarded(
      await stopping(running),
      503,
      "a message that has not come when the server stops",
    );
  });

  Deno.test(`so does what is said to an address that is not in allow${on}`, async () => {
    await using running = await run({
      engine,
      servers: [{ type: "client" }, { type: "admin", keys: { allow: ["192.0.2.7"] } }],
    });
    for (const [bytes] of ANSWERS) {
      if (bytes.startsWith("GET http://[")) continue;
      assertGuarded(await head(running.admin, bytes), 403, bytes.slice(0, 80));
    }
  });
}

/** Stops a service while a message is on its way, and returns the head of what is answered to it. */
async function stopping({ admin, process }: Running): Promise<string> {
  using wire = await Wire.connect(admin);
  await wire.send(request("POST /", `${BEARER}Content-Length: 100\r\n`));
  const metrics = async () => await (await fetch(`http://127.0.0.1:${admin}/metrics/`)).text();
  await until(async () => /^aphlict_requests\{.*\} 1$/m.test(await metrics()));
  Deno.kill(process.pid, "SIGTERM");
  return await wire.head();
}

if (ENGINES.includes("serve")) {
  Deno.test("what Deno.serve refuses by itself has no content that could be taken for something (serve engine)", async () => {
    await using running = await run({ engine: "serve" });
    for (const bytes of ["nonsense\r\n\r\n", request("GET /", "no field\r\n")]) {
      const answer = await head(running.admin, bytes);
      assertMatch(answer, /^HTTP\/1\.1 400 /);
      assertEquals(/^content-length: 0\r$/mi.test(answer), true, answer);
    }
  });
}
