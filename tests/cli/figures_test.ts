import { formatDuration } from "../../src/cli/figures.ts";
import { assertEquals } from "../assert.ts";

Deno.test("a duration is told by its two largest parts", () => {
  const HOUR = 3600;
  assertEquals(
    [null, 0, 59, 60, 61, HOUR, 13 * HOUR + 61, 23 * HOUR, 24 * HOUR, 51 * HOUR].map(
      formatDuration,
    ),
    ["unknown", "0s", "59s", "1m 0s", "1m 1s", "1h 0m", "13h 1m", "23h 0m", "1d 0h", "2d 3h"],
  );
});
