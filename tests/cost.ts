/**
 * Measures what the hub's and the engine's objects take, and what is charged for them. Prints JSON.
 *
 * Run by `cost_test.ts`, with `--expose-gc`.
 *
 * @module
 */

import { Budget } from "../src/budget.ts";
import { Hub } from "../src/hub/hub.ts";
import type { Listener } from "../src/hub/listener.ts";
import { parseMessage } from "../src/hub/message.ts";
import { FrameQueue } from "../src/websocket/frame_queue.ts";

declare const gc: () => void;

const LIMITS = { subscriptions: 1e6, topic: 256 };
const HISTORY = { messages: 1e6, ageMs: 1e6, bytes: 1e12 };

const costs: { readonly what: string; readonly real: number; readonly charged: number }[] = [];

function used(): number {
  for (let round = 0; round < 4; round++) gc();
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

/** Makes `count` of something, and keeps it while it is measured. */
function measure(what: string, count: number, charged: () => number, make: () => unknown): void {
  const [before, chargedBefore] = [used(), charged()];
  const kept = make();
  const real = Math.round((used() - before) / count);
  costs.push({ what, real, charged: Math.round((charged() - chargedBefore) / count) });
  if (kept === null) throw new Error("It was not kept");
}

function makeHub(): { hub: Hub; budget: Budget } {
  const budget = new Budget(1e15);
  const hub = new Hub({ fingerprint: "x", now: () => 0, history: HISTORY, budget });
  return { hub, budget };
}

function join(hub: Hub, instance = "default"): Listener {
  const listener = hub.join(instance, {
    deliver: () => true,
    hasRoom: () => true,
    holder: { evict() {} },
  });
  if (listener === null) throw new Error("There is no room");
  return listener;
}

for (const [subscriptions, listeners] of [[5, 4000], [17, 2000], [100, 400], [4096, 10]] as const) {
  for (const length of [8, 30, 256]) {
    const { hub, budget } = makeHub();
    const account = budget.account("subscriptions");
    // They are charged as connections.
    const all = Array.from({ length: listeners }, () => join(hub));
    const what = `each of ${subscriptions} topics of ${length} characters`;
    measure(what, subscriptions * listeners, () => account.bytes, () => {
      for (const [index, listener] of all.entries()) {
        const topics = Array.from(
          { length: subscriptions },
          (_, topic) => `${index}-${topic}`.padEnd(length, "x"),
        );
        listener.subscribe(topics, LIMITS);
      }
      return all;
    });
  }
}

{
  const { hub, budget } = makeHub();
  const account = budget.account("subscriptions");
  const all = Array.from({ length: 2 }, () => join(hub));
  measure("each of the topics that two listeners share", 40_000, () => account.bytes, () => {
    const topics = Array.from({ length: 20_000 }, (_, index) => `topic ${index}`);
    for (const listener of all) listener.subscribe(topics, LIMITS);
    return all;
  });
}

for (const [subscribers, count] of [[1, 4000], [5, 4000], [50, 1000], [200_000, 5]] as const) {
  const { hub, budget } = makeHub();
  const account = budget.account("history");
  measure(`a message for ${subscribers}`, count, () => account.bytes, () => {
    for (let index = 0; index < count; index++) {
      const list = Array.from(
        { length: subscribers },
        (_, each) => subscribers > 1000 ? "" : `${each}`,
      );
      hub.publish(
        "default",
        parseMessage(JSON.stringify({ subscribers: list, index })),
      );
    }
    return hub;
  });
}

{
  const { hub, budget } = makeHub();
  const account = budget.account("subscriptions");
  // What a listener takes of its own is charged as a connection.
  const listener = 500;
  measure("an instance", 10_000, () => account.bytes + listener * hub.instances, () => {
    const all: Listener[] = [];
    for (let index = 0; index < 10_000; index++) all.push(join(hub, `instance ${index}`));
    return all;
  });
}

for (const size of [15, 300, 3000]) {
  const queues: FrameQueue[] = [];
  const charged = () => queues.reduce((sum, { bytes }) => sum + bytes, 0);
  measure(`a frame of ${size} bytes that nobody else waits for`, 20_000, charged, () => {
    for (let count = 0; count < 20; count++) {
      const queue = new FrameQueue();
      for (let index = 0; index < 1000; index++) queue.push(new Uint8Array(size));
      queues.push(queue);
    }
    return queues;
  });
}

Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(costs)));
