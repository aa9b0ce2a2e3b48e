import { Networks } from "../../src/config/network.ts";
import { Token } from "../../src/config/token.ts";
import {
  BodyBroken,
  BodyInterrupted,
  BodyTooLong,
  BodyTooSlow,
  NoRoom,
} from "../../src/http/reception.ts";
import { logCounters } from "../../src/log/counters.ts";
import { closeLog } from "../../src/log/log.ts";
import { assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { Folder } from "../folder.ts";
import { listen } from "../hub/fixtures.ts";
import { openLogFile } from "../log/open.ts";
import { read } from "../metrics/prometheus.ts";
import { countsOf, value } from "../metrics/value.ts";
import { Office } from "./fixtures.ts";

const TOKEN = "0123456789abcdef0123456789abcdef";
const MESSAGE = { subscribers: ["A"] };

/** Returns how many messages the hub has taken in. */
function messagesOf({ hub }: Office): number {
  return value(hub, "aphlict_messages_total");
}

/** Everything that there is, whatever it says. */
const PATHS = [
  "/",
  "/status/",
  "/health/live",
  "/health/ready",
  "/metrics/",
  "/console/",
  "/console/data/",
  "/console/message/?id=1",
  "/console/topic/?topic=A",
  "/elsewhere",
];

Deno.test("who is not on the list gets 403 for everything there is, and publishes nothing", async () => {
  const office = new Office();
  office.adopt({ access: { allow: new Networks(["127.0.0.1"]), token: null } });
  const { heard } = listen(office.hub, ["A"]);
  for (const path of PATHS) {
    for (const method of ["GET", "POST", "HEAD", "OPTIONS"]) {
      const response = await office.ask(path, { method }, "192.0.2.7");
      assertEquals(
        [response.status, await response.json()],
        [403, { error: '"allow" of this server does not have your address' }],
      );
    }
  }
  assertEquals(await office.post(MESSAGE, {}, "192.0.2.7"), 403);
  assertEquals([heard, messagesOf(office)], [[], 0]);
  assertEquals(countsOf(office.counters.rejected)["forbidden"], 4 * PATHS.length + 1);
  assertEquals(await office.post(MESSAGE), 200);
  assertEquals(await office.post(MESSAGE, {}, "::ffff:127.0.0.1"), 200);
  assertEquals(heard.length, 2);
});

Deno.test("publishing takes the token, and so does seeing what was published", async () => {
  const office = new Office();
  office.adopt({ access: { allow: null, token: new Token(TOKEN) } });
  const right = { authorization: `Bearer ${TOKEN}` };
  assertEquals(await office.post(MESSAGE), 401);
  assertEquals(await office.post(MESSAGE, { authorization: `Bearer ${TOKEN}x` }), 401);
  assertEquals([office.relayed, messagesOf(office)], [[], 0]);
  assertEquals(await office.post(MESSAGE, right), 200);
  assertEquals(office.relayed, ["default"]);
  for (const path of PATHS.slice(1, 7)) {
    assertEquals((await office.ask(path)).status, 200, path);
  }
  const data = await (await office.ask("/console/data/")).json();
  const content = `/console/message/?id=${data.messages[0].id}`;
  const denied = await office.ask(content);
  assertEquals([denied.status, denied.headers.get("www-authenticate")], [401, "Bearer"]);
  const shown = await office.ask(content, { headers: right });
  assertEquals([shown.status, (await shown.json()).subscribers], [200, ["A"]]);
  assertEquals(countsOf(office.counters.rejected)["token"], 3);
});

Deno.test("who has the token is told how many browsers a topic has, without making an instance", async () => {
  const office = new Office();
  listen(office.hub, ["A", "B"]);
  listen(office.hub, ["A"]);
  office.adopt({ access: { allow: null, token: new Token(TOKEN) } });
  const headers = { authorization: `Bearer ${TOKEN}` };
  const ask = async (query: string) => {
    const response = await office.ask(`/console/topic/?${query}`, { headers });
    return [response.status, (await response.json()).subscribers];
  };
  assertEquals(await ask("topic=A"), [200, 2]);
  assertEquals(await ask("topic=B&instance=default"), [200, 1]);
  assertEquals(await ask("topic=A&instance=acme"), [200, 0]);
  assertEquals(await ask("topic=__proto__"), [200, 0]);
  assertEquals(await ask("topic="), [400, undefined]);
  assertEquals(office.hub.instances, 1);
  assertEquals((await office.ask("/console/topic/?topic=A")).status, 401);
  assertEquals((await office.askUnder("evil.example.com", "/console/topic/?topic=A")).status, 403);
});

Deno.test("who asks for it gets a receipt with receivers and peers, all others that of the original", async () => {
  const office = new Office();
  listen(office.hub, ["A"]);
  const peer = { peer: "http://b:22281/", state: "up", receivers: 2 } as const;
  office.reports = { done: new Promise(() => {}), receipts: () => [peer] };
  const post = async (headers: Readonly<Record<string, string>>) => {
    const init = { method: "POST", body: JSON.stringify(MESSAGE), headers };
    return await (await office.ask("/", init)).text();
  };
  const { fingerprint } = office.hub;
  const plain = `{"fingerprint":"${fingerprint}"}`;
  assertEquals(await post({}), plain);
  assertEquals(await post({ "aphlict-fingerprint": "abc" }), plain);
  const whole = { fingerprint, outcome: "published", receivers: 1, peers: [peer] };
  // Peers that say nothing are not waited for longer than a second.
  assertEquals(JSON.parse(await post({ "aphlict-receipt": "1" })), whole);
  const began = performance.now();
  const ofPeer = await post({ "aphlict-receipt": "1", "aphlict-fingerprint": "abc" });
  assertEquals(JSON.parse(ofPeer), { ...whole, peers: [] });
  assertEquals(performance.now() - began < 900, true, "what a server brings next stands behind it");
});

Deno.test("a page in a browser cannot publish, not even with the token", async () => {
  const office = new Office();
  office.adopt({ access: { allow: null, token: new Token(TOKEN) } });
  for (
    const header of [
      { origin: "https://phorge.example.com" },
      { origin: "null" },
      { "sec-fetch-site": "same-origin" },
    ]
  ) {
    assertEquals(await office.post(MESSAGE, { authorization: `Bearer ${TOKEN}`, ...header }), 403);
  }
  assertEquals(countsOf(office.counters.rejected)["page"], 3);
  assertEquals(messagesOf(office), 0);
});

for (
  const [error, status, kind] of [
    [new BodyTooLong(), 413, "large"],
    [new NoRoom(), 503, "busy"],
    [new BodyTooSlow(), 408, "slow"],
    [new BodyInterrupted(), 503, "stopping"],
    [new BodyBroken("The body did not arrive whole"), 400, "broken"],
  ] as const
) {
  Deno.test(`a body that is not received (${error.name}) is answered with ${status}, and counted`, async () => {
    const before = logCounters.internalErrors;
    const office = new Office();
    const response = await office.askWith("/", error);
    assertEquals([response.status, response.headers.get("connection")], [status, "close"]);
    assertEquals(typeof (await response.json()).error, "string");
    assertEquals(response.headers.get("retry-after"), kind === "busy" ? "1" : null);
    assertEquals([countsOf(office.counters.rejected)[kind], office.counters.requests], [1, 0]);
    office.router.isStopping = true;
    assertEquals((await office.askWith("/", error)).status, 503, "of what is said the stop is why");
    assertEquals(await office.post(MESSAGE), 503);
    assertEquals([messagesOf(office), logCounters.internalErrors - before], [0, 0]);
  });
}

Deno.test("what was published is counted: its bytes, and the time it took", async () => {
  const office = new Office();
  assertEquals(await office.post(MESSAGE), 200);
  assertEquals(office.counters.bytesIn, JSON.stringify(MESSAGE).length);
  const { counts } = office.counters.publishing.distribution;
  assertEquals(counts.reduce((sum, each) => sum + each, 0), 1);
  assertEquals(await office.post({ no: "message" }), 400);
  assertEquals(countsOf(office.counters.rejected)["invalid"], 1);
});

Deno.test("health is told apart: it lives, and it is ready for more", async () => {
  const office = new Office();
  const look = async (path: string) => {
    const response = await office.ask(path);
    return [response.status, await response.text()];
  };
  assertEquals(await look("/health/live"), [200, "live\n"]);
  assertEquals(await look("/health/ready"), [200, "ready\n"]);
  office.ready = false;
  assertEquals(await look("/health/live"), [200, "live\n"]);
  assertEquals(await look("/health/ready"), [503, "not ready\n"]);
  office.ready = true;
  office.router.isStopping = true;
  assertEquals(await look("/health/ready"), [503, "not ready\n"]);
});

Deno.test("the status page holds a proof for who has sent a challenge, and for nobody else", async () => {
  const office = new Office();
  const look = async (headers: Record<string, string>) =>
    await (await office.ask("/status/", { headers })).json();
  assertEquals((await look({ "aphlict-challenge": "abc" })).proof, "proof of abc");
  assertEquals("proof" in await look({}), false);
});

Deno.test("the metrics page says its format, and is in it", async () => {
  const response = await new Office().ask("/metrics/");
  assertEquals(
    response.headers.get("content-type"),
    "text/plain; version=0.0.4; charset=utf-8",
  );
  assertEquals(read(await response.text()).length > 20, true);
});

Deno.test("the console is shown under an address alone, so that no name can be made to lead to it", async () => {
  const office = new Office();
  await office.post(MESSAGE);
  const at = async (name: string, path: string) => (await office.askUnder(name, path)).status;
  for (const path of PATHS.slice(5, 8)) {
    for (const host of ["127.0.0.1", "localhost", "[::1]", "10.0.0.1"]) {
      assertEquals(await at(host, path), 200, `${host}${path}`);
    }
    for (
      const host of ["evil.net", "127.0.0.1.evil.net", "localhost.evil.net", "10.0.0.1.nip.io"]
    ) {
      assertEquals(await at(host, path), 403, `${host}${path}`);
    }
  }
});

Deno.test("the console can reach nothing but this server, and runs nothing but its own script", async () => {
  const response = await new Office().ask("/console/");
  const policy = response.headers.get("content-security-policy") ?? "";
  assertStringIncludes(policy, "default-src 'none'");
  assertStringIncludes(policy, "connect-src 'self'");
  assertMatch(policy, /script-src '(sha256-[\w+/]{43}=)'/);
  assertEquals(/unsafe|https?:|\*/.test(policy), false, policy);
  assertEquals(response.headers.get("cache-control"), "no-store");
});

Deno.test("a message's content that is not kept is not found", async () => {
  const office = new Office();
  for (const query of ["", "?id=1", "?id=x", "?id=-1", "?id=1e400", "?id="]) {
    assertEquals((await office.ask(`/console/message/${query}`)).status, 404, query);
  }
});

/** Returns what the log says of rejected requests, from the address on. */
async function logged(action: (office: Office) => Promise<unknown>): Promise<string> {
  using folder = new Folder();
  const path = `${folder.path}/a.log`;
  openLogFile(path);
  await action(new Office());
  await closeLog();
  return Deno.readTextFileSync(path).replaceAll(/^\[\S+\] INFO <127\.0\.0\.1:50122> /gm, "");
}

for (
  const [what, ask, line] of [
    [
      "no message",
      (office: Office) => office.post({ no: "message" }),
      'Answered 400 to POST /: "subscribers" of a message is a list of strings.\n',
    ],
    [
      "a page",
      (office: Office) => office.post(MESSAGE, { origin: "https://a.example" }),
      "Answered 403 to POST /: Pages in browsers cannot publish.\n",
    ],
    [
      "a long body",
      (office: Office) => office.askWith("/?instance=secret", new BodyTooLong()),
      "Answered 413 to POST /: The body is longer than 1048576 bytes.\n",
    ],
    [
      "a broken body",
      (office: Office) => office.askWith("/", new BodyBroken("It broke off")),
      "Answered 400 to POST /: It broke off",
    ],
    [
      "a name of another site",
      (office: Office) => office.askUnder("evil.net", "/console/data/"),
      "Answered 403 to GET /console/data/: Name this server by its address or as localhost",
    ],
    [
      "an address that a reload has taken from the list",
      (office: Office) => {
        office.adopt({ access: { allow: new Networks(["192.0.2.7"]), token: null } });
        return office.ask("/\x1b[2J\u202e" + "x".repeat(1000));
      },
      /^Answered 403 to GET \/%1B\[2J%E2%80%AEx+\.\.\. \(1016 characters\): "allow" of this server/,
    ],
    [
      "a malformed target",
      (office: Office) => {
        const request = {
          method: "GET",
          url: "http://[\x1b?secret",
          headers: new Headers(),
          bytes: never,
        };
        return office.router.answer(request, { hostname: "127.0.0.1", port: 50122 });
      },
      "Answered 400 to GET http://[\\u{1b}: The request target is malformed.\n",
    ],
  ] as const
) {
  Deno.test(`the log names method and path of what is rejected: ${what}`, async () => {
    const text = await logged(ask);
    if (typeof line === "string") assertStringIncludes(text, line);
    else assertMatch(text, line);
    assertEquals([text.split("\n").length, text.includes("secret")], [2, false]);
  });
}

function never(): Promise<never> {
  return Promise.reject(new Error("Nothing is read here"));
}

/** Has a method of an object throw an error. */
function breakDown<T extends object>(object: T, method: keyof T, error: Error): void {
  Object.defineProperty(object, method, {
    value: () => {
      throw error;
    },
  });
}

/** The errors that a client's mistake or a broken connection could be taken for, too. */
const DEFECTS = [new TypeError("a mistake"), new SyntaxError("a mistake"), new Error("a mistake")];

for (const defect of DEFECTS) {
  Deno.test(`an internal ${defect.name} while a request is answered is 500, and counted`, async () => {
    const office = new Office();
    breakDown(office.hub, "publish", defect);
    breakDown(office.view, "snapshot", defect);
    const before = logCounters.internalErrors;
    const init = { method: "POST", body: JSON.stringify(MESSAGE) };
    for (const response of [await office.ask("/", init), await office.ask("/metrics/")]) {
      assertEquals(
        [response.status, await response.text(), response.headers.get("connection")],
        [500, '{"error":"Internal error"}', "close"],
      );
    }
    assertEquals(logCounters.internalErrors - before, 2);
    assertEquals(office.counters.rejected.total, 0);
    assertEquals([office.counters.requests, office.relayed], [0, []]);
  });
}

Deno.test("a message that was delivered has its receipt, and goes to the peers, whatever fails then", async () => {
  const office = new Office();
  const { heard } = listen(office.hub, ["A"]);
  const before = logCounters.internalErrors;
  breakDown(office.console, "note", new TypeError("a mistake"));
  assertEquals([await office.post(MESSAGE), office.relayed], [200, ["default"]]);
  breakDown(office.relay, "relay", new TypeError("a mistake"));
  assertEquals(await office.post(MESSAGE), 200);
  assertEquals([heard.length, logCounters.internalErrors - before], [2, 3]);
});
