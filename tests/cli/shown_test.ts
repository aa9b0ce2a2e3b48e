import { ShownMessages } from "../../src/cli/shown.ts";
import { assertEquals } from "../assert.ts";

const message = (n: number, more: object = {}) => JSON.stringify({ n, ...more });

Deno.test("a message with a uniqueID is shown once, whichever servers it came through", () => {
  const shown = new ShownMessages();
  assertEquals(shown.isNew(message(1, { uniqueID: "a", touched: ["x"] }), 0), true);
  assertEquals(shown.isNew(message(1, { uniqueID: "a", touched: ["y", "x"] }), 1), false);
  assertEquals(shown.isNew(message(2, { uniqueID: "b" }), 2), true);
  assertEquals(shown.isNew(message(1, { uniqueID: "a" }), 119_999), false);
  assertEquals(shown.isNew(message(1, { uniqueID: "a" }), 120_001), true);
});

Deno.test("equal messages without a uniqueID are shown each time, but for those that a replay brings again", () => {
  const shown = new ShownMessages();
  assertEquals([1, 2].map((now) => shown.isNew(message(1), now)), [true, true]);
  assertEquals(shown.isNew(message(2, { touched: ["x"] }), 5000), true);
  shown.expectReplay(2, 10_000);
  // The first was shown before what the replay begins with.
  assertEquals(
    [message(1), message(2, { touched: ["y"] })].map((text) => shown.isNew(text, 10_001)),
    [
      false,
      false,
    ],
  );
  assertEquals([message(1), message(2), message(3)].map((text) => shown.isNew(text, 10_002)), [
    true,
    true,
    true,
  ]);
});

Deno.test("what a replay does not bring again keeps nothing back once it is over", () => {
  const shown = new ShownMessages();
  assertEquals(shown.isNew(message(1), 0), true);
  shown.expectReplay(0, 1000);
  assertEquals(shown.isNew(message(1), 16_001), true);
});

Deno.test("what is remembered is bounded", () => {
  const shown = new ShownMessages();
  for (let n = 0; n <= 10_000; n++) shown.isNew(message(0, { uniqueID: `${n}` }), 0);
  assertEquals(shown.isNew(message(0, { uniqueID: "1" }), 1), false);
  assertEquals(shown.isNew(message(0, { uniqueID: "0" }), 1), true);
});
