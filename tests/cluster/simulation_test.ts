/**
 * The promises of docs/decisions/0010-cluster.md, under faults that fast-check picks. A promise that is broken is told
 * with the shortest history that breaks it.
 *
 * `APHLICT_SIMULATION=SEED,FACTOR` picks other faults, and so many times more.
 */

import * as fc from "fast-check";
import { logCounters } from "../../src/log/counters.ts";
import { assertEquals } from "../assert.ts";
import { type Cut, type Life, Ours, Simulation } from "./simulation.ts";

const [SEED = 20, FACTOR = 1] = (Deno.env.get("APHLICT_SIMULATION") ?? "20,1").split(",")
  .map(Number);

/** The time in which faults begin, in ms, and after which everything works again. */
const FAULTS_MS = 30_000;

/** The longest time until a peer that works again is up, in ms: connecting fails in 5 s, and the next try is 15 s later. */
const RETURN_MS = 5000 + 15_000 + 500;

/** A fault: when it begins, and how long it lasts, in ms. */
interface Timed {
  readonly at: number;
  readonly ms: number;
}

type Fault =
  & Timed
  & (
    | {
      readonly kind: "cut";
      readonly from: number;
      readonly to: number;
      readonly how: Cut;
      readonly isBoth: boolean;
    }
    | { readonly kind: "kill" | "freeze"; readonly site: number }
    | { readonly kind: "slow"; readonly site: number; readonly workMs: number }
  );

/** What happens to a cluster. */
interface Plan {
  readonly size: number;
  /** Time from one server to another, in ms, by their numbers. */
  readonly delays: readonly number[];
  readonly seed: number;
  readonly faults: readonly Fault[];
  /** When messages are published, and where. */
  readonly messages: readonly { readonly at: number; readonly site: number }[];
}

/** The longest time from one server to another, in ms. */
const LONGEST_DELAY_MS = 200;

const site = fc.nat(4);
const timed = { at: fc.nat(FAULTS_MS), ms: fc.integer({ min: 50, max: 20_000 }) };
const cut = fc.record({
  kind: fc.constant("cut" as const),
  from: site,
  to: site,
  how: fc.constantFrom<Cut>("refused", "silent", "mute"),
  isBoth: fc.boolean(),
  ...timed,
});
const freeze = fc.record({ kind: fc.constant("freeze" as const), site, ...timed });
const kill = fc.record({ kind: fc.constant("kill" as const), site, ...timed });
const slow = fc.record({
  kind: fc.constant("slow" as const),
  site,
  workMs: fc.integer({ min: 100, max: 6000 }),
  ...timed,
});

/** @param faults Kinds that there are. */
function plans(...faults: readonly fc.Arbitrary<Fault>[]): fc.Arbitrary<Plan> {
  return fc.record({
    size: fc.integer({ min: 3, max: 5 }),
    delays: fc.array(fc.integer({ min: 1, max: LONGEST_DELAY_MS }), {
      minLength: 25,
      maxLength: 25,
    }),
    seed: fc.nat(),
    faults: faults.length === 0 ? fc.constant([]) : fc.array(fc.oneof(...faults), { maxLength: 6 }),
    messages: fc.array(fc.record({ at: fc.nat(FAULTS_MS), site }), { minLength: 1, maxLength: 40 }),
  });
}

/** Each lists all others. */
function mesh(size: number): number[][] {
  const all = [...Array(size).keys()];
  return all.map((own) => all.filter((other) => other !== own));
}

/** How a plan is played. */
interface Playing {
  readonly originals?: readonly number[];
  /** Whether everything works again at the end. @default {true} */
  readonly heals?: boolean;
  /** @default {FAULTS_MS} */
  readonly faultsMs?: number;
  /** Adds what a plan has not, when the servers know each other. */
  readonly prepare?: (world: Simulation) => void;
}

/** Runs a plan until everything works again, and what waits has arrived. */
async function play(
  { size, delays, seed, faults, messages }: Plan,
  lists: readonly (readonly number[])[] = mesh(size),
  { originals = [], heals = true, faultsMs = FAULTS_MS, prepare = () => {} }: Playing = {},
): Promise<Simulation> {
  const world = new Simulation({
    lists,
    originals,
    seed,
    delayMs: (from, to) => delays[5 * (from % 5) + to % 5] ?? 1,
  });
  await world.advance(2000);
  // An original tells its fingerprint in a receipt alone.
  for (const [n, site] of originals.length === 0 ? [] : [...world.lives.keys()].entries()) {
    world.publish(-1 - n, site);
    await world.advance(2000);
  }
  for (const life of world.lives.flat()) life.postsBefore = life.posts;
  const end = world.clock.now() + faultsMs;
  prepare(world);
  for (const fault of faults) world.clock.after(fault.at, () => begin(world, fault, end));
  for (const [n, { at, site }] of messages.toSorted((a, b) => a.at - b.at).entries()) {
    world.clock.after(at, () => world.publish(n, site % size));
  }
  await world.advance(faultsMs);
  if (heals) world.heals();
  await world.advance(RETURN_MS);
  return world;
}

function begin(world: Simulation, fault: Fault, latest: number): void {
  const until = (end: () => void) => {
    const { ms } = fault;
    if (ms < Infinity) world.clock.after(Math.min(ms, latest - world.clock.now()), end);
  };
  const { size } = world;
  switch (fault.kind) {
    case "cut": {
      const [from, to] = [fault.from % size, fault.to % size];
      if (from === to) return;
      const ways = fault.isBoth ? [[from, to], [to, from]] as const : [[from, to]] as const;
      for (const way of ways) world.cut(...way, fault.how);
      until(() => ways.forEach((way) => world.heal(...way)));
      break;
    }
    case "kill": {
      const site = fault.site % size;
      world.kill(site);
      until(() => world.restart(site));
      break;
    }
    case "freeze": {
      const life = world.life(fault.site % size);
      world.freeze(life.site);
      until(() => world.life(life.site) === life && world.thaw(life.site));
      break;
    }
    case "slow":
      world.slow(fault.site % size, fault.workMs);
      until(() => world.slow(fault.site % size, 0));
  }
}

/** Checks something in many simulations. */
async function hold<T>(
  arbitrary: fc.Arbitrary<T>,
  runs: number,
  check: (value: T) => Promise<void>,
): Promise<void> {
  const before = logCounters.internalErrors;
  const details = await fc.check(fc.asyncProperty(arbitrary, check), {
    seed: SEED,
    numRuns: runs * FACTOR,
    // Making a history shorter may take long.
    interruptAfterTimeLimit: 60_000 * FACTOR,
    markInterruptAsFailure: true,
  });
  assertEquals(logCounters.internalErrors - before, 0, "the program has met no mistake of its own");
  if (!details.failed) return;
  const { errorInstance, seed, numRuns, numShrinks } = details;
  const why = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
  throw new Error(
    `${why}\n(seed ${seed}, run ${numRuns}, made shorter ${numShrinks} times)`,
  );
}

/** No browser got a message twice, and no server posted to itself. */
function assertOnce(world: Simulation): void {
  if (world.selfPosts > 0) throw world.broken("a server posts to itself");
  for (const life of world.lives.flat()) {
    if (!(life instanceof Ours)) continue;
    const twice = life.numbers.find((n, index, all) => all.indexOf(n) !== index);
    if (twice !== undefined) throw world.broken(`${life.site} got ${twice} twice`, twice);
  }
}

/** What a server has taken, and still lives, has reached each other one. */
function assertArrived(
  world: Simulation,
  from: (life: Life) => boolean = ({ isAlive }) => isAlive,
) {
  for (const [n, { by }] of world.taken) {
    if (!from(by)) continue;
    for (const [site, lives] of world.lives.entries()) {
      if (!lives.some(({ numbers }) => numbers.includes(n))) {
        throw world.broken(`${site} lacks message ${n}, and ${by.site} lives`, n);
      }
    }
  }
}

/** What one process has taken has reached each browser in that order. */
function assertOrder(world: Simulation): void {
  for (const { site, numbers } of world.lives.flat()) {
    for (const publisher of world.lives.flat()) {
      const own = numbers.filter((n) => world.taken.get(n)?.by === publisher);
      const sorted = own.toSorted((a, b) => a - b);
      if (own.join() !== sorted.join()) {
        throw world.broken(`${site} got ${own} of ${publisher.site}`, ...own);
      }
    }
  }
}

function assertPosts(world: Simulation, expected: number): void {
  const posts = world.lives.flat().reduce((sum, life) => sum + life.posts, 0);
  if (posts !== expected) {
    throw world.broken(`${posts} posts, ${expected} expected`, ...world.taken.keys());
  }
}

/** Each finds each other one up, by its fingerprint. */
function assertUp(world: Simulation): void {
  for (const from of world.lives.keys()) {
    for (const to of world.lives.keys()) {
      if (from === to) continue;
      const { state, fingerprint } = world.peer(from, to);
      if (state !== "up" || fingerprint !== world.life(to).fingerprint) {
        throw world.broken(`${from} finds ${to} ${state} as ${fingerprint}`);
      }
    }
  }
}

/** The time in which links are cut that are not healed, in ms. */
const late = fc.nat(FAULTS_MS / 2);

Deno.test("each message arrives once and in its publisher's order, by N-1 posts, while all are up", async () => {
  await hold(plans(), 30, async (plan) => {
    // Each lists itself, too.
    const all = [...Array(plan.size).keys()];
    const world = await play(plan, all.map(() => all));
    assertOnce(world);
    assertArrived(world);
    assertPosts(world, world.taken.size * (plan.size - 1));
    assertOrder(world);
  });
});

Deno.test("no message arrives twice, what a living server has taken arrives, and all find each other again, whatever the network and the others do", async () => {
  await hold(plans(cut, kill, freeze, slow), 60, async (plan) => {
    const world = await play(plan);
    assertOnce(world);
    assertArrived(world);
    assertUp(world);
  });
});

Deno.test("of two servers, what a process of one has taken arrives at the other in order, whatever happens", async () => {
  await hold(plans(cut, kill, freeze, slow), 50, async (plan) => {
    const world = await play({ ...plan, size: 2 });
    assertOnce(world);
    assertArrived(world);
    assertOrder(world);
  });
});

Deno.test("servers that cannot reach each other get each other's messages by way of the others", async () => {
  const cuts = fc.record({
    plan: plans(slow, freeze),
    at: late,
    how: cut.map(({ how }) => how),
    isBoth: fc.boolean(),
    // All but one of the others, at most.
    count: fc.integer({ min: 1, max: 3 }),
  });
  await hold(cuts, 25, async ({ plan, at, how, isBoth, count }) => {
    const faults = [...Array(Math.min(count, plan.size - 2)).keys()]
      .map((index) => ({
        kind: "cut" as const,
        from: 0,
        to: index + 1,
        how,
        isBoth,
        at,
        ms: Infinity,
      }));
    const world = await play({ ...plan, faults: [...plan.faults, ...faults] }, undefined, {
      heals: false,
    });
    assertOnce(world);
    assertArrived(world);
  });
});

Deno.test("what a server has taken arrives although it is killed, if it could reach the others", async () => {
  const kills = fc.record({ plan: plans(), fault: kill });
  await hold(kills, 25, async ({ plan, fault }) => {
    const world = await play({ ...plan, faults: [fault] });
    assertOnce(world);
    assertArrived(world, () => true);
    assertUp(world);
  });
});

Deno.test("servers that are stopped and started again, one after the other, lose nothing", async () => {
  await hold(fc.record({ plan: plans(), first: fc.nat(5000) }), 20, async ({ plan, first }) => {
    const world = await play(plan, undefined, {
      prepare: (world) => {
        for (const site of Array(plan.size).keys()) {
          world.clock.after(first + 5000 * site, () => void world.stopAndStart(site));
        }
      },
    });
    assertOnce(world);
    assertArrived(world, () => true);
    assertUp(world);
  });
});

Deno.test("the trouble of one server delays no message between the others", async () => {
  const troubles = plans(
    cut.map((fault) => ({ ...fault, to: 0, isBoth: true })),
    ...[kill, freeze, slow].map((each) => each.map((fault) => ({ ...fault, site: 0 }))),
  );
  await hold(troubles, 25, async (plan) => {
    const messages = plan.messages.map(({ at, site }) => ({
      at,
      site: 1 + site % (plan.size - 1),
    }));
    const world = await play({ ...plan, messages });
    for (const [n, { by, at }] of world.taken) {
      for (const { site, got } of world.lives.flat().filter(({ site }) => site > 0)) {
        const took = (got.find((each) => each.n === n)?.at ?? Infinity) - at;
        if (took > LONGEST_DELAY_MS) {
          throw world.broken(`message ${n} took ${took} ms from ${by.site} to ${site}`, n);
        }
      }
    }
  });
});

Deno.test("each copy is taken, waits, or is counted as dropped, however long a server is away", async () => {
  const away = (fault: fc.Arbitrary<Fault>) =>
    fc.record({ fault, at: fc.nat(60_000), ms: fc.integer({ min: 1000, max: 150_000 }) })
      .map(({ fault, at, ms }) => ({ ...fault, at, ms }));
  const outages = plans(...[cut, kill, freeze, slow].map(away));
  await hold(outages, 25, async (plan) => {
    const messages = plan.messages.map(({ at }) => ({ at: 4 * at, site: 0 }));
    const faults = plan.faults.filter((fault) => !("site" in fault) || fault.site % plan.size > 0);
    const world = await play({ ...plan, messages, faults }, undefined, { faultsMs: 120_000 });
    assertOnce(world);
    for (const site of world.lives.keys()) {
      if (site === 0) continue;
      const { sent, dropped, queued } = world.peer(0, site);
      if (sent + dropped + queued !== messages.length) {
        throw world.broken(
          `${sent} sent, ${dropped} dropped, ${queued} wait of ${messages.length}`,
        );
      }
      const arrived = new Set(world.lives[site]?.flatMap(({ numbers }) => numbers)).size;
      if (messages.length - arrived > dropped) {
        throw world.broken(`${messages.length - arrived} lack at ${site}, ${dropped} are dropped`);
      }
    }
    assertUp(world);
  });
});

Deno.test("each message arrives once whatever way leads from server to server", async () => {
  const ways = fc.record({
    plan: plans(),
    // Each but the first knows one before it, and some others.
    tree: fc.array(fc.nat(), { minLength: 5, maxLength: 5 }),
    more: fc.array(fc.tuple(site, site), { maxLength: 3 }),
  });
  await hold(ways, 25, async ({ plan, tree, more }) => {
    const lists = [...Array(plan.size).keys()].map(() => new Set<number>());
    const join = (a: number, b: number) => {
      if (a !== b) [lists[a]?.add(b), lists[b]?.add(a)];
    };
    for (let own = 1; own < plan.size; own++) join(own, (tree[own] ?? 0) % own);
    for (const [a, b] of more) join(a % plan.size, b % plan.size);
    const world = await play(plan, lists.map((list) => [...list]));
    assertOnce(world);
    assertArrived(world);
  });
});

Deno.test("beside originals each message of ours arrives everywhere, and at ours once, by N-1 posts", async () => {
  const mixtures = fc.record({ plan: plans(), count: fc.integer({ min: 1, max: 2 }) });
  await hold(mixtures, 25, async ({ plan, count }) => {
    const originals = [...Array(count).keys()].map((index) => plan.size - 1 - index);
    const own = plan.size - count;
    const messages = plan.messages.map(({ at, site }) => ({ at, site: site % own }));
    const world = await play({ ...plan, messages }, undefined, { originals });
    assertOnce(world);
    assertArrived(world);
    // Those that introduce the originals are posted by more ways than one.
    const introductions = world.lives.flat().reduce((sum, { postsBefore }) => sum + postsBefore, 0);
    assertPosts(world, introductions + messages.length * (plan.size - 1));
  });
});

Deno.test("beside originals that come and go no message arrives at ours twice, and what ours has taken arrives", async () => {
  const mixtures = fc.record({
    plan: plans(cut, kill, freeze, slow),
    count: fc.integer({ min: 1, max: 2 }),
  });
  await hold(mixtures, 25, async ({ plan, count }) => {
    const originals = [...Array(count).keys()].map((index) => plan.size - 1 - index);
    const world = await play(plan, undefined, { originals });
    assertOnce(world);
    assertArrived(world, (life) => life.isAlive && life instanceof Ours);
  });
});
