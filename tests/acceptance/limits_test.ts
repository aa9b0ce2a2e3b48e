/**
 * The limits and the lists of the configuration: each is reached over real sockets, and holds. In each test
 * an honest browser is there, and hears everything.
 */

import { connect } from "node:net";
import type { Engine } from "../../src/config/config.ts";
import { assert, assertEquals, assertMatch } from "../assert.ts";
import { frame } from "../websocket/bytes.ts";
import { Browser } from "./browser.ts";
import { Folder } from "../folder.ts";
import { ENGINES } from "./engines.ts";
import { publish, residentBytes, run, type Running, status } from "./server.ts";
import { MB, type SurvivalOptions, survives, untilActive } from "./survival.ts";
import { until } from "./until.ts";
import { Refused, REQUEST, Wire } from "./wire.ts";

/** A service whose client server and admin server have further keys. */
function held(
  client: Record<string, unknown>,
  admin: Record<string, unknown> = {},
  engine: Engine | null = null,
): SurvivalOptions {
  return {
    servers: [{ type: "client", keys: client }, { type: "admin", keys: admin }],
    ...(engine ? { engine } : {}),
  };
}

/** Asks for a WebSocket, and returns the status of the refusal; 101 when there is none. */
async function attempt(port: number, headers: Record<string, string> = {}): Promise<number> {
  try {
    using _wire = await Wire.open(port, [], undefined, headers);
    return 101;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return error.status;
  }
}

/** Opens WebSockets that stay for as long as the stack does. */
async function hold(
  stack: DisposableStack,
  port: number,
  count: number,
  headers: Record<string, string> = {},
): Promise<void> {
  for (let opened = 0; opened < count; opened++) {
    stack.use(await Wire.open(port, [], undefined, headers));
  }
}

/** The value of a metric, given with all its labels. */
async function metric({ admin }: Running, sample: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${admin}/metrics/`)).text();
  const line = text.split("\n").find((each) => each.startsWith(`${sample} `));
  return Number(line?.slice(sample.length));
}

/** Connects, asks for a WebSocket, and resets the connection at once. */
async function reset(port: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const stream = connect({ host: "127.0.0.1", port });
  stream.on("error", () => {}).on("close", () => resolve());
  stream.on("connect", () => stream.write(REQUEST, () => stream.resetAndDestroy()));
  await promise;
}

/** The metric of the WebSockets there are. */
function connectionsOf({ client }: Running): string {
  return `aphlict_connections{server="ws://127.0.0.1:${client}/"}`;
}

/** How many WebSockets were refused for a reason. */
function refused(running: Running, reason: string): Promise<number> {
  const server = `ws://127.0.0.1:${running.client}/`;
  return metric(
    running,
    `aphlict_refused_connections_total{server="${server}",reason="${reason}"}`,
  );
}

for (const engine of ENGINES) {
  Deno.test(`a long head is no message, however small limit.message is (${engine} engine)`, async () => {
    await using running = await run(held({ "limit.message": 1024 }, {}, engine));
    assertEquals(await attempt(running.client, { Cookie: "x".repeat(6000) }), 101);
  });

  const on = `, on the ${engine} engine`;

  survives(
    `more browsers than limit.connections${on}`,
    async (running) => {
      using crowd = new DisposableStack();
      await hold(crowd, running.client, 4);
      for (let more = 0; more < 20; more++) assertEquals(await attempt(running.client), 503);
      assertEquals(await refused(running, "connections"), 20);
      assertMatch(
        running.log(),
        /Refused a WebSocket: There are 5 connections, as many as there may be\./,
      );
      crowd.dispose();
      await untilActive(running, 1);
      assertEquals(await attempt(running.client), 101);
    },
    held({ "limit.connections": 5 }, {}, engine),
  );

  survives(
    `clients that reset the connection behind their request, and leave their places${on}`,
    async (running) => {
      for (let round = 0; round < 30; round++) await reset(running.client);
      using crowd = new DisposableStack();
      // The runtime does not tell of them: what is not open in 10 s is taken for gone.
      await until(async () => await attempt(running.client) === 101);
      await until(async () => await metric(running, connectionsOf(running)) === 1);
      await hold(crowd, running.client, 4);
    },
    held({ "limit.connections": 5 }, {}, engine),
  );

  survives(
    `one address that wants every place, behind a proxy${on}`,
    async (running) => {
      using crowd = new DisposableStack();
      const from = (address: string) => ({ "X-Forwarded-For": address });
      await hold(crowd, running.client, 3, from("203.0.113.7"));
      await hold(crowd, running.client, 3, from("2001:db8::1"));
      for (
        const address of [
          "203.0.113.7",
          "198.51.100.1, 203.0.113.7",
          "::ffff:203.0.113.7",
          "203.0.113.7:4711",
          "2001:db8:0:0:ffff::2",
        ]
      ) assertEquals(await attempt(running.client, from(address)), 429, address);
      assertEquals(await attempt(running.client, from("203.0.113.8")), 101);
      assertEquals(await attempt(running.client, from("2001:db8:0:1::1")), 101);
      assertEquals(await refused(running, "address"), 5);
      assertMatch(running.log(), /Refused a WebSocket: 203\.0\.113\.7 has 3 connections/);
      crowd.dispose();
      await untilActive(running, 1);
      assertEquals(await attempt(running.client, from("203.0.113.7")), 101);
    },
    held({ "limit.address": 3, "proxies": ["127.0.0.0/8"] }, {}, engine),
  );

  survives(
    `one that makes up addresses, and is no proxy${on}`,
    async (running) => {
      using crowd = new DisposableStack();
      await hold(crowd, running.client, 2, { "X-Forwarded-For": "203.0.113.7" });
      for (const name of ["X-Forwarded-For", "Forwarded"]) {
        const value = name === "Forwarded" ? "for=203.0.113.8" : "203.0.113.8";
        assertEquals(await attempt(running.client, { [name]: value }), 429);
      }
      assertMatch(running.log(), /Refused a WebSocket: 127\.0\.0\.1 has 3 connections/);
    },
    held({ "limit.address": 3, "proxies": ["192.0.2.1"] }, {}, engine),
  );

  survives(
    `pages of other sites${on}`,
    async (running) => {
      for (
        const origin of [
          "https://evil.example.net",
          "https://phorge.example.com.evil.example.net",
          "https://phorge.example.com@evil.example.net",
          "https://phorge.example.com:8443",
          "http://phorge.example.com",
          "https://evilphorge.example.com",
          "https://example.org",
          "https://phorge.example.com.",
          "null",
          "",
          "__proto__",
        ]
      ) assertEquals(await attempt(running.client, { Origin: origin }), 403, origin);
      assertEquals(await attempt(running.client), 403, "without any");
      assertEquals(await attempt(running.client, { Origin: "https://phorge.example.com" }), 101);
      assertEquals(await attempt(running.client, { Origin: "https://a.b.example.org" }), 101);
      assertEquals(await refused(running, "origin"), 12);
      assertMatch(
        running.log(),
        /Refused a WebSocket: Its Origin https:\/\/evil\.example\.net is none of "origins"/,
      );
    },
    {
      ...held({ origins: ["https://phorge.example.com", "https://*.example.org"] }, {}, engine),
      origin: "https://phorge.example.com",
    },
  );

  survives(
    `a browser that wants every topic, and long ones${on}`,
    async (running) => {
      await using greedy = await Browser.open(running.client);
      const topics = Array.from({ length: 12 }, (_, index) => `PHID-${index}`);
      greedy.command("subscribe", ["x".repeat(41), ...topics]);
      await greedy.pong();
      for (const topic of ["x".repeat(41), "PHID-9", "PHID-10"]) {
        await publish(running.admin, { subscribers: [topic], topic });
      }
      const heard = (await greedy.all()).map((text) => JSON.parse(text).topic);
      assertEquals(heard, ["PHID-9"]);
      assertMatch(running.log(), /Refused 3 of 13 subscriptions: over the limit/);
      const server = `ws://127.0.0.1:${running.client}/`;
      const sample = `aphlict_ignored_commands_total{server="${server}",reason="subscriptions"}`;
      assertEquals(await metric(running, sample), 1);
      assertEquals(await metric(running, "aphlict_subscriptions"), 11);
    },
    held({ "limit.subscriptions": 10, "limit.topic": 40 }, {}, engine),
  );

  survives(
    `a message that is longer than limit.message${on}`,
    async (running) => {
      using short = await Wire.open(running.client, []);
      await short.send(frame("x".repeat(2048)));
      await short.command("ping");
      assertEquals(await short.text(), '{"type":"pong"}');
      const long = await Wire.open(running.client, []);
      await long.send(frame("x".repeat(2049)));
      assertEquals(await long.farewell(), 1009);
      long[Symbol.dispose]();
      await untilActive(running, 2);
      const server = `ws://127.0.0.1:${running.client}/`;
      assertEquals(
        await metric(running, `aphlict_disconnects_total{server="${server}",reason="size"}`),
        1,
      );
    },
    held({ "limit.message": "2KiB" }, {}, engine),
  );

  survives(
    `more commands than limit.commands${on}`,
    async (running) => {
      await using patient = await Browser.open(running.client);
      using wire = await Wire.open(running.client, []);
      for (let sent = 0; sent < 20; sent++) await wire.command("ping");
      for (let heard = 0; heard < 20; heard++) assertEquals(await wire.text(), '{"type":"pong"}');
      for (let sent = 0; sent < 20; sent++) await wire.command("ping").catch(() => {});
      assertEquals(await wire.farewell(), 1008);
      assertMatch(running.log(), /its commands counted for more than 20 in a moment/);
      await patient.pong();
    },
    held({ "limit.commands": 10 }, {}, engine),
  );
}

survives(
  "a browser that reads nothing, up to limit.backlog and no further",
  async (running, honest) => {
    using wire = await Wire.open(running.client, ["A"]);
    await untilActive(running, 2);
    const before = residentBytes(running);
    let sent = 0;
    while ((await status(running.admin))["clients.active"] !== 1) {
      await publish(running.admin, {
        subscribers: ["A", "HONEST"],
        sent,
        filler: "x".repeat(50_000),
      });
      assertEquals(JSON.parse(await honest.next()).sent, sent);
      assert(++sent < 500, "the backlog is bounded");
    }
    assert(residentBytes(running) - before < 80 * MB, "what waited was bounded");
    const [, bytes = 0, limit] =
      /(\d+) bytes wait for it, more than (\d+)/.exec(running.log())?.map(Number) ?? [];
    assertEquals(limit, 65_536);
    assert(bytes > 65_536 && bytes < 65_536 + 3 * 50_100, `${bytes}`);
    assertEquals(await wire.closed(), 1013);
  },
  held({ "limit.backlog": "64KiB" }),
);

survives(
  "a request that takes longer than timeout.handshake",
  async (running) => {
    using slow = await Wire.connect(running.client);
    await slow.send("GET / HTTP/1.1\r\nX-Slow: ");
    const began = performance.now();
    assertMatch(await slow.head(), /^HTTP\/1\.1 408 /);
    assert(performance.now() - began < 5000, "the default is 10 s");
    assertEquals(await refused(running, "timeout"), 1);
  },
  held({ "timeout.handshake": 1 }),
);

survives(
  "silence, which is answered with a ping after timeout.idle",
  async (running) => {
    using silent = await Wire.open(running.client, []);
    const began = performance.now();
    assertEquals((await silent.frame())?.opcode, 9);
    const seconds = (performance.now() - began) / 1000;
    assert(seconds > 4 && seconds < 15, `${seconds} s`);
  },
  held({ "timeout.idle": 5 }),
);

survives(
  "1,000 instances that browsers make up, which get no metric of their own",
  async (running) => {
    const before = residentBytes(running);
    for (let batch = 0; batch < 10; batch++) {
      const made = await Promise.all(Array.from({ length: 100 }, async (_, index) => {
        return await Browser.open(running.client, { path: `/~made-up-${batch}-${index}/` });
      }));
      const text = await (await fetch(`http://127.0.0.1:${running.admin}/metrics/`)).text();
      assertEquals(text.includes("made-up"), false);
      assertEquals(await metric(running, 'aphlict_listeners{phorge_instance=""}'), 100);
      await Promise.all(made.map((each) => each[Symbol.asyncDispose]()));
    }
    await until(async () => await metric(running, "aphlict_instances") === 1);
    assert(residentBytes(running) - before < 50 * MB, "nothing of them stays");
  },
);

/** Posts a message, and returns status and body of the answer. */
async function post(
  port: number,
  body: string,
  headers: Record<string, string> = {},
): Promise<readonly [number, string]> {
  const response = await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body, headers });
  return [response.status, await response.text()];
}

const MESSAGE = '{"subscribers":["HONEST"],"n":1}';

survives(
  "requests from addresses that allow does not have",
  async ({ ports: [, admin = 0, closed = 0], log }, honest) => {
    for (const path of ["", "status/", "metrics/", "console/", "console/data/", "health/live"]) {
      const response = await fetch(`http://127.0.0.1:${closed}/${path}`);
      assertEquals([response.status, await response.json()], [403, {
        error: '"allow" of this server does not have your address',
      }]);
    }
    assertEquals((await post(closed, MESSAGE))[0], 403);
    assertEquals((await post(admin, MESSAGE))[0], 200);
    assertEquals(JSON.parse(await honest.next()).n, 1, "posted once");
    assertMatch(log(), /Refused its connection: its address is not in "allow" of this server/);
  },
  {
    servers: [
      { type: "client" },
      { type: "admin", keys: { allow: ["127.0.0.0/8", "2001:db8::/32"] } },
      { type: "admin", keys: { allow: ["192.0.2.1"] } },
    ],
  },
);

const TOKEN = "0123456789abcdef0123456789abcdef";

Deno.test("publishing takes the token of token.file, and looking does not", async () => {
  using folder = new Folder();
  const token = folder.write("token", `${TOKEN}\n`);
  await using running = await run(held({}, { "token.file": token }));
  const bearer = (text: string) => ({ authorization: `Bearer ${text}` });
  for (
    const headers of [
      {},
      bearer(""),
      bearer(TOKEN.slice(0, -1)),
      bearer(`${TOKEN}0`),
      bearer(TOKEN.toUpperCase()),
      { authorization: `Basic ${TOKEN}` },
      { authorization: TOKEN },
    ]
  ) assertEquals((await post(running.admin, MESSAGE, headers))[0], 401);
  assertEquals((await post(running.admin, MESSAGE, bearer(TOKEN)))[0], 200);
  assertEquals((await status(running.admin))["messages.in"], 1);
  const page = `http://127.0.0.1:${running.admin}/console/`;
  const data = await (await fetch(`${page}data/`)).text();
  const content = `${page}message/?id=${JSON.parse(data).messages[0].id}`;
  assertEquals((await answered(fetch(content))).status, 401, "what was published is not shown");
  assertEquals((await answered(fetch(content, { headers: bearer(TOKEN) }))).status, 200);
  assertEquals(running.log().includes(TOKEN.slice(0, 16)), false, "the log does not hold it");
  assertEquals(data.includes(TOKEN.slice(0, 16)), false, "nor does the console");
});

Deno.test("a token that has been changed counts after a reload, and an unusable one never", async () => {
  using folder = new Folder();
  const token = folder.write("token", TOKEN);
  await using running = await run(held({}, { "token.file": token }));
  const next = "another-token-of-24-char";
  const answer = async (text: string) =>
    (await post(running.admin, MESSAGE, { authorization: `Bearer ${text}` }))[0];
  folder.write("token", next);
  assertEquals([await answer(TOKEN), await answer(next)], [200, 401]);
  Deno.kill(running.process.pid, "SIGHUP");
  await running.process.line(
    /Reload: Configuration, certificates, tokens and logs were read again/,
  );
  assertEquals([await answer(TOKEN), await answer(next)], [401, 200]);
  folder.write("token", "short");
  Deno.kill(running.process.pid, "SIGHUP");
  await running.process.line(
    /Reload refused: servers\[1\]\.token\.file: Token file .* does not hold/,
  );
  assertEquals(await answer(next), 200);
});

survives(
  "messages longer than limit.message of an admin server",
  async (running) => {
    const fitting = JSON.stringify({ subscribers: [], x: "x".repeat(2048 - 25) });
    assertEquals((await post(running.admin, fitting))[0], 200);
    assertEquals(await post(running.admin, `${fitting} `), [
      413,
      '{"error":"The body is longer than 2048 bytes"}',
    ]);
  },
  held({}, { "limit.message": 2048 }),
);

Deno.test("of more messages at a time than limit.requests the slowest gets 503, and Phorge's is published", async () => {
  await using running = await run(held({}, { "limit.requests": 5 }));
  using slow = new DisposableStack();
  const head = "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 20\r\n\r\n{";
  const wires: Wire[] = [];
  for (let sent = 0; sent < 6; sent++) {
    const wire = slow.use(await Wire.connect(running.admin));
    await wire.send(head);
    wires.push(wire);
  }
  const answer = await Promise.any(wires.map((wire) => wire.head()));
  assertMatch(answer, /^HTTP\/1\.1 503 /);
  assertMatch(answer, /^retry-after: 1\r$/mi);
  for (let posted = 0; posted < 20; posted++) {
    assertEquals((await post(running.admin, MESSAGE))[0], 200);
  }
  const path = (path: string) => fetch(`http://127.0.0.1:${running.admin}${path}`);
  for (const other of ["/health/live", "/health/ready", "/metrics/", "/status/"]) {
    assertEquals((await answered(path(other))).status, 200, other);
  }
});

survives(
  "300 large messages that never end",
  async (running) => {
    const { admin } = running;
    const before = residentBytes(running);
    const head = "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1048576\r\n\r\n";
    const body = "x".repeat(1024 * 1024 - 1);
    using slow = new DisposableStack();
    const answers = await Promise.all(Array.from({ length: 300 }, async () => {
      const wire = slow.use(await Wire.connect(admin));
      await wire.send(head + body).catch(() => {});
      return wire;
    }));
    // Which of them find room is a matter of luck.
    await Promise.any(answers.map(async (wire) => {
      assertMatch(await wire.head(), /^HTTP\/1\.1 503 /);
    }));
    assert(
      residentBytes(running) - before < 280 * MB,
      `${(residentBytes(running) - before) / MB} MB`,
    );
    slow.dispose();
    await until(async () => (await post(admin, '{"subscribers":[]}'))[0] === 200);
    assertMatch(running.log(), /Answered 503 to POST \/: There is no room for the body/);
  },
  // Bodies have a quarter of it, and each takes half as much again as it has bytes. What `Deno.serve` holds of the
  // others before it hands them over is not ours to bound.
  { keys: { "limit.memory": "128MiB" }, growthMB: 280 },
);

survives(
  "a page in the administrator's own browser that posts, and one that reads by another name",
  async (running) => {
    const { admin } = running;
    for (
      const headers of [{ origin: "https://evil.example.net" }, { "sec-fetch-site": "cross-site" }]
    ) {
      assertEquals((await post(admin, MESSAGE, headers))[0], 403);
    }
    for (const path of ["/console/", "/console/data/", "/console/message/?id=1"]) {
      using wire = await Wire.connect(admin);
      await wire.send(`GET ${path} HTTP/1.1\r\nHost: evil.example.net\r\n\r\n`);
      assertMatch(await wire.head(), /^HTTP\/1\.1 403 /);
    }
    assertEquals((await status(admin))["messages.in"], 0);
  },
);

/** An answer whose body does not matter. */
async function answered(promise: Promise<Response>): Promise<Response> {
  const response = await promise;
  await response.body?.cancel();
  return response;
}
