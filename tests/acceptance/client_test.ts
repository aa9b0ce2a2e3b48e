import {
  assert,
  assertEquals,
  assertMatch,
  assertNotMatch,
  assertStringIncludes,
} from "../assert.ts";
import { Browser } from "./browser.ts";
import { exchange } from "./raw.ts";
import { ENGINES } from "./engines.ts";
import { publish, run, type RunOptions, status } from "./server.ts";

/** Starts a service on each engine, and describes what it does in one test. */
function it(
  does: string,
  test: (running: Awaited<ReturnType<typeof run>>) => Promise<void>,
  options?: RunOptions,
): void {
  for (const engine of ENGINES) {
    Deno.test(`the client port on the ${engine} engine ${does}`, async () => {
      await using running = await run({ ...options, engine });
      await test(running);
    });
  }
}

it("delivers what is published to the browsers subscribed to one of its topics", async ({ client, admin }) => {
  await using a = await Browser.open(client, { topics: ["PHID-USER-a", "PHID-TASK-1"] });
  await using b = await Browser.open(client, { topics: ["PHID-USER-b"] });
  const fingerprint = await publish(admin, {
    key: "1",
    type: "notification",
    subscribers: ["PHID-USER-a", "PHID-TASK-1"],
  });
  assertEquals(await a.all(), [
    `{"key":"1","type":"notification","subscribers":["PHID-USER-a","PHID-TASK-1"],"touched":["${fingerprint}"]}`,
  ]);
  assertEquals(await b.all(), []);
});

it("stops delivering after unsubscribe, and minds neither repetitions nor unknown topics", async ({ client, admin }) => {
  await using browser = await Browser.open(client, { topics: ["A", "A"] });
  browser.command("subscribe", ["A"]);
  browser.command("unsubscribe", ["B"]);
  await browser.pong();
  await publish(admin, { subscribers: ["A", "B"] });
  assertEquals((await browser.all()).length, 1);
  browser.command("unsubscribe", ["A", "A"]);
  await browser.pong();
  await publish(admin, { subscribers: ["A", "B"] });
  assertEquals(await browser.all(), []);
});

it("answers ping with pong", async ({ client }) => {
  await using browser = await Browser.open(client);
  browser.command("ping");
  assertEquals(await browser.next(), '{"type":"pong"}');
});

it("replays to a browser that comes back what it missed, oldest first", async ({ client, admin }) => {
  {
    await using browser = await Browser.open(client, { topics: ["A"] });
    await publish(admin, { subscribers: ["A"], n: 1 });
    assertMatch(await browser.next(), /"n":1/);
  }
  await publish(admin, { subscribers: ["A"], n: 2 });
  await publish(admin, { subscribers: ["B"], n: 3 });
  await publish(admin, { subscribers: ["A", "B"], n: 4 });
  await using browser = await Browser.open(client, { topics: ["A"] });
  browser.command("replay", { age: 60_000 });
  const all = await browser.all();
  assertEquals(all.map((text) => JSON.parse(text).n), [1, 2, 4]);
  browser.command("replay", { age: 0 });
  assertEquals(await browser.all(), all, "0 is the default of 60,000");
  browser.command("replay", {});
  assertEquals(await browser.all(), all);
  browser.command("replay", { age: -1 });
  assertEquals(await browser.all(), []);
});

it("keeps instances apart, live and in replays", async ({ client, admin }) => {
  await using acme = await Browser.open(client, { path: "/~acme/", topics: ["A"] });
  await using proxied = await Browser.open(client, { path: "/ws/~acme/?x=~other", topics: ["A"] });
  await using nobody = await Browser.open(client, { path: "/ws/", topics: ["A"] });
  await using other = await Browser.open(client, { path: "/~__proto__/", topics: ["A"] });
  await publish(admin, { subscribers: ["A"], n: 1 }, { instance: "acme" });
  await publish(admin, { subscribers: ["A"], n: 2 });
  await publish(admin, { subscribers: ["A"], n: 3 }, { instance: "__proto__" });
  for (const [browser, n] of [[acme, 1], [proxied, 1], [nobody, 2], [other, 3]] as const) {
    assertEquals((await browser.all()).map((text) => JSON.parse(text).n), [n]);
    browser.command("replay", {});
    assertEquals((await browser.all()).map((text) => JSON.parse(text).n), [n]);
  }
});

it("ignores and logs what is no command, and obeys the next one", async ({ client, admin, log }) => {
  await using browser = await Browser.open(client);
  const nonsense = [
    "null",
    "7",
    "garbage",
    "{}",
    '{"command":"dance"}',
    '{"command":"__proto__"}',
    '{"command":"subscribe"}',
    '{"command":"subscribe","data":{"length":500000000}}',
    '{"command":"unsubscribe","data":null}',
    '{"command":"replay","data":null}',
  ];
  for (const text of nonsense) browser.send(text);
  await browser.pong();
  browser.command("subscribe", ["A"]);
  await browser.pong();
  await publish(admin, { subscribers: ["A"] });
  assertEquals((await browser.all()).length, 1);
  assertEquals(log().match(/Ignored its message/g)?.length, nonsense.length);
});

it("logs no more than ten refusals of one browser, and their number when it has gone", async ({ client, process, log }) => {
  {
    await using browser = await Browser.open(client);
    for (let index = 0; index < 100; index++) browser.send("garbage");
    await browser.pong();
  }
  await process.line(/100 of its commands were refused in all/);
  assertEquals(log().match(/Ignored its message/g)?.length, 10);
});

it("takes a binary frame for text", async ({ client, admin }) => {
  await using browser = await Browser.open(client);
  browser.send(new TextEncoder().encode('{"command":"subscribe","data":["ünï-😀"]}'));
  await browser.pong();
  await publish(admin, { subscribers: ["ünï-😀"] });
  assertEquals((await browser.all()).length, 1);
});

it("answers a request that is no WebSocket with exactly 501 and no Content-Type", async ({ client }) => {
  for (const [method, path] of [["GET", "/"], ["POST", "/status/"], ["GET", "/~acme/"]] as const) {
    const response = await fetch(`http://127.0.0.1:${client}${path}`, { method });
    assertEquals(response.status, 501);
    assertEquals(response.headers.get("content-type"), null);
    assertEquals(await response.text(), "HTTP/501 Use Websockets\n");
  }
});

it("refuses an upgrade that is no handshake with 400, and logs it", async ({ client, process }) => {
  const good = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  for (
    const [method, headers] of [
      ["GET", ""],
      ["POST", good],
      ["GET", good.replace("dGhlIHNhbXBsZSBub25jZQ==", "zz")],
    ]
  ) {
    const answer = await exchange(
      client,
      `${method} / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `${headers}\r\n`,
      /\r\n\r\n/,
    );
    assertMatch(answer, /^HTTP\/1\.1 400 /);
  }
  await process.line(/Refused a WebSocket/);
});

it("refuses another version of the protocol with 426 and says which one it speaks", async ({ client }) => {
  const answer = await exchange(
    client,
    "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    /\r\n\r\n/,
  );
  assertMatch(answer, /^HTTP\/1\.1 426 /);
  assertMatch(answer, /^sec-websocket-version: 13\r$/mi);
});

it("survives malformed targets and Host headers", async ({ client }) => {
  for (const request of ["GET http://[ HTTP/1.1\r\nHost: x", "GET / HTTP/1.1\r\nHost: [[["]) {
    const answer = await exchange(client, `${request}\r\nConnection: close\r\n\r\n`);
    assertMatch(answer, /^HTTP\/1\.1 501 /);
  }
});

it("negotiates no subprotocol and no extension", async ({ client }) => {
  const answer = await exchange(
    client,
    "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
      "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
    /\r\n\r\n/,
  );
  assertMatch(answer, /^HTTP\/1\.1 101 /);
  // The example of RFC 6455, section 1.3.
  assertStringIncludes(answer.toLowerCase(), "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=");
  assertNotMatch(answer, /sec-websocket-(protocol|extensions)/i);
});

it("ends a connection that sends too much at once with 1009, and says so once", async ({ client, process, log }) => {
  await using browser = await Browser.open(client);
  browser.send("x".repeat(64 * 1024 + 1));
  browser.send("x".repeat(64 * 1024 + 1));
  assertEquals((await browser.closed).code, 1009);
  await process.line(
    /Ended its connection: it (sent|announced) a message of 65537 bytes, over 65536/,
  );
  assertEquals(log().match(/Ended its connection/g)?.length, 1);
});

it("counts exactly what came and went", async ({ client, admin }) => {
  await using a = await Browser.open(client, { topics: ["A"] });
  {
    await using gone = await Browser.open(client, { topics: ["A"] });
    await publish(admin, { subscribers: ["A"], uniqueID: "u1" });
    await publish(admin, { subscribers: ["A"], uniqueID: "u1" });
    await publish(admin, { subscribers: ["B"] });
    assertEquals((await gone.all()).length, 1);
  }
  a.command("replay", {});
  assertEquals((await a.all()).length, 2);
  await using _other = await Browser.open(client, { path: "/~acme/" });
  let page = await status(admin);
  // The server learns of the closed connection when its close handshake arrives.
  while (page["clients.active"] !== 1) {
    page = await status(admin);
  }
  const { uptime, "history.age": age, fingerprint: _, ...counts } = page;
  assertEquals(counts, {
    cluster: [],
    instance: "default",
    "clients.active": 1,
    "clients.total": 2,
    "messages.in": 3,
    "messages.out": 2,
    version: 7,
    "history.size": 2,
  });
  assert(Number.isInteger(uptime) && Number.isInteger(age) && Number(age) <= Number(uptime));
});

it(
  "shares listeners, history and counters among all servers of the configuration",
  async ({ ports, admin }) => {
    const [first = 0, second = 0, , otherAdmin = 0] = ports;
    await using a = await Browser.open(first, { topics: ["A"] });
    await using b = await Browser.open(second, { topics: ["A"] });
    await publish(admin, { subscribers: ["A"], n: 1 });
    await publish(otherAdmin, { subscribers: ["A"], n: 2 });
    for (const browser of [a, b]) {
      assertEquals((await browser.all()).map((text) => JSON.parse(text).n), [1, 2]);
    }
    assertEquals((await status(otherAdmin))["clients.active"], 2);
  },
  { servers: [{ type: "client" }, { type: "client" }, { type: "admin" }, { type: "admin" }] },
);
