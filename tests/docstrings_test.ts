/** Docstrings begin with a verb or with the noun that they document (CONTRIBUTING.md, rules of prose). */

import { assertEquals } from "./assert.ts";
import { ROOT } from "./acceptance/program.ts";
import { filesBelow } from "./files.ts";

/** The begin of a docstring, up to its first word. */
const FIRST_WORD = /\/\*\*\s*(?:\*\s*)?([A-Za-z]+)/g;

const FORBIDDEN = new Set([
  "What",
  "Who",
  "Whose",
  "Whom",
  "How",
  "When",
  "Where",
  "Why",
  "Whether",
]);

/** Returns the lines of a source that begin a docstring with a question word, or send the reader elsewhere. */
function faults(source: string): string[] {
  const questions = [...source.matchAll(FIRST_WORD)]
    .filter(([, word = ""]) => FORBIDDEN.has(word))
    .map(({ index }) => lineAt(source, index));
  const elsewhere = [...source.matchAll(/\bSee the module\b/g)]
    .map(({ index }) => lineAt(source, index));
  return [...questions, ...elsewhere];
}

function lineAt(source: string, index: number): string {
  const number = source.slice(0, index).split("\n").length;
  return `${number}: ${source.split("\n")[number - 1]?.trim()}`;
}

Deno.test("no docstring begins with a question word, or sends the reader to the module's", () => {
  const all = ["main.ts", ...filesBelow("src", ".ts"), ...filesBelow("packaging", ".ts")];
  const found = all.flatMap((path) =>
    faults(Deno.readTextFileSync(ROOT + path)).map((line) => `${path}:${line}`)
  );
  assertEquals(found, []);
});

Deno.test("the check finds such docstrings, and passes over other comments", () => {
  assertEquals(faults("/** Whether it is up. */\n/**\n * What it holds.\n *\n * @module\n */\n"), [
    "1: /** Whether it is up. */",
    "2: /**",
  ]);
  assertEquals(faults("/** See the module. */"), ["1: /** See the module. */"]);
  assertEquals(faults("/** Returns what it holds.\n * What is more: nothing. */\n// What"), []);
});
