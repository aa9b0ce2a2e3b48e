import { closeLog, logger } from "../../src/log/log.ts";
import { LimitedLog, LoggedCounter, RateLimiter } from "../../src/log/rate_limiter.ts";
import { assertEquals } from "../assert.ts";
import { until } from "../acceptance/until.ts";
import { Folder } from "../folder.ts";
import { openLogFile } from "./open.ts";

/** A rate limiter whose periods are short, and what it tells next. */
function makeLimiter(): { limiter: RateLimiter; told: Promise<number> } {
  const { promise, resolve } = Promise.withResolvers<number>();
  return { limiter: new RateLimiter(resolve, { lines: 3, periodMs: 30 }), told: promise };
}

function take(limiter: RateLimiter, count: number): boolean[] {
  return Array.from({ length: count }, () => limiter.take());
}

Deno.test("a rate limiter lets the first lines through, and tells how many it left out", async () => {
  const { limiter, told } = makeLimiter();
  assertEquals(take(limiter, 5), [true, true, true, false, false]);
  const hold = setTimeout(() => {}, 10_000); // its own timer keeps nothing alive
  assertEquals(await told, 2);
  clearTimeout(hold);
});

Deno.test("a rate limiter lets lines through again in the next period", async () => {
  const { limiter, told } = makeLimiter();
  take(limiter, 4);
  const hold = setTimeout(() => {}, 10_000);
  await told;
  clearTimeout(hold);
  assertEquals(take(limiter, 3), [true, true, true]);
});

/** Runs `action` with a log of two lines of each kind in 30 ms, and returns all lines when they are `count`. */
async function linesOf(
  action: (log: LimitedLog<"a" | "b">) => void,
  count: number,
): Promise<string[]> {
  using folder = new Folder();
  const path = `${folder.path}/a.log`;
  openLogFile(path);
  const more = "{count} more lines ({kind}).";
  const options = { level: "warning", limit: { lines: 2, periodMs: 30 } } as const;
  action(new LimitedLog(logger("test"), ["a", "b"], more, options));
  const lines = () => Deno.readTextFileSync(path).split("\n").slice(0, -1);
  await until(() => lines().length >= count);
  await closeLog();
  return lines().map((line) => line.replace(/^\[\S+\] /, ""));
}

Deno.test("lines of one kind do not use up those of another, and what was left out is told by kind", async () => {
  const lines = await linesOf((log) => {
    for (const [index, kind] of (["a", "a", "a", "b", "a", "b", "b"] as const).entries()) {
      log.write(kind, "Line {index} of {kind}.", { index, kind });
    }
  }, 6);
  assertEquals(lines, [
    "WARNING Line 0 of a.",
    "WARNING Line 1 of a.",
    "WARNING Line 3 of b.",
    "WARNING Line 5 of b.",
    "WARNING 2 more lines (a).",
    "WARNING 1 more lines (b).",
  ]);
});

Deno.test("a logged counter counts every event, and logs those that the limiters of all counters let through", async () => {
  const counters: LoggedCounter<"a" | "b">[] = [];
  const lines = await linesOf((log) => {
    for (const name of ["one", "two"]) {
      const counter = new LoggedCounter(["a", "b"], log);
      for (const reason of ["a", "b", "a"] as const) {
        counter.report(reason, "{name} {reason}.", { name, reason });
      }
      counter.add("b");
      counters.push(counter);
    }
  }, 5);
  assertEquals(lines, [
    "WARNING one a.",
    "WARNING one b.",
    "WARNING one a.",
    "WARNING two b.",
    "WARNING 2 more lines (a).",
  ]);
  for (const counter of counters) {
    assertEquals(counter.samples(), [[{ reason: "a" }, 2], [{ reason: "b" }, 2]]);
  }
});
