import { controlOf, documents, packaged } from "../../packaging/deb.ts";
import { BuildError, origin } from "../../packaging/dist.ts";
import { ROOT } from "../acceptance/program.ts";
import { assert, assertEquals, assertMatch, assertThrows } from "../assert.ts";
import { dirname, join } from "node:path";

const UNIT = "conf/examples/aphlict.service";
const EXAMPLE = Deno.readTextFileSync(`${ROOT}${UNIT}`);

Deno.test("the package's unit is that of the examples, with the package's paths", () => {
  const unit = packaged(UNIT, EXAMPLE);
  assertMatch(unit, /^\[Unit\]\n/);
  assertMatch(unit, /^ExecStart=\/usr\/bin\/aphlict run --config \/etc\/aphlict\/aphlict\.json$/m);
  const rest = (text: string) => text.split("\n").filter((line) => /^[A-Z]\w+=/.test(line)).length;
  assertEquals(rest(unit), rest(EXAMPLE) - 1);
});

Deno.test("an example that has changed where the package's is another makes no package", () => {
  const changed = EXAMPLE.replace("aphlict run", "aphlict serve");
  assertThrows(() => packaged(UNIT, changed), BuildError, "has no");
});

Deno.test("no example in the package runs anything from a clone or its cache", () => {
  const paths = documents().filter((path) =>
    path.startsWith("conf/examples/") && !path.startsWith("conf/examples/docker/")
  );
  for (const path of paths) {
    const text = packaged(path, Deno.readTextFileSync(`${ROOT}${path}`));
    assertEquals(text.match(/\/opt\/aphlict|DENO_DIR|var\/cache/g), null, path);
  }
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

Deno.test("a package names where it comes from, where the clone knows a place that others can open", () => {
  assertEquals(
    origin("https://code.example.org/aphlict.git"),
    "https://code.example.org/aphlict.git",
  );
  const others = ["https://me:secret@code.example.org/x", "git@code.example.org:x", "/srv/x", ""];
  assertEquals(others.map(origin), others.map(() => undefined));
});

Deno.test("a package has a home page, and where its source is when that is known", () => {
  const fields = (source: string | undefined) =>
    controlOf(1, source).split("\n").filter((line) => /^(Homepage|Vcs-)/.test(line));
  const source = "https://code.example.org/aphlict.git";
  assertEquals(fields(source), [
    `Homepage: ${source}`,
    `Vcs-Browser: ${source}`,
    `Vcs-Git: ${source}`,
  ]);
  assertEquals(fields(undefined), ["Homepage: https://we.phorge.it/"]);
});
