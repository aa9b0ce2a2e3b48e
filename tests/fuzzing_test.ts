import { assertEquals, assertMatch } from "./assert.ts";
import { Random, type Subject, type Subjects, tryOne } from "./fuzzing.ts";

/** A subject that is given some random bytes. */
function subject(run: Subject["run"]): Subjects {
  return [{
    name: "thing",
    make: (random) => random.bytes(1 + random.below(50)),
    intrude: () => Uint8Array.of(7),
    run,
  }];
}

/** The first failure among many seeds. */
function failure(subjects: Subjects): string {
  for (let seed = 0; seed < 1000; seed++) {
    const found = tryOne(subjects, seed);
    if (found !== null) return found;
  }
  return "";
}

Deno.test("what is as it should be does not fail", () => {
  assertEquals(failure(subject(() => "always the same")), "");
});

Deno.test("what depends on the chunks fails, and its seed makes it fail again", () => {
  const subjects = subject((chunks) => chunks.length);
  const found = failure(subjects);
  assertMatch(found, /^The thing fails with --seed (\d+)\.\nIn one chunk it gives 1\n/);
  assertEquals(tryOne(subjects, Number(/--seed (\d+)/.exec(found)?.[1])), found);
});

Deno.test("what throws fails, and as few bytes as possible are shown", () => {
  const found = failure(subject((chunks) => {
    if (chunks.some((chunk) => chunk.includes(0xab))) throw new RangeError("a mistake");
    return null;
  }));
  assertMatch(found, /a mistake/);
  assertMatch(found, /\n1 of \d+ bytes are enough:\n000000 {2}ab /);
});

Deno.test("random numbers are those of their seed, and of the whole range", () => {
  const [one, other] = [new Random(5), new Random(5)];
  const numbers = one.list(1000, () => one.below(10));
  assertEquals(numbers, other.list(1000, () => other.below(10)));
  assertEquals(new Set(numbers).size, 10);
  assertEquals(new Set(one.list(1000, () => one.pick("a", "b", "c"))).size, 3);
});
