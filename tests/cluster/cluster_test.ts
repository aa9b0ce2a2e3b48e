/** Who gets a message, beside servers that show what is not theirs and mistakes of this program. */

import { Cluster } from "../../src/cluster/cluster.ts";
import { ServerKey } from "../../src/cluster/proof.ts";
import { ASK_AGAIN_MS } from "../../src/cluster/peer_trust.ts";
import { logCounters } from "../../src/log/counters.ts";
import type { PeerStatus } from "../../src/metrics/peer_status.ts";
import { range } from "../acceptance/cluster.ts";
import { assert, assertEquals } from "../assert.ts";
import { makeHub, post } from "../hub/fixtures.ts";
import { answerOf, type Script, type Showing, showing, Simulation } from "./simulation.ts";

Deno.test("an internal error with one peer does not keep a message from the others", () => {
  const peers = [1, 2, 3].map((port) =>
    ({ host: "127.0.0.1", port, protocol: "http", ca: null, token: null }) as const
  );
  const { hub } = makeHub();
  const cluster = new Cluster(peers, hub, { key: new ServerKey() });
  const publication = post(hub, "default", { subscribers: [] });
  const { encoded } = publication;
  let asked = 0;
  const before = logCounters.internalErrors;
  cluster.relay("default", {
    touched: [],
    encoded: new Proxy(encoded, {
      get(target, name) {
        if (name === "bytes" && ++asked === 1) throw new TypeError("a mistake");
        return Reflect.get(target, name, target);
      },
    }),
  });
  assertEquals(logCounters.internalErrors - before, 1);
  assertEquals(cluster.status().slice(1).map(({ queued }) => queued), [1, 1]);
});

/** Number 0 is ours, and all others do what a test writes. */
class Site {
  readonly world: Simulation;
  #published = 0;

  constructor(...scripts: readonly Script[]) {
    const ports = scripts.map((_, index) => index + 1);
    this.world = new Simulation({
      lists: [ports, ...scripts.map(() => [])],
      scripts: new Map(scripts.map((script, index) => [index + 1, script])),
    });
  }

  /** Shows the fingerprint of number 0. */
  own(more: Partial<Showing> = {}): Showing {
    const { cluster, fingerprint } = this.world.ours(0);
    return { fingerprint, prove: (challenge) => cluster.prove(challenge), ...more };
  }

  /** Publishes so many messages, each with the next number, from 0 on. */
  publish(count: number): void {
    for (let left = count; left > 0; left--) this.world.publish(this.#published++, 0);
  }

  /** Has a server do something else, and the connection to it begin anew. */
  become(site: number, script: Script): void {
    this.world.scripted(site).script = script;
    this.world.interrupt(0, site);
  }

  peer(site: number): PeerStatus {
    return this.world.peer(0, site);
  }

  taken(site: number): readonly number[] {
    return this.world.scripted(site).taken;
  }

  /** Waits until each entry is taken for this, in the time in which each is asked again. */
  async becomes(...wanted: readonly string[]): Promise<void> {
    const look = () =>
      this.world.ours(0).cluster.status().map(({ state, proof }) => `${state}, ${proof}`).join();
    await this.world.until(() => look() === wanted.join(), ASK_AGAIN_MS + 20_000);
  }
}

/** What a server with a key shows. */
function real(key: ServerKey, delivered: number[] = [], more: Partial<Showing> = {}): Script {
  const { fingerprint } = key;
  return showing({ fingerprint, prove: (challenge) => key.prove(challenge), ...more }, delivered);
}

/** What shows the fingerprint of a key that it has not. */
function impostor({ fingerprint }: ServerKey, more: Partial<Showing> = {}): Script {
  return showing({ fingerprint, ...more });
}

/** Numbers in their order, each once. */
function distinct(delivered: readonly number[]): number[] {
  return [...new Set(delivered)].toSorted((a, b) => a - b);
}

Deno.test("a message that met an internal error on its way to a peer is sent again on another connection", async () => {
  const { world } = new Site(real(new ServerKey()));
  await world.advance(1000);
  const before = logCounters.internalErrors;
  const { hub, cluster } = world.ours(0);
  const { encoded } = post(hub, "default", { subscribers: [], n: 0 });
  let asked = 0;
  cluster.relay("default", {
    touched: [],
    encoded: new Proxy(encoded, {
      get(target, name) {
        if (name !== "touchedBy") return Reflect.get(target, name, target);
        if (++asked === 1) throw new TypeError("a mistake");
        return target.touchedBy.bind(target);
      },
    }),
  });
  cluster.relay("default", post(hub, "default", { subscribers: [], n: 1 }));
  await world.advance(1000);
  assertEquals([world.scripted(1).taken, logCounters.internalErrors - before], [[0, 1], 1]);
});

Deno.test("an entry that was this server itself is asked again, and is a peer when another server has its address", async () => {
  const delivered: number[] = [];
  const site = new Site(real(new ServerKey()));
  site.become(1, showing(site.own()));
  await site.becomes("self, proven");
  site.publish(3);
  const before = site.world.connections(0, 1);
  await site.world.advance(3 * ASK_AGAIN_MS + 1000);
  assertEquals(site.world.connections(0, 1) - before, 3);
  assertEquals([site.peer(1).state, site.peer(1).queued, site.taken(1)], ["self", 0, []]);
  site.become(1, real(new ServerKey(), delivered));
  await site.becomes("up, proven");
  site.publish(3);
  await site.world.advance(1000);
  assertEquals([delivered, site.peer(1).contradictions], [[3, 4, 5], 0]);
});

Deno.test("an entry that shows this server's fingerprint and cannot prove it is sent every message, and is this server no more", async () => {
  const site = new Site(real(new ServerKey()));
  site.become(1, showing(site.own()));
  await site.becomes("self, proven");
  site.become(1, showing(site.own({ prove: () => null })));
  await site.becomes("up, contradicted");
  site.publish(3);
  await site.world.advance(1000);
  assertEquals([site.taken(1), site.peer(1).contradictions], [[0, 1, 2], 1]);
  site.become(1, showing(site.own()));
  await site.becomes("self, proven");
});

Deno.test("an entry that is this server itself stays that while nobody answers there, and not when somebody refuses to", async () => {
  const site = new Site(real(new ServerKey()));
  const { world } = site;
  site.become(1, showing(site.own()));
  await site.becomes("self, proven");
  world.kill(1);
  await world.until(() => site.peer(1).failed >= 2, ASK_AGAIN_MS + 16_000);
  site.publish(3);
  assertEquals([site.peer(1).state, site.peer(1).queued], ["self", 0]);
  world.restart(1);
  site.become(1, () => answerOf("It works!"));
  await site.becomes("down, pending");
  site.become(1, showing(site.own()));
  await site.becomes("self, proven");
  site.become(1, showing(site.own({ showsStatus: false })));
  await world.until(() => site.peer(1).state === "down", ASK_AGAIN_MS + 16_000);
  site.publish(3);
  await site.becomes("up, pending");
});

Deno.test("of two entries for one server one is used; what waits there reaches the server when the address is another's", async () => {
  const key = new ServerKey();
  const delivered: number[] = [];
  const site = new Site(real(key, delivered), real(key, delivered));
  await site.becomes("up, proven", "up, proven");
  site.publish(20);
  await site.world.advance(1000);
  assertEquals([delivered, site.taken(1).length, site.taken(2).length], [range(0, 20), 20, 0]);
  site.become(1, impostor(key));
  // The entry is believed until it has answered.
  site.publish(20);
  await site.becomes("up, contradicted", "up, proven");
  site.publish(20);
  await site.world.advance(1000);
  assertEquals([distinct(delivered), site.peer(1).contradictions], [range(0, 60), 1]);
});

for (const [thief, owner] of [[1, 2], [2, 1]] as const) {
  Deno.test(`what shows the fingerprint of a server that is down gets nothing in its place, as entry ${thief}`, async () => {
    const key = new ServerKey();
    const delivered: number[] = [];
    const scripts = [real(new ServerKey()), real(key, delivered)];
    const site = new Site(...thief === 1 ? scripts : scripts.toReversed());
    await site.becomes("up, proven", "up, proven");
    site.world.kill(owner);
    await site.world.until(() => site.peer(owner).state === "down");
    site.become(thief, impostor(key));
    await site.world.until(() => site.peer(thief).proof === "contradicted");
    site.publish(20);
    await site.world.advance(1000);
    assertEquals(site.taken(thief), range(0, 20));
    site.world.restart(owner);
    await site.world.advance(16_000);
    assertEquals(delivered, range(0, 20));
  });
}

for (const asOriginal of [false, true]) {
  const how = asOriginal ? "as an original" : "as one of our kind";
  Deno.test(`what is taken for a server before that one is there keeps no message from it then (${how})`, async () => {
    const key = new ServerKey();
    const delivered: number[] = [];
    const site = new Site(impostor(key, { asOriginal }), real(key, delivered));
    site.world.kill(2);
    // The first message shows the fingerprint of what seems an original, and names nobody.
    if (asOriginal) site.publish(1);
    await site.world.until(() => site.peer(1).fingerprint === key.fingerprint);
    await site.world.until(() => site.peer(2).state === "down");
    // They name it, as it seems to have them from there.
    site.publish(20);
    site.world.restart(2);
    await site.becomes("up, contradicted", "up, proven");
    site.publish(20);
    await site.world.advance(16_000);
    assertEquals(distinct(delivered), range(0, asOriginal ? 41 : 40));
  });
}

const shared = new ServerKey();

for (
  const [what, one] of [
    ["take one request a connection", (all: number[]) => real(shared, all, { once: true })],
    ["answer no challenge", (all: number[]) => showing({ fingerprint: "old" }, all)],
    [
      "show no fingerprint",
      (all: number[]) => showing({ fingerprint: "original", asOriginal: true }, all),
    ],
    [
      "show no fingerprint and take one request a connection",
      (all: number[]) => showing({ fingerprint: "original", asOriginal: true, once: true }, all),
    ],
  ] as const
) {
  Deno.test(`two entries that ${what} are one server all the same`, async () => {
    const delivered: number[] = [];
    const site = new Site(one(delivered), one(delivered));
    // An original tells its fingerprint in a receipt.
    site.publish(1);
    await site.world.advance(16_000);
    const before = delivered.length;
    site.publish(20);
    await site.world.advance(16_000);
    assertEquals(delivered.slice(before), range(1, 21));
    assertEquals([1, 2].map((entry) => site.peer(entry).queued), [0, 0]);
    assertEquals([1, 2].map((entry) => site.peer(entry).contradictions), [0, 0]);
  });
}

Deno.test("an entry that shows no status page gets every message, as nobody knows whether it is the server that it seems", async () => {
  const key = new ServerKey();
  const delivered: number[] = [];
  const site = new Site(impostor(key, { showsStatus: false }), real(key, delivered));
  site.publish(1);
  await site.becomes("up, pending", "up, proven");
  site.publish(20);
  await site.world.advance(1000);
  assertEquals([site.taken(1), delivered], [range(0, 21), range(0, 21)]);
});

Deno.test("an entry that is busy proves its fingerprint again all the same, on the connection that it has", async () => {
  const key = new ServerKey();
  const delivered: number[] = [];
  let isReal = true;
  const prove = (challenge: string | null) => isReal ? key.prove(challenge) : null;
  const { fingerprint } = key;
  const site = new Site(showing({ fingerprint, prove }), real(key, delivered));
  const { world } = site;
  await site.becomes("up, proven", "up, proven");
  world.slow(1, 200);
  const connections = world.connections(0, 1);
  isReal = false;
  site.publish(5);
  for (let at = 0; at < ASK_AGAIN_MS + 20_000; at += 200) {
    world.clock.after(at, () => site.publish(1));
  }
  await site.becomes("up, contradicted", "up, proven");
  assertEquals(world.connections(0, 1), connections);
  const { length } = delivered;
  site.publish(5);
  await world.advance(1000);
  assert(delivered.length >= length + 5);
});
