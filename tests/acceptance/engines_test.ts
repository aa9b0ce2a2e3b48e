import { assertEquals } from "../assert.ts";
import { NOT_ON_SERVE, withEngines } from "./engines.ts";
import { ROOT } from "./program.ts";

Deno.test("each test that does not hold on the engine serve has a reason, and each reason a test", () => {
  const declared: string[] = [];
  const paths = ["tests/acceptance", "tests/commands"].flatMap((folder) =>
    [...Deno.readDirSync(ROOT + folder)].map(({ name }) => `${ROOT}${folder}/${name}`)
  );
  for (const path of paths) {
    if (!path.endsWith("_test.ts")) continue;
    const text = Deno.readTextFileSync(path);
    for (const [, test = ""] of text.matchAll(/\btestNotOnServe\(\s*"([^"]*)"/g)) {
      declared.push(test);
    }
    for (const [, attack = ""] of text.matchAll(/\bsurvives\(\s*"([^"]*)"/g)) {
      const test = `the service survives ${attack}`;
      if (Object.hasOwn(NOT_ON_SERVE, test)) declared.push(test);
    }
  }
  assertEquals(declared.toSorted(), Object.keys(NOT_ON_SERVE).toSorted());
  assertEquals(Object.values(NOT_ON_SERVE).filter((reason) => reason.length < 20), []);
});

Deno.test("an engine that a test names stays, whatever APHLICT_ENGINE says", () => {
  for (const engine of ["socket", "serve"]) {
    const config = { servers: [{ type: "client", port: 1, engine }], drain: 0 };
    assertEquals(withEngines(config), config);
  }
  assertEquals(withEngines({ logs: [] }), { logs: [] });
});
