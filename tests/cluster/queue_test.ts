import fc from "fast-check";
import { Queue, type Relayed } from "../../src/cluster/queue.ts";
import { assertEquals } from "../assert.ts";

const LIMITS = { messages: 8, bytes: 100, ageMs: 50 };

function relayed(size: number, at: number, rest: Partial<Relayed> = {}): Relayed {
  const bytes = new Uint8Array(size);
  return {
    kind: "copy",
    instance: "default",
    encoded: { bytes, touchedBy: () => bytes.slice() },
    touched: [],
    others: [],
    isPromised: false,
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
  assertEquals([queue.size, queue.take()], [1, undefined]);
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

Deno.test("copies that wait name their receiver no more, whether they were sent before or not; a handover still does", () => {
  const queue = new Queue(LIMITS);
  const others = ["B", "C"];
  queue.push(relayed(1, 0, { others }));
  queue.take();
  queue.rewind();
  queue.push(relayed(2, 0, { others }));
  queue.push(relayed(3, 0, { others, kind: "handover" }));
  queue.push(relayed(4, 0, { others: ["C"] }));
  queue.readdress("B");
  assertEquals([...rest(queue)].map(({ others }) => others), [["C"], ["C"], ["B", "C"], ["C"]]);
});

Deno.test("what was not acknowledged is copied for another peer, on its way or not, and stays", () => {
  const queue = new Queue(LIMITS);
  for (const size of [1, 2, 3]) queue.push(relayed(size, 0, { isPromised: true }));
  queue.push(relayed(4, 0, { kind: "handover" }));
  for (let count = 2; count > 0; count--) queue.take();
  queue.answered();
  const copies = queue.copyAll();
  assertEquals(sizes(copies), [2, 3]);
  assertEquals(copies.some(({ isPromised, wasSent }) => isPromised || wasSent), false);
  assertEquals([queue.size, queue.copies], [3, 2]);
});

Deno.test("what is added among those that wait is where its time has it, and behind what was sent", () => {
  const queue = new Queue(LIMITS);
  for (const at of [10, 12, 14]) queue.push(relayed(at, at));
  queue.take();
  queue.insert([relayed(1, 1), relayed(2, 12), relayed(3, 13)]);
  queue.rewind();
  assertEquals(sizes(rest(queue)), [10, 1, 12, 2, 3, 14]);
});

Deno.test("a copy takes the place of one of the same message; handovers of it are each added", () => {
  const queue = new Queue(LIMITS);
  const copy = relayed(1, 0);
  const handover = { ...copy, kind: "handover" as const };
  queue.push(copy);
  queue.push(relayed(2, 0));
  queue.insert([{ ...copy, isPromised: true }, handover]);
  queue.insert([handover]);
  assertEquals([...rest(queue)].map(({ kind, isPromised }) => [kind, isPromised]), [
    ["copy", false],
    ["copy", true],
    ["handover", false],
    ["handover", false],
  ]);
});

Deno.test("what goes without the peer missing anything is not counted", () => {
  const queue = new Queue({ ...LIMITS, messages: 2 });
  queue.push(relayed(1, 0, { kind: "handover" }));
  queue.push(relayed(2, 0));
  assertEquals(queue.push(relayed(3, 0)), 0, "the handover went");
  assertEquals(queue.expire(1000), 2);
});

/** What a queue does, in the simplest way that does it. */
class Naive {
  sent: Relayed[] = [];
  waiting: Relayed[] = [];

  get all(): Relayed[] {
    return [...this.sent, ...this.waiting];
  }

  push(message: Relayed): number {
    // Copies, here and below, as the queue marks those that it gets.
    this.waiting = [...this.waiting, { ...message }];
    return this.#dropOldest(() => !this.#fits(this.all));
  }

  insert(messages: readonly Relayed[]): number {
    const isReplaced = ({ kind, encoded }: Relayed) =>
      messages.some((each) => kind === "copy" && each.kind === kind && each.encoded === encoded);
    this.waiting = this.waiting.filter((message) => !isReplaced(message));
    for (const message of messages) {
      this.waiting = [...this.waiting, { ...message }].toSorted((a, b) => a.at - b.at);
    }
    return this.#dropOldest(() => !this.#fits(this.all));
  }

  expire(now: number): number {
    return this.#dropOldest(({ at }) => at < now - LIMITS.ageMs);
  }

  take(): Relayed | undefined {
    const [message, ...others] = this.waiting;
    if (message === undefined) return undefined;
    const taken = { ...message, wasSent: true };
    this.sent = [...this.sent, taken];
    this.waiting = others;
    return taken;
  }

  rewind(): void {
    this.waiting = this.all;
    this.sent = [];
  }

  takeAll(): Relayed[] {
    this.rewind();
    const { all } = this;
    this.waiting = [];
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

  #dropOldest(hasToGo: (message: Relayed) => boolean): number {
    let copies = 0;
    for (let [oldest] = this.waiting; oldest && hasToGo(oldest); [oldest] = this.waiting) {
      this.waiting = this.waiting.slice(1);
      if (oldest.kind === "copy") copies++;
    }
    return copies;
  }

  #fits(messages: readonly Relayed[]): boolean {
    return messages.length <= LIMITS.messages && bytesOf(messages) <= LIMITS.bytes;
  }
}

function bytesOf(messages: readonly Relayed[]): number {
  return sizes(messages).reduce((sum, size) => sum + size, 0);
}

/** A message of a step, which has waited for a while. */
interface Draft {
  readonly size: number;
  readonly waited: number;
  readonly more: Partial<Relayed>;
}

type Step =
  | { readonly kind: "push"; readonly draft: Draft }
  | { readonly kind: "insert"; readonly drafts: readonly Draft[] }
  | { readonly kind: "take" | "answered" | "rewind" | "clear" | "takeBack" | "takeAll" | "move" }
  | { readonly kind: "repeat" }
  | { readonly kind: "withdraw"; readonly fingerprint: string }
  | { readonly kind: "wait"; readonly ms: number };

function draft(kinds: readonly Relayed["kind"][], longest: number): fc.Arbitrary<Draft> {
  return fc.record({
    size: fc.nat(30),
    waited: fc.nat(longest),
    more: fc.record({
      kind: fc.constantFrom(...kinds),
      others: fc.subarray(["B", "C"]),
      isPromised: fc.boolean(),
    }),
  });
}

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant("push"), draft: draft(["copy"], 0) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom("take", "answered") }) },
  fc.record({
    kind: fc.constant("insert"),
    drafts: fc.array(draft(["copy", "handover"], 60), { maxLength: 4 }),
  }),
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom("rewind", "takeBack", "move", "repeat") }),
  },
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
      const write = ({ size, waited, more }: Draft) => relayed(size, now - waited, more);
      for (const step of steps) {
        switch (step.kind) {
          case "push": {
            const message = write(step.draft);
            const dropped = naive.push(message);
            assertEquals(queue.push(message), dropped);
            break;
          }
          case "insert": {
            const messages = step.drafts.map(write);
            const dropped = naive.insert(messages);
            assertEquals(queue.insert(messages), dropped);
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
            assertEquals(queue.insert(queue.takeAll()), naive.insert(naive.takeAll()));
            break;
          case "repeat": {
            // From another entry for the same server, which has the same.
            const messages = naive.all.map((message) => ({ ...message }));
            const dropped = naive.insert(messages);
            assertEquals(queue.insert(messages), dropped);
            break;
          }
          case "withdraw":
            assertEquals(queue.withdraw(step.fingerprint), naive.withdraw(step.fingerprint));
            break;
          case "wait":
            now += step.ms;
            assertEquals(queue.expire(now), naive.expire(now));
        }
        assertEquals([queue.size, queue.copies, queue.sentBytes], [
          naive.all.length,
          naive.all.filter(({ kind }) => kind === "copy").length,
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
  assertEquals([queue.size, queue.take()], [0, undefined]);
});
