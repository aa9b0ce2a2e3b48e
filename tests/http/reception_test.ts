import { Buffer } from "node:buffer";
import fc from "fast-check";
import { type AccountHolder, Budget } from "../../src/budget.ts";
import {
  BodyBroken,
  BodyInterrupted,
  BodyTooLong,
  BodyTooSlow,
  NoRoom,
  type Reception,
  type ReceptionLimits,
  Receptions,
} from "../../src/http/reception.ts";
import { assert, assertEquals, assertRejects, assertStrictEquals } from "../assert.ts";
import { latin1, textOf } from "../pieces.ts";

const MB = 1024 * 1024;

/** Bytes that a body may be charged beside its content. */
const OWN_BYTES = 8 * 1024;

/** The bodies of a server, with a clock and limits that a test sets. */
class Bench {
  readonly budget: Budget;
  readonly receptions: Receptions;
  limits: ReceptionLimits;
  now = 1_000_000;

  constructor(limits: Partial<ReceptionLimits> = {}, budget = new Budget(1e9)) {
    this.limits = { bodyBytes: 1000, bodies: 10, bodyMs: 30_000, ...limits };
    this.budget = budget;
    this.receptions = new Receptions(
      budget.account("bodies"),
      () => this.limits,
      () => this.now,
    );
  }

  begin(announced: number | null = null, holder: AccountHolder | null = null): Reception {
    return this.receptions.begin(announced, holder);
  }

  get held(): number {
    return this.budget.account("bodies").bytes;
  }
}

/** How a body ended: its content, the error's name, or nothing yet. */
async function endOf({ whole }: Reception): Promise<string | null> {
  const open = Promise.resolve(null);
  try {
    const bytes = await Promise.race([whole, open]);
    return bytes && textOf(bytes);
  } catch (error) {
    return (error as Error).name;
  }
}

function endsOf(receptions: readonly Reception[]): Promise<(string | null)[]> {
  return Promise.all(receptions.map(endOf));
}

Deno.test("the pieces that have come are the body, and are copied", async () => {
  const bench = new Bench();
  const body = bench.begin(11);
  for (const text of ["Hello", " ", "world"]) {
    // A view of a buffer of the runtime.
    const piece = Buffer.from(text);
    body.take(piece);
    piece.fill(0);
  }
  assertEquals(await endOf(body), null);
  body.finish();
  assertEquals([await endOf(body), body.isOver, bench.receptions.size], ["Hello world", true, 0]);
  assertEquals(bench.held, 0);
});

Deno.test("a body of nothing is empty", async () => {
  const bench = new Bench();
  const body = bench.begin();
  body.finish();
  assertEquals([await endOf(body), bench.held], ["", 0]);
});

Deno.test("a body may have as many bytes as the limit, and no more", async () => {
  const bench = new Bench();
  const body = bench.begin();
  body.take(new Uint8Array(400));
  body.take(new Uint8Array(600));
  assertEquals(body.isOver, false);
  const longer = bench.begin();
  longer.take(new Uint8Array(1000));
  longer.take(new Uint8Array(1));
  assertEquals([longer.isOver, bench.receptions.size], [true, 1]);
  await assertRejects(() => longer.whole, BodyTooLong);
  body.finish();
  assertEquals([(await body.whole).length, bench.held], [1000, 0]);
});

Deno.test("a body that is announced as too long fails before anything of it arrives", async () => {
  const bench = new Bench();
  for (const announced of [1001, 2 ** 53, Infinity]) {
    const body = bench.begin(announced);
    assertEquals([body.isOver, bench.receptions.size, bench.held], [true, 0, 0]);
    body.take(latin1("x"));
    assertEquals(bench.held, 0);
    await assertRejects(() => body.whole, BodyTooLong);
  }
  assertEquals(bench.begin(1000).isOver, false);
});

Deno.test("a body has no more bytes than were announced", async () => {
  const body = new Bench().begin(5);
  body.take(latin1("Hello"));
  assertEquals(body.isOver, false);
  body.take(latin1("!"));
  assertEquals(await endOf(body), "BodyTooLong");
});

Deno.test("the limit of bytes is that of the moment when a body begins", async () => {
  const bench = new Bench();
  const before = bench.begin();
  bench.limits = { ...bench.limits, bodyBytes: 10 };
  const behind = bench.begin();
  assertEquals(bench.receptions.bodyBytes, 10);
  for (const body of [before, behind]) body.take(new Uint8Array(11));
  assertEquals(await endsOf([before, behind]), [null, "BodyTooLong"]);
});

Deno.test("bytes are charged when they arrive, not when they are announced", () => {
  const bench = new Bench({ bodyBytes: 100 * MB });
  const body = bench.begin(100 * MB);
  assert(bench.held > 0 && bench.held <= OWN_BYTES, `${bench.held} for an announcement`);
  let arrived = 0;
  for (const size of [1, 1, 100, 1, 5000, 100_000, 1, MB]) {
    body.take(new Uint8Array(size));
    arrived += size;
    assert(bench.held >= arrived, `${bench.held} for ${arrived}`);
    assert(bench.held <= OWN_BYTES + 3 * arrived, `${bench.held} for ${arrived}`);
  }
  body.fail(new BodyBroken());
  assertEquals(bench.held, 0);
});

Deno.test("for one body too many the slowest is given up", async () => {
  const bench = new Bench({ bodies: 3 });
  const bodies = Array.from({ length: 5 }, () => bench.begin(10));
  for (const body of bodies) body.take(latin1("x"));
  assertEquals(await endsOf(bodies), ["NoRoom", "NoRoom", null, null, null]);
  bodies[3]?.finish();
  bodies.push(bench.begin());
  assertEquals(await endsOf(bodies), ["NoRoom", "NoRoom", null, "x", null, null]);
  bodies.push(bench.begin());
  assertEquals(await endsOf(bodies), ["NoRoom", "NoRoom", "NoRoom", "x", null, null, null]);
  assertEquals(bench.receptions.size, 3);
});

Deno.test("when the limit of bodies has been lowered, a newcomer gives all up that are too many", async () => {
  const bench = new Bench({ bodies: 4 });
  const bodies = Array.from({ length: 4 }, () => bench.begin());
  bench.limits = { ...bench.limits, bodies: 2 };
  assertEquals(await endsOf(bodies), [null, null, null, null]);
  bodies.push(bench.begin());
  assertEquals(await endsOf(bodies), ["NoRoom", "NoRoom", "NoRoom", null, null]);
});

Deno.test("a body that is too long for a start gives nobody else up", async () => {
  const bench = new Bench({ bodies: 1 });
  const body = bench.begin();
  assertEquals(await endOf(bench.begin(5000)), "BodyTooLong");
  assertEquals(await endOf(body), null);
});

Deno.test("bodies that take too long are given up, the oldest first, and leave their room", async () => {
  const bench = new Bench({ bodyMs: 1000 });
  const order: number[] = [];
  const bodies = [0, 1, 2].map((index) => {
    const body = bench.begin();
    body.take(latin1("x"));
    body.whole.catch(() => order.push(index));
    bench.now += 100;
    return body;
  });
  bench.now += 699;
  bench.receptions.tick();
  assertEquals(await endsOf(bodies), [null, null, null], "after 999 ms");
  bench.now += 1;
  bench.receptions.tick();
  assertEquals(await endsOf(bodies), ["BodyTooSlow", null, null], "after 1,000 ms");
  assertEquals(bench.receptions.size, 2);
  bodies[1]?.take(latin1("y"));
  bench.now += 500;
  bench.receptions.tick();
  assertEquals(await endsOf(bodies), ["BodyTooSlow", "BodyTooSlow", "BodyTooSlow"]);
  assertEquals([order, bench.receptions.size, bench.held], [[0, 1, 2], 0, 0]);
});

Deno.test("the time that bodies have is that of the moment", async () => {
  const bench = new Bench({ bodyMs: 1000 });
  const body = bench.begin();
  bench.now += 500;
  bench.receptions.tick();
  bench.limits = { ...bench.limits, bodyMs: 500 };
  assertEquals(await endOf(body), null);
  bench.receptions.tick();
  await assertRejects(() => body.whole, BodyTooSlow);
});

Deno.test("a large body that comes fast gets the room of those that are slow, and not that of others", async () => {
  const budget: Budget = new Budget(64 * MB, () => {}, () => bench.now);
  const bench = new Bench({ bodyBytes: 64 * MB }, budget);
  const slow = Array.from({ length: 5 }, () => bench.begin());
  for (const body of slow) body.take(new Uint8Array(MB));
  bench.now += 10_000;
  const quick = bench.begin();
  quick.take(new Uint8Array(MB));
  const large = bench.begin(6 * MB);
  for (let count = 0; count < 6; count++) {
    bench.now++;
    large.take(new Uint8Array(MB));
  }
  large.finish();
  assertEquals((await large.whole).length, 6 * MB);
  assertEquals((await endsOf(slow)).filter((end) => end === "NoRoom").length > 0, true);
  quick.finish();
  assertEquals((await quick.whole).length, MB);
  for (const body of slow) body.fail(new BodyBroken());
  assertEquals(budget.bytes, 0);
});

Deno.test("a body that has cost the most itself finds no room, and later it does", async () => {
  const budget: Budget = new Budget(64 * MB, () => {}, () => bench.now);
  const bench = new Bench({ bodyBytes: 64 * MB }, budget);
  const many = Array.from({ length: 5 }, () => bench.begin());
  for (const body of many) body.take(new Uint8Array(MB));
  const large = bench.begin(40 * MB);
  for (let count = 0; count < 40 && !large.isOver; count++) {
    large.take(new Uint8Array(MB));
    bench.now += 1000;
  }
  await assertRejects(() => large.whole, NoRoom);
  for (const body of many) body.finish();
  assertEquals((await Promise.all(many.map(({ whole }) => whole))).map(({ length }) => length), [
    ...[MB, MB, MB, MB, MB],
  ]);
  assertEquals(budget.bytes, 0);
  const later = bench.begin();
  later.take(new Uint8Array(10 * MB));
  later.finish();
  assertEquals((await later.whole).length, 10 * MB);
});

Deno.test("when memory is short the largest body gives way to a small one", async () => {
  const budget = new Budget(16 * MB);
  const bench = new Bench({ bodyBytes: 2 * MB, bodies: 100 }, budget);
  const slow: Reception[] = [];
  while (budget.account("bodies").evicted === 0) {
    const body = bench.begin(MB + 1);
    slow.push(body);
    body.take(new Uint8Array(MB));
    assert(slow.length < 16, "there is no room for as many");
  }
  assertEquals(await endOf(slow[0] ?? bench.begin()), "NoRoom", "the oldest of the largest");
  const small = bench.begin(300);
  small.take(new Uint8Array(300));
  small.finish();
  assertEquals((await small.whole).length, 300);
  for (const body of slow) body.fail(new BodyBroken());
  assertEquals(budget.bytes, 0);
});

Deno.test("the budget ends the connection of the largest body, where there is one", async () => {
  const budget = new Budget(16 * MB);
  const bench = new Bench({ bodyBytes: 4 * MB, bodies: 100 }, budget);
  const ended: string[] = [];
  const holder: AccountHolder = { evict: (account) => ended.push(account) };
  const large = bench.begin(null, holder);
  large.take(new Uint8Array(2 * MB));
  while (ended.length === 0) {
    const body = bench.begin();
    body.take(new Uint8Array(MB / 2));
    assert(bench.receptions.size < 30, "there is no room for as many");
  }
  assertEquals([ended, await endOf(large)], [["bodies"], null], "the connection gives it up");
  const { held } = bench;
  large.fail(new NoRoom());
  assertEquals(bench.held, held, "the budget had taken it back");
});

Deno.test("a body is not given up for more of itself: it finds no room", async () => {
  const budget = new Budget(16 * MB);
  const bench = new Bench({ bodyBytes: 16 * MB }, budget);
  const body = bench.begin();
  for (let count = 0; count < 16 && !body.isOver; count++) body.take(new Uint8Array(MB));
  assertEquals(await endOf(body), "NoRoom");
  assertEquals([budget.bytes, budget.account("bodies").evicted], [0, 0]);
  assertEquals(budget.account("bodies").refused, 1);
});

Deno.test("where there is no room for a body of nothing, it fails at once", async () => {
  const bench = new Bench({}, new Budget(0));
  const body = bench.begin(5);
  assertEquals([await endOf(body), bench.receptions.size], ["NoRoom", 0]);
});

Deno.test("a stop gives all up that have not come whole", async () => {
  const bench = new Bench();
  const bodies = [bench.begin(), bench.begin(), bench.begin()];
  for (const body of bodies) body.take(latin1("x"));
  bodies[0]?.finish();
  bench.receptions.interrupt();
  assertEquals(await endsOf(bodies), ["x", "BodyInterrupted", "BodyInterrupted"]);
  for (const body of bodies.slice(1)) await assertRejects(() => body.whole, BodyInterrupted);
  assertEquals([bench.receptions.size, bench.held], [0, 0]);
});

Deno.test("it is settled when no body is being received", async () => {
  const bench = new Bench();
  await bench.receptions.settled();
  const bodies = [bench.begin(), bench.begin()];
  let settled = 0;
  const waiting = [1, 2].map(() => bench.receptions.settled().then(() => settled++));
  bodies[0]?.finish();
  await endsOf(bodies);
  assertEquals(settled, 0);
  bodies[1]?.fail(new BodyBroken());
  await Promise.all(waiting);
  assertEquals(settled, 2);
  await bench.receptions.settled();
});

Deno.test("a body ends once, and keeps its end", async () => {
  const bench = new Bench();
  const done = bench.begin();
  done.take(latin1("Hello"));
  done.finish();
  done.take(latin1("!"));
  done.fail(new BodyBroken());
  done.evict();
  assertEquals(await endOf(done), "Hello");
  const failed = bench.begin();
  const error = new BodyBroken("It broke", { cause: "the cable" });
  failed.fail(error);
  failed.fail(new BodyTooLong());
  failed.take(latin1("x"));
  failed.finish();
  assertStrictEquals(await failed.whole.catch((reason) => reason), error);
  assertEquals([bench.receptions.size, bench.held], [0, 0]);
});

Deno.test("a body may fail when nobody waits for it", async () => {
  const bench = new Bench();
  bench.begin().fail(new BodyBroken());
  // An unhandled rejection would be told of in a later turn, and fail the test.
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(bench.receptions.size, 0);
});

/** Something that happens to the bodies of a server. */
const event = fc.oneof(
  fc.record({ type: fc.constant("begin" as const), announced: fc.option(fc.nat(1200)) }),
  fc.record({ type: fc.constant("take" as const), which: fc.nat(), size: fc.nat(400) }),
  fc.record({ type: fc.constantFrom("finish" as const, "break" as const), which: fc.nat() }),
  fc.record({ type: fc.constant("pass" as const), ms: fc.nat(800) }),
  fc.record({ type: fc.constant("interrupt" as const) }),
);

Deno.test("whatever happens, the limits hold, and what is held is what the open bodies have", () => {
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 60 }),
      fc.integer({ min: 1, max: 4 }),
      (events, bodies) => {
        const bench = new Bench({ bodies, bodyMs: 1000 }, new Budget(300_000));
        const all: Reception[] = [];
        for (const event of events) {
          const one = all["which" in event ? event.which % Math.max(1, all.length) : 0];
          switch (event.type) {
            case "begin":
              all.push(bench.begin(event.announced));
              break;
            case "take":
              one?.take(new Uint8Array(event.size));
              break;
            case "finish":
              one?.finish();
              break;
            case "break":
              one?.fail(new BodyBroken());
              break;
            case "pass":
              bench.now += event.ms;
              bench.receptions.tick();
              assert(all.every(({ isOver, since }) => isOver || bench.now - since < 1000));
              break;
            case "interrupt":
              bench.receptions.interrupt();
              assertEquals(bench.receptions.size, 0);
          }
          const open = all.filter(({ isOver }) => !isOver).length;
          assertEquals(bench.receptions.size, open);
          assert(open <= bodies);
          assert(bench.held <= open * (OWN_BYTES + 3 * 1000), `${bench.held} for ${open}`);
          assert(bench.held >= open, `${bench.held} for ${open}`);
        }
        bench.receptions.interrupt();
        assertEquals(bench.held, 0);
      },
    ),
    { numRuns: 300 },
  );
});
