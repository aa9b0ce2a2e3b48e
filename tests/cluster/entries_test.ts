/** Several entries of a list that lead to one server, entries that lead to another one than before, and false ones. */

import { range } from "../acceptance/cluster.ts";
import { assertEquals } from "../assert.ts";
import { logged } from "../log/open.ts";
import { type Cut, showing, Simulation, taking } from "./simulation.ts";

function publish(world: Simulation, numbers: readonly number[]): void {
  for (const n of numbers) world.publish(n, 0);
}

function states(world: Simulation, ports: readonly number[]): string[] {
  return ports.map((port) => world.peer(0, port).state);
}

/** Two ports of number 1, both in the list of number 0. */
const PORTS = [10, 11] as const;

/** Number 0 knows number 1 by two entries. */
function twice(originals: readonly number[] = []): Simulation {
  const world = new Simulation({ lists: [PORTS, []], originals });
  for (const port of PORTS) world.route(port, 1);
  return world;
}

for (const how of ["refused", "silent", "mute"] satisfies Cut[]) {
  for (const port of PORTS) {
    Deno.test(`what waits at entry ${port} for a server that is cut arrives by the other one, once (${how})`, async () => {
      const world = twice();
      await world.advance(1000);
      publish(world, range(0, 20));
      world.cut(0, port, how);
      publish(world, range(20, 40));
      await world.advance(6000);
      publish(world, range(40, 60));
      // An entry that is not in use is asked every 15 s.
      await world.advance(15_000);
      assertEquals(world.life(1).numbers, range(0, 60));
      const other = port === 10 ? 11 : 10;
      assertEquals(states(world, [port, other]), ["down", "up"]);
      world.heal(0, port);
      await world.advance(21_000);
      assertEquals(states(world, PORTS), ["up", "up"]);
      assertEquals(world.life(1).numbers, range(0, 60));
      assertEquals(PORTS.map((each) => world.peer(0, each).dropped), [0, 0]);
    });
  }
}

for (const healed of PORTS) {
  Deno.test(`what waits for a server whose two entries are both cut arrives by entry ${healed}, once`, async () => {
    const world = twice();
    await world.advance(1000);
    for (const [index, port] of PORTS.entries()) {
      world.cut(0, port, "refused");
      await world.until(() => world.peer(0, port).state === "down");
      publish(world, range(20 * index, 20 * index + 20));
    }
    await world.until(() => states(world, PORTS).join() === "down,down");
    publish(world, range(40, 60));
    world.heal(0, healed);
    await world.advance(16_000);
    assertEquals(world.life(1).numbers, range(0, 60));
  });
}

Deno.test("a server with two entries that is started again gets everything in order, though one of them is cut", async () => {
  const world = twice();
  await world.advance(1000);
  world.cut(0, 10, "refused");
  await world.until(() => world.peer(0, 10).state === "down");
  world.kill(1);
  await world.until(() => states(world, PORTS).join() === "down,down");
  publish(world, range(0, 20));
  world.restart(1);
  await world.until(() => world.peer(0, 11).state === "up");
  publish(world, range(20, 40));
  world.heal(0, 10);
  await world.until(() => world.peer(0, 10).state === "up");
  publish(world, range(40, 60));
  await world.advance(1000);
  assertEquals(world.life(1).numbers, range(0, 60));
  assertEquals(PORTS.map((port) => world.peer(0, port).dropped), [0, 0]);
});

Deno.test("what waits at two entries, as one of them was not known to be the same server, arrives once", async () => {
  const world = twice();
  world.cut(0, 11, "refused");
  await world.until(() => world.peer(0, 10).state === "up");
  world.cut(0, 10, "refused");
  await world.until(() => states(world, PORTS).join() === "down,down");
  publish(world, range(0, 200));
  assertEquals(PORTS.map((port) => world.peer(0, port).queued), [200, 200]);
  world.heal(0, 11);
  await world.advance(16_000);
  assertEquals(PORTS.map((port) => world.peer(0, port).queued), [0, 0]);
  assertEquals(world.life(1).numbers, range(0, 200));
  // Nothing is posted twice but what showed which server is there.
  assertEquals(world.life(1).posts <= 201, true, `${world.life(1).posts} posts`);
});

Deno.test("an address that moves to a server with another entry does not speak for the one that it led to", async () => {
  const world = new Simulation({ lists: [[10, 11, 12], [], []] });
  for (const port of PORTS) world.route(port, 1);
  world.route(12, 2);
  await world.advance(1000);
  for (const port of PORTS) world.cut(0, port, "refused");
  await world.until(() => world.peer(0, 11).state === "down");
  world.route(10, 2);
  world.heal(0, 10);
  await world.until(() => world.peer(0, 10).state === "up");
  publish(world, range(0, 20));
  world.heal(0, 11);
  await world.until(() => world.peer(0, 11).state === "up");
  publish(world, range(20, 40));
  await world.advance(1000);
  assertEquals(world.life(1).numbers, range(0, 40));
});

Deno.test("an address that moves to a server that is not known does not speak for one that is heard of since", async () => {
  const world = new Simulation({ lists: [PORTS, [], []] });
  for (const port of PORTS) world.route(port, 1);
  await world.advance(1000);
  world.cut(0, 10, "refused");
  await world.until(() => world.peer(0, 10).state === "down");
  world.route(10, 2);
  world.heal(0, 10);
  await world.until(() => world.peer(0, 10).state === "up");
  publish(world, range(0, 20));
  await world.until(() => world.peer(0, 11).sent === 20);
  world.cut(0, 11, "refused");
  await world.until(() => world.peer(0, 11).state === "down");
  publish(world, range(20, 40));
  assertEquals(world.peer(0, 11).queued, 20);
  world.heal(0, 11);
  await world.advance(16_000);
  assertEquals(world.life(1).numbers, range(0, 40));
});

Deno.test("an address that leads to several servers in turn is told of once, and brings each of them everything, once", async () => {
  const lines = await logged(async () => {
    const world = new Simulation({ lists: [[10], [0, 2], [0, 1]] });
    world.route(10, 1, 2);
    await world.advance(1000);
    for (let round = 0; round < 8; round++) {
      for (const n of range(30 * round, 30 * round + 30)) {
        world.publish(n, n % 3);
        await world.advance(10);
      }
      world.interrupt(0, 10);
    }
    await world.advance(16_000);
    for (const site of [0, 1, 2]) {
      assertEquals(world.life(site).numbers.toSorted((a, b) => a - b), range(0, 240));
    }
  });
  assertEquals(lines.filter((line) => line.includes("leads to different servers")).length, 1);
});

Deno.test("two entries for one server bring it each message by one post", async () => {
  const world = twice();
  await world.advance(1000);
  assertEquals(PORTS.map((port) => world.peer(0, port).proof), ["proven", "proven"]);
  publish(world, range(0, 50));
  await world.advance(1000);
  assertEquals([world.life(1).numbers, world.life(1).posts], [range(0, 50), 50]);
});

Deno.test("two entries for one original bring it each message by one post, but for the first", async () => {
  const world = twice([1]);
  // It tells its fingerprint to those alone that post.
  publish(world, [0]);
  await world.advance(1000);
  publish(world, range(1, 51));
  await world.advance(1000);
  assertEquals(PORTS.map((port) => world.peer(0, port).proof), ["none", "none"]);
  assertEquals(world.life(1).posts, 2 + 50);
});

Deno.test("three servers with one list know themselves within seconds, and lose nothing that is published meanwhile", async () => {
  const all = [0, 1, 2];
  const world = new Simulation({ lists: all.map(() => all) });
  for (const site of [1, 2]) world.kill(site);
  for (const site of all) {
    world.restart(site);
    await world.advance(100);
    for (const n of range(20 * site, 20 * site + 20)) world.publish(n, site);
  }
  await world.advance(2000);
  for (const own of all) {
    assertEquals(world.life(own).numbers.toSorted((a, b) => a - b), range(0, 60));
    for (const other of all) {
      const { state, proof, contradictions } = world.peer(own, other);
      assertEquals([state, proof, contradictions], [own === other ? "self" : "up", "proven", 0]);
    }
    const { sent, dropped } = world.peer(own, own);
    assertEquals([sent, dropped], [0, 0], "to itself");
  }
});

for (const asOriginal of [false, true]) {
  for (const list of [[1, 2], [2, 1]]) {
    const how = `${asOriginal ? "as an original" : "as one of ours"}, entry ${list.indexOf(2)}`;
    Deno.test(`what shows another server's fingerprint takes nothing from it, and is counted (${how})`, async () => {
      const world = new Simulation({ lists: [list, [], []], scripts: new Map([[2, taking]]) });
      const { fingerprint } = world.life(1);
      world.scripted(2).script = showing({ fingerprint, asOriginal });
      publish(world, range(0, 100));
      await world.advance(1000);
      publish(world, range(100, 200));
      await world.advance(20_000);
      assertEquals(world.life(1).numbers.toSorted((a, b) => a - b), range(0, 200));
      assertEquals(new Set(world.scripted(2).taken), new Set(range(0, 200)));
      assertEquals([1, 2].map((port) => world.peer(0, port).proof), ["proven", "contradicted"]);
      assertEquals(world.peer(0, 1).contradictions, 0);
      assertEquals(world.peer(0, 2).contradictions >= 1, true);
    });
  }
}
