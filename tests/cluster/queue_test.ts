import fc from "fast-check";
import { Queue, type Relayed } from "../../src/cluster/queue.ts";
import { assertEquals } from "../assert.ts";

const LIMITS = { messages: 8, bytes: 100, ageMs: 50 };

function relayed(size: number, at: number, rest: Partial<Relayed> = {}): Relayed {
  const bytes = new Uint8Array(size);
  return {
    instance: "default",
    encoded: { bytes, touchedBy: () => bytes.slice() },
    touched: [],
    others: [],
    isPromised: false,
    isHandover: false,
    at,
    wasSent: false,
    ...rest,
  };
}

function sizes(messages: Iterable<Relayed>): number[] {
  return [...messages].map(({ encoded }) => encoded.bytes.length);
}

/** Takes everything that waits. */
function* rest(queue: Queue): Generator<Relayed> {
  for (let next = queue.take(); next; next = queue.take()) yield next;
}

Deno.test("what was sent and not answered is sent again first, and in order", () => {
  const queue = new Queue(LIMITS);
  const messages = [1, 2, 3, 4].map((size) => relayed(size, 0));
  for (const message of messages) queue.push(message);
  queue.take();
  queue.take();
  queue.take();
  queue.answered();
  queue.rewind();
  assertEquals([queue.take(), queue.take(), queue.take(), queue.take()], [
    messages[1],
    messages[2],
    messages[3],
    undefined,
  ]);
});

Deno.test("what is on its way is dropped neither for its age nor for room", () => {
  const queue = new Queue({ ...LIMITS, messages: 2 });
  queue.push(relayed(1, 0));
  queue.take();
  assertEquals(queue.push(relayed(2, 0)), 0);
  assertEquals(queue.push(relayed(3, 0)), 1, "the one that waits");
  assertEquals(queue.expire(1000), 1, "the other one that waits");
  assertEquals([queue.size, queue.waiting], [1, 0]);
});

Deno.test("a message that is taken back is given once, in order, sent or not", () => {
  const queue = new Queue(LIMITS);
  const promised = { isPromised: true };
  for (const message of [relayed(1, 0, promised), relayed(2, 0), relayed(3, 0, promised)]) {
    queue.push(message);
  }
  queue.take();
  assertEquals(sizes(queue.takeBack()), [1, 3]);
  assertEquals(queue.takeBack(), []);
  queue.rewind();
  assertEquals([...rest(queue)].map(({ isPromised }) => isPromised), [false, false, false]);
});

Deno.test("what was never sent names a server no more that is withdrawn; the rest stays as it was", () => {
  const queue = new Queue(LIMITS);
  const messages = [["B", "C"], ["B", "C"], ["C"]].map((others) => relayed(1, 0, { others }));
  for (const message of messages) queue.push(message);
  queue.take();
  queue.rewind();
  assertEquals(queue.withdraw("B"), new Set([messages[1]?.encoded]));
  assertEquals([...rest(queue)].map(({ others }) => others), [["B", "C"], ["C"], ["C"]]);
});

Deno.test("what is put first comes before what waits and behind what was sent", () => {
  const queue = new Queue({ ...LIMITS, messages: 5 });
  for (const size of [1, 2, 3]) queue.push(relayed(size, 0));
  queue.take();
  assertEquals(queue.putFirst([4, 5, 6].map((size) => relayed(size, 0))), 1);
  queue.rewind();
  assertEquals(sizes(rest(queue)), [1, 5, 6, 2, 3], "the oldest of those that waited had to go");
});

/** What a queue does, in the simplest way that does it. */
class Naive {
  sent: Relayed[] = [];
  waiting: Relayed[] = [];

  get all(): Relayed[] {
    return [...this.sent, ...this.waiting];
  }

  add(messages: readonly Relayed[], where: "first" | "last"): number {
    // Copies, as the queue marks those that it gets.
    const added = messages.map((message) => ({ ...message }));
    this.waiting = where === "first" ? [...added, ...this.waiting] : [...this.waiting, ...added];
    const { length } = this.waiting;
    while (this.waiting.length > 0 && !this.#fits(this.all)) this.waiting.shift();
    return length - this.waiting.length;
  }

  hasRoomFor(message: Relayed): boolean {
    return this.#fits([...this.all, message]);
  }

  expire(now: number): number {
    const { length } = this.waiting;
    while ((this.waiting[0]?.at ?? now) < now - LIMITS.ageMs) this.waiting.shift();
    return length - this.waiting.length;
  }

  take(): Relayed | undefined {
    const [message, ...others] = this.waiting;
    if (message === undefined) return undefined;
    const taken = { ...message, wasSent: true };
    this.sent.push(taken);
    this.waiting = others;
    return taken;
  }

  rewind(): void {
    [this.sent, this.waiting] = [[], this.all];
  }

  takeAll(): Relayed[] {
    const { all } = this;
    [this.sent, this.waiting] = [[], []];
    return all;
  }

  takeBack(): Relayed[] {
    const promised = this.all.filter(({ isPromised }) => isPromised);
    const forget = (message: Relayed) => ({ ...message, isPromised: false });
    [this.sent, this.waiting] = [this.sent.map(forget), this.waiting.map(forget)];
    return promised;
  }

  withdraw(fingerprint: string): Set<Relayed["encoded"]> {
    const isMeant = ({ others, wasSent }: Relayed) => others.includes(fingerprint) && !wasSent;
    const withdrawn = new Set(this.waiting.filter(isMeant).map(({ encoded }) => encoded));
    this.waiting = this.waiting.map((message) => ({
      ...message,
      others: message.others.filter((other) => other !== fingerprint || !isMeant(message)),
    }));
    return withdrawn;
  }

  #fits(messages: readonly Relayed[]): boolean {
    return messages.length <= LIMITS.messages && bytesOf(messages) <= LIMITS.bytes;
  }
}

function bytesOf(messages: readonly Relayed[]): number {
  return sizes(messages).reduce((sum, size) => sum + size, 0);
}

/** A message of a step, without its time. */
interface Draft {
  readonly size: number;
  readonly others: readonly string[];
  readonly isPromised: boolean;
}

type Step =
  | { readonly kind: "push"; readonly draft: Draft }
  | { readonly kind: "putFirst"; readonly drafts: readonly Draft[] }
  | { readonly kind: "take" | "answered" | "rewind" | "clear" | "takeBack" | "takeAll" | "move" }
  | { readonly kind: "withdraw"; readonly fingerprint: string }
  | { readonly kind: "wait"; readonly ms: number };

const draft: fc.Arbitrary<Draft> = fc.record({
  size: fc.nat(30),
  others: fc.subarray(["B", "C"]),
  isPromised: fc.boolean(),
});

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("push"), draft }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom("take", "answered") }) },
  fc.record({ kind: fc.constant("putFirst"), drafts: fc.array(draft, { maxLength: 4 }) }),
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("rewind", "takeBack", "move") }) },
  fc.record({ kind: fc.constantFrom("clear", "takeAll") }),
  fc.record({ kind: fc.constant("withdraw"), fingerprint: fc.constantFrom("B", "C") }),
  fc.record({ kind: fc.constant("wait"), ms: fc.nat(30) }),
);

Deno.test("for any sequence of steps, a queue is that of the naive definition", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
      const queue = new Queue(LIMITS);
      const naive = new Naive();
      let now = 0;
      const write = ({ size, ...more }: Draft) => relayed(size, now, more);
      for (const step of steps) {
        switch (step.kind) {
          case "push": {
            const message = write(step.draft);
            assertEquals(queue.hasRoomFor(message), naive.hasRoomFor(message));
            const dropped = naive.add([message], "last");
            assertEquals(queue.push(message), dropped);
            break;
          }
          case "putFirst": {
            const messages = step.drafts.map(write);
            const dropped = naive.add(messages, "first");
            assertEquals(queue.putFirst(messages), dropped);
            break;
          }
          case "take":
            assertEquals(queue.take(), naive.take());
            break;
          case "answered":
            assertEquals(queue.answered(), naive.sent.shift());
            break;
          case "rewind":
            naive.rewind();
            queue.rewind();
            break;
          case "clear":
            naive.takeAll();
            queue.clear();
            break;
          case "takeBack":
            assertEquals(queue.takeBack(), naive.takeBack());
            break;
          case "takeAll":
            assertEquals(queue.takeAll(), naive.takeAll());
            break;
          case "move":
            // To another entry for the same server, and back.
            assertEquals(queue.putFirst(queue.takeAll()), naive.add(naive.takeAll(), "first"));
            break;
          case "withdraw":
            assertEquals(queue.withdraw(step.fingerprint), naive.withdraw(step.fingerprint));
            break;
          case "wait":
            now += step.ms;
            assertEquals(queue.expire(now), naive.expire(now));
        }
        assertEquals([queue.size, queue.waiting, queue.sentBytes], [
          naive.all.length,
          naive.waiting.length,
          bytesOf(naive.sent),
        ]);
      }
      assertEquals(queue.takeAll(), naive.takeAll());
    }),
    { numRuns: 300 },
  );
});

Deno.test("thousands that pass through leave nothing behind", () => {
  const queue = new Queue();
  for (let n = 0; n < 10_000; n++) {
    queue.push(relayed(1, n));
    queue.push(relayed(2, n));
    assertEquals(queue.take()?.encoded.bytes.length, 1);
    assertEquals(queue.take()?.encoded.bytes.length, 2);
    queue.answered();
    queue.answered();
  }
  assertEquals([queue.size, queue.waiting, queue.take()], [0, 0, undefined]);
});
