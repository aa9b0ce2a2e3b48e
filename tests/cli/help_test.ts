import fc from "fast-check";
import { loadCommands } from "../../src/cli/cli.ts";
import { helpOn, overview } from "../../src/cli/help.ts";
import { assertEquals } from "../assert.ts";
import { command } from "./fixtures.ts";

const COMMANDS = await loadCommands();

Deno.test("overview() lists the verbs in order, their synopses one under the other", () => {
  assertEquals(
    overview([command({}), command({ verb: "land", synopsis: "Come down." })]).split("\n"),
    [
      "Usage: aphlict VERB [OPTION...]",
      "",
      "The notification server of Phorge.",
      "",
      "  fly   Take off.",
      "  land  Come down.",
      "",
      'Exit codes: 0 done, 1 failed, 2 wrong usage. "aphlict help VERB" says more.',
    ],
  );
});

Deno.test("overview() has no line that is longer than a terminal of 80 columns", () => {
  const long = overview(COMMANDS).split("\n").filter((line) => line.length > 79);
  assertEquals(long, []);
  const [first = "", second = ""] = overview([command({ synopsis: "word ".repeat(20).trim() })])
    .split("\n").slice(4);
  assertEquals([first.slice(0, 11), second.slice(0, 11)], ["  fly  word", "       word"]);
});

Deno.test("helpOn() shows no options and operands where a verb takes none", () => {
  assertEquals(helpOn(command({})), "Usage: aphlict fly\n\nTake off.\n\nUp.");
});

Deno.test("helpOn() shows each option with its value or choices, and the operands", () => {
  const options = [
    { name: "height", value: "METRES", help: "How high." },
    { name: "wing", value: "WING", choices: ["left", "right"], help: "Which one." },
  ];
  assertEquals(
    helpOn(command({ options, operands: "[PLACE]" })).split("\n"),
    [
      "Usage: aphlict fly [OPTION...] [PLACE]",
      "",
      "Take off.",
      "",
      "Up.",
      "",
      "  --height METRES",
      "      How high.",
      "",
      "  --wing left|right",
      "      Which one.",
    ],
  );
});

Deno.test("helpOn() fills lines of 78 characters and no more, whatever the words", () => {
  const words = fc.array(fc.integer({ min: 1, max: 90 }).map((length) => "x".repeat(length)), {
    minLength: 1,
  });
  fc.assert(fc.property(words, (words) => {
    const text = words.join(" ");
    const options = [{ name: "o", value: "O", help: text }];
    const lines = helpOn(command({ details: text, options })).split("\n");
    const option = lines.indexOf("  --o O");
    assertFilled(lines.slice(4, option - 1), words, "");
    assertFilled(lines.slice(option + 1), words, "      ");
  }));
});

/** Checks that `lines` hold `words` in order, and that none of them could hold one more. */
function assertFilled(lines: readonly string[], words: readonly string[], indent: string): void {
  assertEquals(lines.flatMap((line) => line.slice(indent.length).split(" ")), [...words]);
  for (const [index, line] of lines.entries()) {
    assertEquals(line.slice(0, indent.length), indent);
    if (line.trim().includes(" ")) assertEquals(line.length <= 78, true, line);
    const [next] = lines[index + 1]?.slice(indent.length).split(" ") ?? [];
    if (next !== undefined) assertEquals(`${line} ${next}`.length > 78, true, line);
  }
}
