import { documents, unitOf } from "../../packaging/deb.ts";
import { BuildError } from "../../packaging/dist.ts";
import { ROOT } from "../acceptance/program.ts";
import { assert, assertEquals, assertMatch, assertThrows } from "../assert.ts";
import { dirname, join } from "node:path";

const EXAMPLE = Deno.readTextFileSync(`${ROOT}conf/examples/aphlict.service`);

Deno.test("the package's unit is that of the examples, with the package's paths", () => {
  const unit = unitOf(EXAMPLE);
  assertMatch(unit, /^\[Unit\]\n/);
  assertMatch(unit, /^ExecStart=\/usr\/bin\/aphlict run --config \/etc\/aphlict\/aphlict\.json$/m);
  assertEquals(/\/opt\/|DENO_DIR|CacheDirectory/.test(unit), false, unit);
  const rest = (text: string) => text.split("\n").filter((line) => /^[A-Z]\w+=/.test(line)).length;
  assertEquals(rest(unit), rest(EXAMPLE) - 2);
});

Deno.test("an example that has changed where the package's unit differs makes no package", () => {
  assertThrows(() => unitOf(EXAMPLE.replace("aphlict run", "aphlict serve")), BuildError, "has no");
});

Deno.test("each document of the package leads to nothing that is not in it", () => {
  const all = new Set(documents());
  for (const path of all) {
    if (!path.endsWith(".md")) continue;
    const text = Deno.readTextFileSync(`${ROOT}${path}`);
    for (const [, link = ""] of text.matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)) {
      const to = join(dirname(path), link).replace(/\/$/, "");
      assert([...all].some((each) => each === to || each.startsWith(`${to}/`)), `${path}: ${link}`);
    }
  }
});
