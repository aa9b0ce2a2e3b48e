import { Cluster } from "../../src/cluster/cluster.ts";
import { ServerKey } from "../../src/cluster/proof.ts";
import { logCounters } from "../../src/log/counters.ts";
import { assertEquals } from "../assert.ts";
import {
  answering,
  type Behaviour,
  response,
  ScriptedPeer,
  showing,
} from "../acceptance/bad_peer.ts";
import { freePorts } from "../acceptance/ports.ts";
import { until } from "../acceptance/until.ts";
import type { PeerStatus } from "../../src/metrics/peer.ts";
import { makeHub, post } from "../hub/fixtures.ts";

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

Deno.test("a message that met an internal error on its way to a peer is sent again on another connection", async () => {
  const posted: string[] = [];
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      if (request.method === "POST") posted.push((await request.json()).type);
      return Response.json({ version: 7, fingerprint: "PEER" });
    },
  );
  const { port } = server.addr;
  const { hub } = makeHub();
  const cluster = new Cluster(
    [{
      host: "127.0.0.1",
      port,
      protocol: "http",
      ca: null,
      token: null,
    }],
    hub,
    { key: new ServerKey() },
  );
  cluster.start();
  await until(() => cluster.status()[0]?.state === "up");
  const before = logCounters.internalErrors;
  const { encoded } = post(hub, "default", { subscribers: [], type: "first" });
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
  cluster.relay("default", post(hub, "default", { subscribers: [], type: "second" }));
  await until(() => posted.length === 2);
  assertEquals([posted, logCounters.internalErrors - before], [["first", "second"], 1]);
  await cluster.stop();
});

/** A cluster of entries for peers of a test, and the messages that it passes on. Dispose of it: it is stopped. */
class Site implements AsyncDisposable {
  readonly key = new ServerKey();
  readonly #hub = makeHub({ fingerprint: this.key.fingerprint }).hub;
  readonly #cluster: Cluster;
  #published = 0;

  constructor(ports: readonly number[], askAgainMs = 3_600_000) {
    this.#cluster = new Cluster(
      ports.map((port) => ({
        host: "127.0.0.1",
        port,
        protocol: "http",
        ca: null,
        token: null,
      })),
      this.#hub,
      { key: this.key, askAgainMs },
    );
  }

  start(): void {
    this.#cluster.start();
  }

  /** Passes so many messages on, each with the next number. */
  publish(count: number): void {
    for (let left = count; left > 0; left--) {
      const n = ++this.#published;
      const message = { subscribers: ["A"], n, uniqueID: `u${n}` };
      this.#cluster.relay("default", post(this.#hub, "default", message));
    }
  }

  peer(index: number): PeerStatus {
    const peer = this.#cluster.status()[index];
    if (!peer) throw new Error(`There is no entry ${index}`);
    return peer;
  }

  /** Waits until each entry is taken for this. */
  async becomes(...wanted: readonly (readonly [PeerStatus["state"], PeerStatus["proof"]])[]) {
    const look = () =>
      this.#cluster.status().map(({ state, proof }) => `${state}, ${proof}`).join();
    await until(() => look() === wanted.map((each) => each.join(", ")).join());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cluster.stop();
  }
}

/** What a server with a key shows. */
function real(key: ServerKey, delivered: unknown[] = [], more: { readonly once?: boolean } = {}) {
  const { fingerprint } = key;
  return showing({ fingerprint, prove: (challenge) => key.prove(challenge), ...more }, delivered);
}

/** What shows the fingerprint of a key that it has not. */
function impostor({ fingerprint }: ServerKey, more: { readonly asOriginal?: boolean } = {}) {
  return showing({ fingerprint, ...more });
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

/** Numbers in their order, each once. */
function distinct(delivered: readonly unknown[]): number[] {
  return [...new Set(delivered)].map(Number).toSorted((a, b) => a - b);
}

Deno.test("an entry that was this server itself is asked again, and is a peer when another server has its address", async () => {
  const other = new ServerKey();
  const delivered: unknown[] = [];
  let behaviour: Behaviour = impostor(other);
  await using peer = new ScriptedPeer((connection, peer) => behaviour(connection, peer));
  await using site = new Site([peer.port], 50);
  behaviour = real(site.key);
  site.start();
  await site.becomes(["self", "proven"]);
  site.publish(3);
  const { connections } = peer;
  await peer.until(() => peer.connections >= connections + 3);
  assertEquals([site.peer(0).state, site.peer(0).queued, peer.taken], ["self", 0, []]);
  behaviour = real(other, delivered);
  await site.becomes(["up", "proven"]);
  site.publish(3);
  await peer.until(() => peer.taken.length >= 3);
  assertEquals(delivered, [4, 5, 6]);
  assertEquals(site.peer(0).contradictions, 0);
});

Deno.test("an entry that shows this server's fingerprint and cannot prove it is sent every message, and is this server no more", async () => {
  let behaviour: Behaviour = () => Promise.resolve();
  await using peer = new ScriptedPeer((connection, peer) => behaviour(connection, peer));
  await using site = new Site([peer.port], 50);
  behaviour = real(site.key);
  site.start();
  await site.becomes(["self", "proven"]);
  behaviour = impostor(site.key);
  await site.becomes(["up", "contradicted"]);
  site.publish(3);
  await peer.until(() => peer.taken.length >= 3);
  assertEquals(peer.taken, [1, 2, 3]);
  assertEquals(site.peer(0).contradictions, 1);
  behaviour = real(site.key);
  peer.become(behaviour);
  await site.becomes(["self", "proven"]);
});

Deno.test("an entry that is this server itself stays that while nobody answers there, and not when somebody refuses to", async () => {
  const [port = 0] = freePorts(1);
  await using site = new Site([port], 50);
  {
    await using _peer = new ScriptedPeer(real(site.key), port);
    site.start();
    await site.becomes(["self", "proven"]);
  }
  await until(() => site.peer(0).failed >= 2);
  site.publish(3);
  assertEquals([site.peer(0).state, site.peer(0).queued], ["self", 0]);
  await using other = new ScriptedPeer(answering(response("200 OK", "It works!")), port);
  await site.becomes(["down", "pending"]);
  other.become(real(site.key));
  await site.becomes(["self", "proven"]);
  other.become(showing({ fingerprint: site.key.fingerprint, showsStatus: false }));
  await until(() => site.peer(0).state === "down");
  site.publish(3);
  await site.becomes(["up", "pending"]);
});

Deno.test("of two entries for one server one is used; what waits there reaches the server when the address is another's", async () => {
  const key = new ServerKey();
  const delivered: unknown[] = [];
  await using first = new ScriptedPeer(real(key, delivered));
  await using second = new ScriptedPeer(real(key, delivered));
  await using site = new Site([first.port, second.port]);
  site.start();
  await site.becomes(["up", "proven"], ["up", "proven"]);
  site.publish(20);
  await until(() => delivered.length >= 20);
  assertEquals([first.taken.length, second.taken.length], [20, 0]);
  first.become(impostor(key));
  // The entry is believed until it has answered.
  site.publish(20);
  await site.becomes(["up", "contradicted"], ["up", "proven"]);
  site.publish(20);
  await until(() => distinct(delivered).length >= 60);
  assertEquals(distinct(delivered), numbers(60));
  assertEquals(site.peer(0).contradictions, 1);
});

Deno.test("what shows the fingerprint of a server that is down gets nothing in its place, in any order of the list", async () => {
  for (const order of [0, 1]) {
    const key = new ServerKey();
    const delivered: unknown[] = [];
    const [port = 0] = freePorts(1);
    await using thief = new ScriptedPeer(real(new ServerKey()));
    const ports = order === 0 ? [thief.port, port] : [port, thief.port];
    await using site = new Site(ports);
    site.start();
    {
      await using _owner = new ScriptedPeer(real(key, delivered), port);
      await until(() => site.peer(1 - order).proof === "proven");
    }
    await until(() => site.peer(1 - order).state === "down");
    thief.become(impostor(key));
    await until(() => site.peer(order).proof === "contradicted");
    site.publish(20);
    await thief.until(() => thief.taken.length >= 20);
    await using _owner = new ScriptedPeer(real(key, delivered), port);
    await until(() => delivered.length >= 20);
    assertEquals(delivered, numbers(20));
  }
});

for (const asOriginal of [false, true]) {
  const how = asOriginal ? "as an original" : "as one of our kind";
  Deno.test(`what is taken for a server before that one is there keeps no message from it then (${how})`, async () => {
    const key = new ServerKey();
    const delivered: unknown[] = [];
    const [port = 0] = freePorts(1);
    await using thief = new ScriptedPeer(impostor(key, { asOriginal }));
    await using site = new Site([thief.port, port]);
    site.start();
    // The first message shows the fingerprint of what seems an original, and names nobody.
    if (asOriginal) site.publish(1);
    await until(() => site.peer(0).fingerprint === key.fingerprint);
    await until(() => site.peer(1).state === "down");
    // They name it, as it seems to have them from there.
    site.publish(20);
    await using _owner = new ScriptedPeer(real(key, delivered), port);
    await site.becomes(["up", "contradicted"], ["up", "proven"]);
    site.publish(20);
    const count = asOriginal ? 41 : 40;
    await until(() => distinct(delivered).length >= count);
    assertEquals(distinct(delivered), numbers(count));
  });
}

Deno.test("two entries that take one request a connection, or answer no challenge, are one server all the same", async () => {
  const key = new ServerKey();
  for (
    const behaviour of [
      (delivered: unknown[]) => real(key, delivered, { once: true }),
      (delivered: unknown[]) => showing({ fingerprint: "old" }, delivered),
      (delivered: unknown[]) => showing({ fingerprint: "original", asOriginal: true }, delivered),
      (delivered: unknown[]) =>
        showing({ fingerprint: "original", asOriginal: true, once: true }, delivered),
    ]
  ) {
    const delivered: unknown[] = [];
    await using first = new ScriptedPeer(behaviour(delivered));
    await using second = new ScriptedPeer(behaviour(delivered));
    await using site = new Site([first.port, second.port], 500);
    site.start();
    // An original tells its fingerprint in a receipt.
    site.publish(1);
    await until(() => [0, 1].every((index) => site.peer(index).fingerprint !== null));
    await until(() => [0, 1].every((index) => site.peer(index).proof !== "pending"));
    const before = delivered.length;
    site.publish(20);
    await until(() => delivered.length >= before + 20);
    await until(() => [0, 1].every((index) => site.peer(index).queued === 0));
    assertEquals(delivered.slice(before), numbers(21).slice(1));
    assertEquals([0, 1].map((index) => site.peer(index).contradictions), [0, 0]);
  }
});

Deno.test("an entry that shows no status page gets every message, as nobody knows whether it is the server that it seems", async () => {
  const key = new ServerKey();
  const delivered: unknown[] = [];
  await using open = new ScriptedPeer(real(key, delivered));
  await using closed = new ScriptedPeer(
    showing({ fingerprint: key.fingerprint, showsStatus: false }),
  );
  await using site = new Site([closed.port, open.port]);
  site.publish(1);
  site.start();
  await site.becomes(["up", "pending"], ["up", "proven"]);
  site.publish(20);
  await closed.until(() => closed.taken.length >= 21);
  await until(() => delivered.length >= 21);
  assertEquals(delivered, numbers(21));
});

Deno.test("an entry that is busy proves its fingerprint again all the same, on the connection that it has", async () => {
  const key = new ServerKey();
  const delivered: unknown[] = [];
  let isReal = true;
  const prove = (challenge: string | null) => isReal ? key.prove(challenge) : null;
  const { fingerprint } = key;
  await using first = new ScriptedPeer(showing({ fingerprint, prove, workMs: 200 }));
  await using second = new ScriptedPeer(real(key, delivered));
  await using site = new Site([first.port, second.port], 1000);
  site.start();
  await site.becomes(["up", "proven"], ["up", "proven"]);
  const { connections } = first;
  isReal = false;
  site.publish(5);
  const publishing = setInterval(() => site.publish(1), 200);
  try {
    await site.becomes(["up", "contradicted"], ["up", "proven"]);
  } finally {
    clearInterval(publishing);
  }
  assertEquals(first.connections, connections);
  const { length } = delivered;
  site.publish(5);
  await until(() => delivered.length >= length + 5);
});
