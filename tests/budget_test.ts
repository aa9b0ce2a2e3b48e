import fc from "fast-check";
import {
  type AccountHolder,
  type AccountName,
  ACCOUNTS,
  Budget,
  type Holding,
} from "../src/budget.ts";
import { assert, assertEquals } from "./assert.ts";

/** Somebody who gives back what it holds when it is ended. */
class Somebody implements AccountHolder {
  readonly holdings: Holding[] = [];
  endedFor: AccountName | null = null;

  constructor(budget: Budget, ...names: AccountName[]) {
    for (const name of names) this.holdings.push(budget.account(name).open(this));
  }

  get bytes(): number {
    return this.holdings.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Says what it holds of its first account. */
  set(bytes: number): boolean {
    return this.holdings[0]?.set(bytes) ?? false;
  }

  evict(account: AccountName): void {
    this.endedFor = account;
    for (const holding of this.holdings) holding.close();
  }
}

Deno.test("the floors leave a pool for all", () => {
  const floors = Object.values(ACCOUNTS).reduce((sum, { floor }) => sum + floor, 0);
  assert(floors < 0.75, `${floors}`);
});

Deno.test("an account has its floor, whatever the others hold", () => {
  const budget = new Budget(1600);
  const hog = new Somebody(budget, "frames");
  let bytes = 0;
  while (hog.set(bytes + 1)) bytes++;
  assert(bytes > 100, "its floor and the pool");
  const other = new Somebody(budget, "subscriptions");
  assertEquals(other.set(100), true);
  assertEquals(hog.endedFor, null, "there was room");
});

Deno.test("an account has no more than its ceiling, and makes room for others in it by itself", () => {
  const budget = new Budget(1600);
  const bystander = new Somebody(budget, "subscriptions");
  bystander.set(300);
  const hog = new Somebody(budget, "messages");
  let bytes = 0;
  while (hog.set(bytes + 1)) bytes++;
  assertEquals(bytes, 200, "an eighth");
  assertEquals(new Somebody(budget, "messages").set(10), true);
  assertEquals([hog.endedFor, bystander.endedFor], ["messages", null]);
});

/** Takes what is left of the pool, for nobody who can be ended. */
function fillPool(budget: Budget): void {
  const connections = budget.account("connections");
  connections.adjust(connections.floor + budget.free);
}

Deno.test("beyond the pool the largest of the account that is farthest above its floor is ended", () => {
  const told: unknown[] = [];
  const budget = new Budget(1600, (account, what) => told.push(`${account} ${what}`));
  const [large, larger] = [new Somebody(budget, "frames"), new Somebody(budget, "frames")];
  assertEquals([large.set(180), larger.set(420)], [true, true]);
  fillPool(budget);
  assertEquals(larger.set(421), false);
  assertEquals(told, ["frames refused"], "nobody is as large as it would be");
  told.length = 0;
  const newcomer = new Somebody(budget, "subscriptions");
  assertEquals(newcomer.set(150), true);
  assertEquals([larger.endedFor, large.endedFor, newcomer.endedFor], ["frames", null, null]);
  assertEquals(told, ["frames evicted"]);
  const { bytes, refused, evicted } = budget.account("frames");
  assertEquals([bytes, refused, evicted], [180, 1, 1]);
});

Deno.test("somebody who asks for more is not ended for it, but refused", () => {
  const budget = new Budget(1600);
  const hog = new Somebody(budget, "frames", "subscriptions");
  assertEquals(hog.set(600), true);
  fillPool(budget);
  assertEquals(hog.holdings[1]?.set(90), true);
  assertEquals(hog.holdings[1]?.set(110), false);
  assertEquals([hog.endedFor, hog.holdings[1]?.bytes], [null, 90]);
});

Deno.test("those who came first cannot keep others out by holding as much each", () => {
  const budget = new Budget(1600);
  const first: Somebody[] = [];
  for (;;) {
    const next = new Somebody(budget, "requests");
    assertEquals(next.set(50), true);
    first.push(next);
    if (first.some(({ endedFor }) => endedFor !== null)) break;
  }
  assertEquals(first.findIndex(({ endedFor }) => endedFor !== null), 0, "the oldest is ended");
});

Deno.test("of what is on its way the slowest is ended, whatever room the newcomer needs", () => {
  for (const name of ["requests", "bodies"] as const) {
    let now = 0;
    const budget = new Budget(1600, () => {}, () => now);
    const [silent, large, quick] = [1, 2, 3].map(() => new Somebody(budget, name));
    silent?.set(40);
    now += 900;
    // Ten times as much for a hundredth of the time.
    large?.set(300);
    now += 10;
    quick?.set(40);
    const newcomer = new Somebody(budget, name);
    assertEquals(newcomer.set(50), true, "although nobody slow has as much");
    assertEquals([silent?.endedFor, large?.endedFor, quick?.endedFor], [name, null, null]);
    now += 1000;
    assertEquals(newcomer.set(80), true);
    assertEquals([large?.endedFor, quick?.endedFor], [name, null]);
  }
});

Deno.test("the time of a holder begins when it last held nothing, however it has grown", () => {
  let now = 0;
  const budget = new Budget(1600, () => {}, () => now);
  const [trickling, again] = [1, 2].map(() => new Somebody(budget, "bodies"));
  again?.set(100);
  trickling?.set(50);
  for (let bytes = 60; bytes <= 200; bytes += 10) {
    now += 100;
    again?.set(0);
    again?.set(100);
    trickling?.set(bytes);
  }
  assertEquals(new Somebody(budget, "bodies").set(150), true);
  assertEquals([trickling?.endedFor, again?.endedFor], ["bodies", null]);
});

Deno.test("a holder that is spared is charged, and ended for nobody until it is not spared any more", () => {
  let now = 0;
  const budget = new Budget(1600, () => {}, () => now);
  const spared = new Somebody(budget, "requests");
  assertEquals(spared.holdings[0]?.set(300, true), true);
  const other = new Somebody(budget, "requests");
  other.set(100);
  now += 1000;
  assertEquals(new Somebody(budget, "requests").set(150), false, "the other alone is not enough");
  assertEquals([budget.account("requests").bytes, spared.endedFor], [300, null]);
  spared.set(300);
  now += 1;
  assertEquals(new Somebody(budget, "requests").set(150), true);
  assertEquals(spared.endedFor, "requests");
});

Deno.test("an account that has no more than its floor makes room by itself when the pool is used up", () => {
  const budget = new Budget(1600);
  const slow = new Somebody(budget, "requests");
  assertEquals(slow.set(100), true);
  fillPool(budget);
  assertEquals(new Somebody(budget, "requests").set(20), true);
  assertEquals(slow.endedFor, "requests");
});

Deno.test("a charge without a holder is refused, or others are ended for it", () => {
  const budget = new Budget(1600);
  const connections = budget.account("connections");
  let held = 0;
  while (connections.hold(10)) held += 10;
  assert(held > 400 && held <= 1600, `${held}`);
  assertEquals(connections.refused, 1);
  connections.adjust(-10);
  assertEquals(connections.hold(10), true);
});

Deno.test("a limit that is lowered ends nobody, and lets in what has room", () => {
  const budget = new Budget(16_000);
  const large = new Somebody(budget, "frames");
  assertEquals(large.set(6000), true);
  budget.limit = 1600;
  assertEquals(large.endedFor, null);
  assertEquals(new Somebody(budget, "subscriptions").set(100), true, "its floor");
  assertEquals(large.endedFor, null);
  assertEquals(new Somebody(budget, "subscriptions").set(101), true);
  assertEquals(large.endedFor, "frames");
});

Deno.test("those who hold a third less are not ended, although they came first", () => {
  const budget = new Budget(64_000);
  const honest = Array.from({ length: 5 }, () => new Somebody(budget, "subscriptions"));
  for (const each of honest) assertEquals(each.set(1260), true);
  const attackers: Somebody[] = [];
  for (let count = 0; count < 40; count++) {
    const attacker = new Somebody(budget, "subscriptions");
    attackers.push(attacker);
    attacker.set(1764);
  }
  assertEquals(honest.map(({ endedFor }) => endedFor), Array(5).fill(null));
  assert(attackers.some(({ endedFor }) => endedFor !== null));
});

Deno.test("nobody is ended where the ends of all that may be would not make room", () => {
  const budget = new Budget(64_000);
  const honest = Array.from({ length: 40 }, () => new Somebody(budget, "subscriptions"));
  for (const each of honest) assertEquals(each.set(400), true);
  const connections = budget.account("connections");
  connections.adjust(connections.floor + budget.free + 100_000);
  assertEquals(new Somebody(budget, "subscriptions").set(300), false);
  assertEquals(honest.filter(({ endedFor }) => endedFor !== null).length, 0);
});

Deno.test("a holding that is closed while room is made for it takes nothing, and gives nothing back twice", () => {
  const budget = new Budget(1600);
  const messages = budget.account("messages");
  const other = new Somebody(budget, "frames");
  assertEquals(other.set(600), true);
  fillPool(budget);
  const before = budget.bytes;
  const holding = messages.open({ evict() {} });
  // Its own connection ends with the other one.
  other.evict = (account) => {
    other.endedFor = account;
    for (const each of [...other.holdings, holding]) each.close();
  };
  assertEquals(holding.set(50), true);
  assertEquals(holding.set(150), false);
  assertEquals([other.endedFor, holding.bytes, messages.bytes], ["frames", 0, 0]);
  assertEquals(budget.bytes, before - 600);
  assertEquals(holding.set(10), false, "nothing is held by it any more");
  holding.close();
  assertEquals(messages.bytes, 0);
});

const NAMES = ["requests", "messages", "frames", "subscriptions"] as const;
const step = fc.record({ who: fc.nat(11), which: fc.nat(3), bytes: fc.nat(700) });

Deno.test("whatever is asked for, the sum is within the limit and everything is given back", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
    const budget = new Budget(3200);
    const everybody = Array.from({ length: 12 }, () => new Somebody(budget, ...NAMES));
    for (const { who, which, bytes } of steps) {
      const holding = everybody[who]?.holdings[which];
      const before = holding?.bytes ?? 0;
      const ended = everybody.filter(({ endedFor }) => endedFor !== null).length;
      const isTaken = holding?.set(bytes);
      if (isTaken) assertEquals(holding?.bytes, bytes);
      else if (everybody.filter(({ endedFor }) => endedFor !== null).length === ended) {
        assertEquals(holding?.bytes, before);
      }
      assert(budget.bytes <= budget.limit, `${budget.bytes}`);
      assertEquals(budget.bytes, everybody.reduce((sum, each) => sum + each.bytes, 0));
      for (const name of NAMES) {
        const all = everybody.map(({ holdings }) => holdings[NAMES.indexOf(name)]?.bytes ?? 0);
        const largest = budget.account(name).largest?.bytes ?? 0;
        assert(largest * 1.1 >= Math.max(...all), "one of the largest is found");
      }
    }
    for (const { holdings } of everybody) for (const holding of holdings) holding.close();
    assertEquals(budget.bytes, 0);
  }));
});
