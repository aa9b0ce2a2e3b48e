/**
 * What the engine on `Deno.serve` does by itself. What both engines owe is in engines_test.ts.
 */

import { until } from "../acceptance/until.ts";
import { assert, assertEquals, assertRejects } from "../assert.ts";
import { echo, Running } from "./running.ts";
import { request } from "./talk.ts";

const A = request("GET /a");

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

Deno.test("a port that is given up is free at once, and what was under way is answered (serve)", async () => {
  const gate = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  await using running = await Running.start({ engine: "serve" }, async (request) => {
    begun.resolve();
    await gate.promise;
    return await echo(request);
  });
  using talk = await running.connect();
  await talk.send(A);
  await begun.promise;
  await running.server.release?.();
  Deno.listen({ hostname: "127.0.0.1", port: running.port }).close();
  gate.resolve();
  assertEquals((await talk.answer()).body, "GET /a 0 ");
});

Deno.test("a port that is given up lets a body arrive that is soon whole (serve)", async () => {
  await using running = await Running.start({ engine: "serve" });
  using talk = await running.connect();
  await talk.send(`${request("POST /a", ["Content-Length: 5"])}Hel`);
  await until(() => running.budget.bytes > 0);
  const released = running.server.release?.();
  await passed(50);
  await talk.send("lo");
  assertEquals((await talk.answer()).body, "POST /a 5 Hello");
  await released;
});

Deno.test("a port that is given up waits a second for a body, and tells its client (serve)", async () => {
  await using running = await Running.start({ engine: "serve" });
  using talk = await running.connect();
  await talk.send(`${request("POST /a", ["Content-Length: 5"])}Hel`);
  await until(() => running.budget.bytes > 0);
  const began = performance.now();
  const released = running.server.release?.();
  assertEquals((await talk.answer()).body, "BodyInterrupted");
  const waited = performance.now() - began;
  assert(waited > 900 && waited < 3000, `${waited} ms`);
  talk[Symbol.dispose]();
  await released;
  assertEquals(running.budget.bytes, 0);
});

Deno.test("a server that refuses says so to whoever asks, until it stops (serve)", async () => {
  await using running = await Running.start({ engine: "serve" });
  using talk = await running.connect();
  await talk.send(A);
  assertEquals(await talk.status(), 200);
  running.server.refuse();
  await talk.send(A);
  const { status, headers } = await talk.answer();
  assertEquals([status, headers.get("retry-after"), headers.get("connection")], [
    503,
    "10",
    "close",
  ]);
  await running.server.shutdown(1000);
  await assertRejects(() => running.connect());
});

Deno.test("a stop gives up a body that has not come whole (serve)", async () => {
  await using running = await Running.start({ engine: "serve" });
  using talk = await running.connect();
  await talk.send(`${request("POST /a", ["Content-Length: 5"])}Hel`);
  await until(() => running.budget.bytes > 0);
  const stopped = running.server.shutdown(5000);
  assertEquals((await talk.answer()).body, "BodyInterrupted");
  talk[Symbol.dispose]();
  await stopped;
  assertEquals(running.budget.bytes, 0);
});

Deno.test("bodies keep to their limits of number and time (serve)", async () => {
  await using running = await Running.start({ engine: "serve", bodies: 2, bodyMs: 1500 });
  const slow = [];
  for (let count = 0; count < 3; count++) {
    const talk = await running.connect();
    slow.push(talk);
    await talk.send(`${request("POST /a", ["Content-Length: 5"])}Hel`);
    await passed(50);
  }
  const bodies = await Promise.all(slow.map(async (talk) => (await talk.answer()).body));
  assertEquals(bodies, ["NoRoom", "BodyTooSlow", "BodyTooSlow"]);
  assertEquals(running.budget.bytes, 0);
  for (const talk of slow) talk[Symbol.dispose]();
});
