/** One peer and what it does: it is slow, away, refuses, or comes back. */

import { range } from "../acceptance/cluster.ts";
import { assert, assertEquals, assertMatch } from "../assert.ts";
import { logged } from "../log/open.ts";
import { answerOf, type Script, Simulation, taking } from "./simulation.ts";

/** One of ours, number 0, whose only peer is number 1: one of ours, or what a test writes. */
function pair(script?: Script): Simulation {
  return new Simulation({
    lists: [[1], script === undefined ? [0] : []],
    scripts: new Map(script === undefined ? [] : [[1, script]]),
  });
}

/** Publishes at number 0. */
function publish(world: Simulation, numbers: readonly number[], more = {}): void {
  for (const n of numbers) world.publish(n, 0, more);
}

Deno.test("what has waited for 60 s is dropped, counted and told of once, and what is younger arrives", async () => {
  const world = pair();
  const row = () => {
    const { "dropped.old": old, dropped, queued } = world.peer(0, 1);
    return { old, dropped, queued };
  };
  const lines = await logged(async () => {
    world.kill(1);
    publish(world, range(0, 5));
    await world.advance(30_000);
    publish(world, range(5, 10));
    await world.advance(30_000);
    assertEquals(row(), { old: 0, dropped: 0, queued: 10 });
    await world.advance(1);
    assertEquals(row(), { old: 5, dropped: 5, queued: 5 });
    world.restart(1);
    await world.advance(15_000);
  });
  assertEquals(world.life(1).numbers, range(5, 10));
  assertEquals(lines.filter((line) => line.includes("dropped")), [
    "WARNING Messages for peer http://127.0.0.1:1/ are being dropped here: they have waited for 60 s.",
    "WARNING 5 messages for peer http://127.0.0.1:1/ were dropped here meanwhile; another server may " +
    "have brought them.",
  ]);
});

Deno.test("for a peer that is down the last 4,096 messages wait; the rest is counted, and told of once", async () => {
  const world = pair();
  await world.advance(1000);
  const lines = await logged(async () => {
    world.kill(1);
    await world.until(() => world.peer(0, 1).state === "down");
    publish(world, range(0, 4200));
    const { queued, dropped, "dropped.full": full } = world.peer(0, 1);
    assertEquals({ queued, dropped, full }, { queued: 4096, dropped: 104, full: 104 });
    world.restart(1);
    await world.advance(15_000);
  });
  assertEquals(world.life(1).numbers, range(104, 4200));
  const outage = [
    /^WARNING Peer \S+ is down: it refuses the connection/,
    /^WARNING Messages for peer \S+ are being dropped here: more wait than 4096/,
    /^INFO Peer \S+ is up again /,
    /^WARNING 104 messages for peer \S+ were dropped here /,
  ];
  const own = lines.filter((line) => line.includes("127.0.0.1:1/"));
  assertEquals(own.length, outage.length, own.join("\n"));
  for (const [index, pattern] of outage.entries()) assertMatch(own[index] ?? "", pattern);
});

/** Bytes that may wait for one peer. */
const LIMIT = 8 * 1024 * 1024;

for (const size of [16_384, 262_144, LIMIT + 1]) {
  Deno.test(`for a peer that is down no more than 8 MiB wait, of messages of ${size} bytes`, async () => {
    const world = pair();
    world.kill(1);
    const count = Math.ceil(10_000_000 / size);
    publish(world, range(0, count), { text: "x".repeat(size) });
    const { queued, dropped } = world.peer(0, 1);
    assertEquals(queued + dropped, count);
    assert(queued * size <= LIMIT && (queued + 1) * (size + 200) > LIMIT, `${queued} wait`);
    world.restart(1);
    await world.advance(1000);
    assertEquals(world.life(1).numbers, range(dropped, count));
  });
}

Deno.test("a server that is stopped tells how many messages a peer that is down does not get", async () => {
  const lines = await logged(async () => {
    const world = pair();
    world.kill(1);
    publish(world, range(0, 3));
    await world.advance(1000);
    const stopped = world.ours(0).stop();
    await world.advance(1000);
    await stopped;
  });
  assertEquals(lines, [
    "WARNING This server stops while 3 messages wait for peer http://127.0.0.1:1/: it will not bring them.",
  ]);
});

Deno.test("a server that is stopped waits for a second for a peer that hangs, and for no longer", async () => {
  const world = pair();
  await world.advance(1000);
  world.freeze(1);
  publish(world, [0]);
  let isStopped = false;
  void world.ours(0).stop().then(() => isStopped = true);
  await world.advance(999);
  assertEquals(isStopped, false);
  await world.advance(2);
  assertEquals(isStopped, true);
});

Deno.test("a peer that comes back is up as soon as it says so, however long the next try is away", async () => {
  const world = pair();
  world.kill(1);
  // The waits have grown to 15 s.
  await world.advance(120_000);
  const { "last.failure": before } = world.peer(0, 1);
  assert((before ?? 0) > 250, `the last try was ${before} ms ago`);
  world.restart(1);
  await world.advance(300);
  assertEquals(world.peer(0, 1).state, "up");
});

Deno.test("a peer that was there is tried again after longer and longer waits, up to 15 s", async () => {
  const world = pair();
  await world.advance(1000);
  world.kill(1);
  await world.advance(600_000);
  // Full jitter: half of the bound at an average.
  const { failed } = world.peer(0, 1);
  assert(failed > 600 / 15 && failed < 2 * 600 / 7.5, `${failed} tries in 600 s`);
});

Deno.test("a peer whose fault changes is told of once for each fault", async () => {
  const world = pair(taking);
  const lines = await logged(async () => {
    await world.advance(1000);
    world.kill(1);
    publish(world, [0]);
    await world.until(() => world.peer(0, 1).failed > 3);
    world.restart(1);
    world.scripted(1).script = () => answerOf("", { status: 501, reason: "Not Implemented" });
    const { failed } = world.peer(0, 1);
    await world.until(() => world.peer(0, 1).failed > failed + 5);
  });
  const warnings = lines.filter((line) => line.startsWith("WARNING"));
  assertEquals(warnings.length, 2);
  assertMatch(warnings[0] ?? "", / is down: it refuses the connection/);
  assertMatch(warnings[1] ?? "", / is still down: it answers 501 .*Name its admin port/);
});

Deno.test("a peer that answers nothing is down after 5 s, and gets everything when it does", async () => {
  const world = pair(() => null);
  publish(world, range(0, 3));
  await world.advance(4900);
  assertEquals(world.peer(0, 1).state, "unknown");
  await world.advance(200);
  const { state, "last.error": error } = world.peer(0, 1);
  assertEquals([state, error], ["down", "does not answer within 5 s"]);
  world.scripted(1).script = taking;
  await world.until(() => world.peer(0, 1).queued === 0);
  assertEquals(world.scripted(1).taken, range(0, 3));
});

Deno.test("a peer that hangs while nothing is sent is found down within 20 s, however long it was up", async () => {
  const world = pair(taking);
  await world.advance(100_000);
  world.freeze(1);
  await world.advance(20_000);
  assertEquals(world.peer(0, 1).state, "down");
});

Deno.test("a peer that closes after each answer gets all in order, and is not connected to again and again for nothing", async () => {
  const world = pair((request, life) => ({ ...taking(request, life), isLast: true }));
  publish(world, range(0, 20));
  await world.advance(5000);
  const { state, sent, failed } = world.peer(0, 1);
  assertEquals([state, sent, failed, world.scripted(1).taken], ["up", 20, 0, range(0, 20)]);
  const before = world.connections(0, 1);
  await world.advance(60_000);
  const more = world.connections(0, 1) - before;
  assert(more >= 11 && more <= 13, `${more} connections in 60 s`);
});

Deno.test("a peer that shows its status and takes no message is down all the same, and told of once", async () => {
  const world = pair(({ method }) =>
    method === "GET" ? answerOf({ version: 7 }) : answerOf("", { status: 503, reason: "Busy" })
  );
  const lines = await logged(async () => {
    publish(world, range(0, 3));
    await world.until(() => world.peer(0, 1).failed > 5);
    const { state, queued } = world.peer(0, 1);
    assertEquals([state, queued], ["down", 3]);
    world.scripted(1).script = taking;
    await world.until(() => world.peer(0, 1).queued === 0);
  });
  assertEquals(world.scripted(1).taken, range(0, 3));
  assertEquals(lines.map((line) => line.split(" ", 1)[0]), ["WARNING", "INFO"]);
});

for (const status of [400, 413]) {
  for (const isLast of [false, true]) {
    const how = isLast ? "and closes" : "and goes on";
    Deno.test(`a message that a peer answers with ${status}, ${how}, is dropped alone`, async () => {
      const world = pair((request, life) =>
        request.method === "POST" && JSON.parse(request.body).n % 5 === 2
          ? answerOf({ error: "x" }, { status, isLast })
          : taking(request, life)
      );
      await world.advance(1000);
      publish(world, range(0, 6));
      await world.advance(1000);
      const { state, sent, dropped, "dropped.refused": refused } = world.peer(0, 1);
      assertEquals({ state, sent, dropped, refused }, {
        state: "up",
        sent: 5,
        dropped: 1,
        refused: 1,
      });
      assertEquals(world.scripted(1).taken, [0, 1, 3, 4, 5]);
    });
  }
}

for (const fingerprint of ["__proto__", "constructor"]) {
  Deno.test(`a peer whose fingerprint is ${fingerprint} is a peer like any other`, async () => {
    const world = pair((request, life) =>
      request.method === "GET"
        ? taking(request, life)
        : (taking(request, life), answerOf({}, { body: `{"fingerprint":"${fingerprint}"}` }))
    );
    publish(world, range(0, 3));
    await world.advance(1000);
    const { state, sent, fingerprint: known } = world.peer(0, 1);
    assertEquals([state, sent, known], ["up", 3, fingerprint]);
    assertEquals(world.scripted(1).taken, range(0, 3));
  });
}

Deno.test("a message without a uniqueID arrives by each of two ways of the same length, and no more", async () => {
  const world = new Simulation({ lists: [[1, 3], [0, 2], [1, 3], [2, 0]] });
  await world.advance(1000);
  world.publish(0, 0, { uniqueID: undefined });
  await world.advance(1000);
  assertEquals([0, 1, 2, 3].map((site) => world.life(site).numbers), [[0], [0], [0, 0], [0]]);
});

Deno.test("a message without a uniqueID arrives once in a mesh", async () => {
  const world = new Simulation({ lists: [[0, 1, 2], [0, 1, 2], [0, 1, 2]] });
  await world.advance(1000);
  world.publish(0, 0, { uniqueID: undefined });
  await world.advance(1000);
  assertEquals([0, 1, 2].map((site) => world.life(site).numbers), [[0], [0], [0]]);
});

for (const how of ["refused", "silent", "mute"] as const) {
  Deno.test(`what reached nobody goes to all by way of the one that it reaches first, in order (${how})`, async () => {
    const world = new Simulation({ lists: [[1, 2], [0, 2], [0, 1]] });
    await world.advance(1000);
    for (const other of [1, 2]) world.cut(0, other, how);
    publish(world, range(0, 20));
    await world.until(() => world.peer(0, 1).state === "down" && world.peer(0, 2).state === "down");
    publish(world, range(20, 40));
    // The other way stays cut.
    world.heal(0, 1);
    await world.advance(30_000);
    assertEquals(world.life(2).numbers, range(0, 40));
    assertEquals(world.life(1).numbers, range(0, 40));
  });
}
