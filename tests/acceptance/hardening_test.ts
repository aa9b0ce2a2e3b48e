/**
 * The list of attacks that the service survives: real sockets against a real service with its derived
 * flags and its default limits. In each test an honest browser is there, and hears everything.
 */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { concat, frame, hex } from "../websocket/bytes.ts";
import { Browser } from "./browser.ts";
import { makeAuthority, makeCertificate } from "./certificate.ts";
import { publish, residentBytes, type Running, status } from "./server.ts";
import { BLOCKED_MS, MB, type SurvivalOptions, survives, untilActive } from "./survival.ts";
import { REQUEST, Wire } from "./wire.ts";

survives("endless fragments of one message", async (running) => {
  const before = residentBytes(running);
  await Promise.all(Array.from({ length: 50 }, async () => {
    using wire = await Wire.open(running.client, []);
    const fragment = frame("x".repeat(1000), { opcode: 0, final: false });
    await wire.send(frame("", { final: false }));
    for (let sent = 0; sent < 65; sent++) await wire.send(fragment);
    await wire.send(fragment);
    assertEquals(await wire.closed(), 1009);
  }));
  assert(residentBytes(running) - before < 50 * MB, "50 clients tried to leave more there");
});

survives("fragments of nothing, by the ten thousand", async (running) => {
  const before = residentBytes(running);
  using wire = await Wire.open(running.client, []);
  await wire.send(frame("", { final: false }));
  const some = concat(...Array(150).fill(frame("", { opcode: 0, final: false })));
  await wire.send(some);
  await wire.send(frame('{"command":"ping"}', { opcode: 0 }));
  assertEquals(await wire.text(), '{"type":"pong"}');
  await wire.send(frame("", { final: false }));
  await wire.send(concat(...Array(66).fill(some)));
  assertEquals(await wire.closed(), 1008, "each counts as a command");
  assert(residentBytes(running) - before < 50 * MB);
});

survives("a frame that announces 8 GiB", async ({ client }) => {
  using wire = await Wire.open(client, []);
  await wire.send(frame("x", { length: 8 * 1024 ** 3 }));
  assertEquals(await wire.closed(), 1009);
});

survives("frames without a mask, with reserved bits, of unknown kinds", async ({ client }) => {
  const bad = [{ key: null }, { reserved: 0x40 }, { opcode: 3 }, { opcode: 0 }, {
    final: false,
    opcode: 9,
  }];
  for (const how of bad) {
    using wire = await Wire.open(client, []);
    await wire.send(frame("x", how));
    assertEquals(await wire.closed(), 1002);
  }
});

survives(
  "300 requests that never end, and 300 connections that say nothing",
  async ({ client, log }) => {
    const slow = await Promise.all(Array.from({ length: 600 }, () => Wire.connect(client)));
    for (const wire of slow.slice(300)) await wire.send("GET / HTTP/1.1\r\nX-Slow: ");
    await using another = await Browser.open(client);
    const drip = setInterval(
      () => slow.slice(300).forEach((wire) => wire.send("x").catch(() => {})),
      1000,
    );
    const answers = await Promise.all(slow.map((wire) => wire.head().catch(() => "")));
    clearInterval(drip);
    assertEquals(answers.slice(0, 300), Array(300).fill(""));
    for (const answer of answers.slice(300)) assertMatch(answer, /^HTTP\/1\.1 408 /);
    await another.pong();
    assertEquals(log().match(/It sent no whole request/g)?.length, 30, "the rest is counted");
    for (const wire of slow) wire[Symbol.dispose]();
  },
);

survives("heads that are too long, and bytes that are no HTTP", async ({ client }) => {
  using long = await Wire.connect(client);
  await long.send(`GET / HTTP/1.1\r\nX: ${"x".repeat(16 * 1024)}`);
  assertMatch(await long.head(), /^HTTP\/1\.1 431 /);
  using hello = await Wire.connect(client);
  await hello.send(hex("16 03 01 02 00 01 00 01 fc 03 03"));
  assertMatch(await hello.head(), /^HTTP\/1\.1 400 /);
  const random = crypto.getRandomValues(new Uint8Array(60_000));
  for (let round = 0; round < 20; round++) {
    using wire = await Wire.connect(client);
    await wire.send(random.map((byte) => byte ^ round)).catch(() => {});
    await wire.frame().catch(() => {});
    using opened = await Wire.open(client, []);
    await opened.send(random.map((byte) => byte ^ round)).catch(() => {});
    assertMatch(`${await opened.closed()}`, /^10\d\d$/);
  }
});

survives("40 clients that never read, under a broadcast", async (running, honest) => {
  const stuck = await Promise.all(
    Array.from({ length: 40 }, () => Wire.open(running.client, ["A"])),
  );
  await untilActive(running, 41);
  const before = residentBytes(running);
  const filler = "x".repeat(100_000);
  let sent = 0;
  while ((await status(running.admin))["clients.active"] !== 1) {
    await publish(running.admin, { subscribers: ["A", "HONEST"], sent, filler });
    assertEquals(JSON.parse(await honest.next()).sent, sent, "the honest one hears all of it");
    sent++;
    assert(sent < 500, "the backlog is bounded");
  }
  assert(
    residentBytes(running) - before < 150 * MB,
    `${(residentBytes(running) - before) / MB} MB`,
  );
  for (const wire of stuck) wire[Symbol.dispose]();
});

/** Floods the service from several connections, and never reads the answers. */
async function flood(running: Running, caCerts?: string[]): Promise<void> {
  const before = residentBytes(running);
  const pings = concat(...Array(500).fill(frame("x".repeat(125), { opcode: 9 })));
  const commands = concat(...Array(500).fill(frame('{"command":"ping"}')));
  const long = frame("x".repeat(60_000));
  await Promise.all([pings, commands, long].map(async (bytes) => {
    for (let round = 0; round < 4; round++) {
      using wire = await Wire.open(running.client, [], caCerts);
      const error = await (async () => {
        for (;;) await wire.send(bytes);
      })().catch((error) => error);
      assertMatch(String(error), /reset|broken pipe|close/i);
    }
  }));
  assert(
    residentBytes(running) - before < 150 * MB,
    `${(residentBytes(running) - before) / MB} MB`,
  );
  await untilActive(running, 1);
  assertMatch(running.log(), /it sent more than 131072 bytes in a second \(1008\)/);
}

survives("clients that send without end and never read the answers", (running) => flood(running));

survives("replays by the thousand, of a full history that none of them wants", async (running) => {
  const subscribers = Array.from({ length: 5 }, (_, index) => `PHID-${index}`);
  for (let posted = 0; posted < 4096; posted += 64) {
    await Promise.all(
      Array.from({ length: 64 }, () => publish(running.admin, { subscribers })),
    );
  }
  using wire = await Wire.open(running.client, ["NOBODY"]);
  await wire.send(concat(...Array(5000).fill(frame('{"command":"replay","data":{}}'))));
  assertEquals(await wire.closed(), 1008);
  assertMatch(
    running.log(),
    /Ended its connection: its commands counted for more than 200 in a moment/,
  );
});

survives("a client that comes back as fast as it can, and waits for nothing", async (running) => {
  const topics = Array.from({ length: 4096 }, (_, index) => `PHID-${index}`);
  const payloads = [
    concat(...Array(9000).fill(frame('{"command":"ping"}'))),
    concat(
      frame(JSON.stringify({ command: "subscribe", data: topics })),
      frame(JSON.stringify({ command: "unsubscribe", data: topics })),
    ),
  ];
  for (const payload of payloads) {
    const end = performance.now() + 2000;
    while (performance.now() < end) {
      const wire = await Wire.connect(running.client);
      // It is gone before the bytes are.
      wire.send(concat(new TextEncoder().encode(REQUEST), payload)).catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 0));
      wire[Symbol.dispose]();
    }
    const started = performance.now();
    await using newcomer = await Browser.open(running.client);
    await newcomer.pong();
    assert(performance.now() - started < BLOCKED_MS, `${performance.now() - started} ms`);
  }
});

survives("heads that are hard to read", async ({ client }) => {
  const spaces = " ".repeat(7000);
  for (const line of [`X:${spaces}\nfoo`, `X: a${spaces}b`, `X${spaces}: a`, `${spaces}`]) {
    await Promise.all(Array.from({ length: 50 }, async () => {
      using wire = await Wire.connect(client);
      await wire.send(`GET / HTTP/1.1\r\n${line}\r\n\r\n`);
      assertMatch(await wire.head(), /^HTTP\/1\.1 [45]/);
    }));
  }
});

survives("3,000 connections that subscribe and vanish", async (running) => {
  const topics = Array.from({ length: 50 }, (_, index) => `PHID-${index}`);
  const round = async () => {
    for (let batch = 0; batch < 10; batch++) {
      const wires = await Promise.all(
        Array.from({ length: 100 }, () => Wire.open(running.client, topics)),
      );
      for (const wire of wires) wire[Symbol.dispose]();
    }
    await untilActive(running, 1);
  };
  await round();
  const before = residentBytes(running);
  await round();
  await round();
  assert(residentBytes(running) - before < 60 * MB, `${(residentBytes(running) - before) / MB} MB`);
});

survives("lists within lists, and thousands of subscriptions", async (running) => {
  using wire = await Wire.open(running.client, []);
  await wire.send(frame("[".repeat(30_000)));
  await wire.send(
    frame(`{"command":"subscribe","data":${"[".repeat(15_000)}${"]".repeat(15_000)}}`),
  );
  for (let round = 0; round < 2; round++) {
    await wire.command(
      "subscribe",
      Array.from({ length: 500 }, (_, index) => `${round}.${index}`),
    );
  }
  await wire.command("subscribe", ["__proto__", "constructor"]);
  await wire.command("ping");
  assertEquals(await wire.text(), '{"type":"pong"}');
});

survives("a flood of bad clients, in the log", async ({ client, log }) => {
  for (let round = 0; round < 100; round++) {
    using wire = await Wire.open(client, []);
    await wire.send(frame("x", { key: null }));
    await wire.closed();
    using refused = await Wire.connect(client);
    await refused.send(REQUEST.replace("GET", "POST"));
    await refused.head();
  }
  assertEquals(log().match(/Ended its connection/g)?.length, 30);
  assertEquals(log().match(/Refused a WebSocket/g)?.length, 30);
});

const root = makeAuthority("Test Root");
const pair = makeCertificate(root);

const TLS: SurvivalOptions = {
  servers: [
    { type: "client", tls: { key: "server.key", cert: "server.crt" } },
    { type: "admin" },
  ],
  files: { "server.key": pair.key, "server.crt": pair.cert },
  caCert: root.cert,
};

survives("garbage, silence and alerts in place of TLS", async ({ client, log }) => {
  const garbage = [
    "GET / HTTP/1.1\r\n\r\n",
    hex("16 03 01 00 05 01 00 00 01 03"),
    hex("15 03 01 00 02 02 28"),
    "\0".repeat(100),
  ];
  for (let round = 0; round < 100; round++) {
    using wire = await Wire.connect(client);
    await wire.send(garbage[round % garbage.length] ?? "");
    await wire.closeWrite();
    while (await wire.frame().catch(() => null) !== null);
  }
  using silent = await Wire.connect(client);
  using trusting = Deno.createHttpClient({ caCerts: [root.cert] });
  await using another = await Browser.open(client, { client: trusting });
  assertEquals(await silent.frame(), null, "it is dropped");
  await another.pong();
  assertMatch(log(), /<127\.0\.0\.1:\d+> Refused a WebSocket: The TLS handshake failed/);
  const lines = log().match(/The TLS handshake failed/g)?.length ?? 0;
  assert(lines > 0 && lines <= 30, `${lines}`);
}, TLS);

survives("the same floods over TLS", (running) => flood(running, [root.cert]), TLS);
