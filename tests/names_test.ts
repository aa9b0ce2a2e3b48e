/** A name that is exported stands for one thing, wherever it is imported. */

import { assertEquals } from "./assert.ts";
import { ROOT } from "./acceptance/program.ts";
import { filesBelow } from "./files.ts";

const EXPORTED =
  /^export (?:declare |abstract |async )*(?:function\*?|class|const|let|interface|type) (\w+)/gm;

/** Returns each name that more than one module exports, with the modules. Overloads of a function are one. */
function exportedTwice(sources: ReadonlyMap<string, string>): Record<string, string[]> {
  const modules = new Map<string, Set<string>>();
  for (const [path, source] of sources) {
    for (const [, name = ""] of source.matchAll(EXPORTED)) {
      modules.set(name, (modules.get(name) ?? new Set()).add(path));
    }
  }
  return Object.fromEntries(
    [...modules].filter(([, paths]) => paths.size > 1).map(([name, paths]) => [name, [...paths]]),
  );
}

Deno.test("no name is exported by two modules", () => {
  const paths = [...filesBelow("src", ".ts"), ...filesBelow("packaging", ".ts")];
  const sources = new Map(paths.map((path) => [path, Deno.readTextFileSync(ROOT + path)]));
  assertEquals(exportedTwice(sources), {});
});

Deno.test("no module passes on what another one exports", () => {
  const paths = [...filesBelow("src", ".ts"), ...filesBelow("packaging", ".ts")];
  const passing = paths.filter((path) =>
    /^export (?:type )?[{*]/m.test(Deno.readTextFileSync(ROOT + path))
  );
  assertEquals(passing, []);
});

Deno.test("a name that two modules export is found, whatever it is there", () => {
  const sources = new Map([
    ["a.ts", "export function one(a: 1): void;\nexport function one(a: 2): void;\nconst two = 2;"],
    ["b.ts", "export interface one {}\nexport const two = 2;\nexport abstract class Three {}"],
    [
      "c.ts",
      'export type Three = 3;\nexport async function four() {}\nexport { one } from "./a.ts";',
    ],
  ]);
  assertEquals(exportedTwice(sources), { one: ["a.ts", "b.ts"], Three: ["b.ts", "c.ts"] });
});
