import { assert, assertEquals, assertRejects, assertStringIncludes } from "../assert.ts";
import { Browser } from "./browser.ts";
import { ENGINES, testNotOnServe } from "./engines.ts";
import { publish, run, type Running } from "./server.ts";

/** Opens browsers at once. Dispose of them together. */
async function openAll(port: number, count: number): Promise<Browser[] & AsyncDisposable> {
  const browsers = await Promise.all(
    Array.from({ length: count }, () => Browser.open(port, { topics: ["A"] })),
  );
  return Object.assign(browsers, {
    async [Symbol.asyncDispose]() {
      await Promise.all(browsers.map((browser) => browser[Symbol.asyncDispose]()));
    },
  });
}

/** Numbers that were acknowledged, by one that posts until it cannot any more. */
async function publishUntilRefused(running: Running, prefix: string): Promise<string[]> {
  const acknowledged: string[] = [];
  for (let n = 0;; n++) {
    const name = `${prefix}${n}`;
    try {
      await publish(running.admin, { subscribers: ["A"], name });
    } catch {
      // Refused, or cut off: not acknowledged.
      return acknowledged;
    }
    acknowledged.push(name);
  }
}

for (const engine of ENGINES) {
  Deno.test(`a stop closes browsers evenly over the drain (${engine} engine)`, async () => {
    await using running = await run({ engine, drain: 2 });
    await using browsers = await openAll(running.client, 40);
    const started = performance.now();
    running.process.kill("SIGTERM");
    const closed = await Promise.all(browsers.map(async (browser) => {
      const { code } = await browser.closed;
      return { code, at: performance.now() - started };
    }));
    assertEquals(new Set(closed.map(({ code }) => code)), new Set([1001]));
    const times = closed.map(({ at }) => at).sort((one, other) => one - other);
    const [first = NaN, last = NaN] = [times[0], times.at(-1)];
    assert(first < 1000, `the first after ${first} ms`);
    assert(last - first > 1500 && last < 4000, `the last after ${last} ms`);
    const halfway = times.filter((at) => at < (first + last) / 2).length;
    assert(halfway >= 10 && halfway <= 30, `${halfway} of 40 in the first half`);
    assertEquals((await running.process.ended()).code, 0);
  });

  Deno.test(`one browser is told at once, however long the drain is (${engine} engine)`, async () => {
    await using running = await run({ engine, drain: 60 });
    await using browser = await Browser.open(running.client);
    running.process.kill("SIGTERM");
    assertEquals((await browser.closed).code, 1001);
    assertEquals((await running.process.ended()).code, 0);
  });

  Deno.test(`a drain ends when the last browser has left by itself (${engine} engine)`, async () => {
    await using running = await run({ engine, drain: 60 });
    {
      await using browsers = await openAll(running.client, 2);
      running.process.kill("SIGTERM");
      await browsers[0]?.closed;
    }
    assertEquals((await running.process.ended()).code, 0);
  });

  Deno.test(`a stop under load loses nothing that was acknowledged (${engine} engine)`, async () => {
    await using running = await run({ engine, drain: 1 });
    await using browsers = await openAll(running.client, 20);
    const publishers = ["a", "b", "c", "d"].map((prefix) => publishUntilRefused(running, prefix));
    while ((browsers.at(-1)?.waiting ?? 0) < 100) {
      await browsers.at(-1)?.arrival();
    }
    running.process.kill("SIGTERM");
    const acknowledged = (await Promise.all(publishers)).flat();
    assert(acknowledged.length >= 100);
    for (const browser of browsers) {
      assertEquals((await browser.closed).code, 1001);
      const names = new Set(browser.taken().map((text) => JSON.parse(text).name));
      assertEquals(acknowledged.filter((name) => !names.has(name)), []);
    }
    assertEquals((await running.process.ended()).code, 0);
  });
}

testNotOnServe(
  "the ports are closed at once, while the browsers are drained (socket engine)",
  async () => {
    await using running = await run({ drain: 60 });
    await using browsers = await openAll(running.client, 2);
    running.process.kill("SIGTERM");
    // The first one goes when the ports have been closed, the last a minute later.
    await browsers[0]?.closed;
    for (const port of running.ports) {
      await assertRejects(
        () => Deno.connect({ hostname: "127.0.0.1", port }),
        Deno.errors.ConnectionRefused,
      );
    }
    await browsers[1]?.pong();
  },
);

Deno.test("the engine that cannot close its port alone refuses newcomers with 503 (serve engine)", async () => {
  await using running = await run({ engine: "serve", drain: 60 });
  await using browsers = await openAll(running.client, 2);
  running.process.kill("SIGTERM");
  await browsers[0]?.closed;
  await assertRejects(
    () => Deno.connect({ hostname: "127.0.0.1", port: running.admin }),
    Deno.errors.ConnectionRefused,
  );
  const response = await fetch(`http://127.0.0.1:${running.client}/`);
  assertEquals([response.status, await response.text()], [503, ""]);
  await browsers[1]?.pong();
});

Deno.test("a message that is not whole when the stop begins is refused with 503, and delays little", async () => {
  await using running = await run();
  await using browser = await Browser.open(running.client, { topics: ["A"] });
  using slow = await Deno.connect({ hostname: "127.0.0.1", port: running.admin });
  await slow.write(new TextEncoder().encode(
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n",
  ));
  const buffer = new Uint8Array(4096);
  const heard = async () =>
    new TextDecoder().decode(buffer.subarray(0, await slow.read(buffer) ?? 0));
  // The server says so when it reads the body.
  assertStringIncludes(await heard(), "100 Continue");
  await slow.write(new TextEncoder().encode('{"subscribers":'));
  running.process.kill("SIGTERM");
  const text = await heard();
  assert(text.startsWith("HTTP/1.1 503 "), text);
  assert(/^connection: close$/im.test(text), text);
  assert(text.endsWith('{"error":"The server stops"}'), text);
  assertEquals((await browser.closed).code, 1001);
  assertEquals((await running.process.ended()).code, 0);
});
