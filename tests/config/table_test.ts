import { Place, text, wholeNumber } from "../../src/config/schema.ts";
import { filled, key, keysOf, object, valuesOf } from "../../src/config/table.ts";
import { assertEquals } from "../assert.ts";

const ABOUT = { reload: "reload", since: "0.1.0", doc: "A wing.", example: 1 } as const;
const WINGS = wholeNumber("a number of wings", "a whole number from 1 to 4", 1, 4);

const BIRD = {
  name: key("name", text("a name", "a name in quotes", () => null), ABOUT),
  wings: {
    left: key("wings.left", WINGS, { ...ABOUT, default: 1 }),
    right: key("wings.right", WINGS, { ...ABOUT, default: null, blank: [0] }),
  },
} as const;

/** What is read of a value, and the problems with it. */
function read(value: unknown): [unknown, (readonly [string, string])[]] {
  const problems: { path: string; message: string }[] = [];
  const draft = object("a bird", BIRD).read(value, new Place("", problems));
  return [draft, problems.map(({ path, message }) => [path, message])];
}

Deno.test("an object is read into the shape of its table: null is absent, undefined is unreadable", () => {
  assertEquals(read({ name: "Jay", "wings.left": 9, "wings.right": 0 }), [
    { name: "Jay", wings: { left: undefined, right: null } },
    [["wings.left", "9 is not a number of wings. Use a whole number from 1 to 4."]],
  ]);
});

Deno.test("a key counts as absent with its kind's blank values, but for values of its own", () => {
  assertEquals(read({ name: "Jay", "wings.left": null }), [
    { name: "Jay", wings: { left: null, right: null } },
    [],
  ]);
  assertEquals(read({ name: "Jay", "wings.right": null })[1].map(([path]) => path), [
    "wings.right",
  ]);
});

Deno.test("a required key that is missing is reported, and one that is misspelt only once", () => {
  assertEquals(read({})[1], [["name", "The key is missing. Set it to a name in quotes."]]);
  assertEquals(read({ nmae: "Jay" })[1], [["nmae", 'The key is unknown. Did you mean "name"?']]);
  assertEquals(read({ name: null })[1], [["name", "null is not a name. Use a name in quotes."]]);
});

Deno.test("defaults stand in for what a draft does not have", () => {
  assertEquals(filled(BIRD, { name: "Jay", wings: { left: null, right: 2 } }), {
    name: "Jay",
    wings: { left: 1, right: 2 },
  });
  assertEquals(filled(BIRD.wings, {}), { left: 1, right: null });
});

Deno.test("each key is found with its value, and below a group without values with none", () => {
  const { name, wings: { left, right } } = BIRD;
  assertEquals(keysOf(BIRD), [name, left, right]);
  assertEquals(valuesOf(BIRD, { name: "Jay", wings: { left: 1, right: 2 } }), [
    [name, "Jay"],
    [left, 1],
    [right, 2],
  ]);
  assertEquals(valuesOf(BIRD, { name: "Jay", wings: null }).slice(1), [
    [left, undefined],
    [right, undefined],
  ]);
});
