import fc from "fast-check";
import { instanceOf } from "../../src/client/client.ts";
import { assertEquals } from "../assert.ts";

for (
  const [path, instance] of [
    ["", "default"],
    ["/", "default"],
    ["/ws/", "default"],
    ["~", "default"],
    ["/~/", "default"],
    ["/~//~acme/", "default"],
    ["/~acme/", "acme"],
    ["/~acme", "acme"],
    ["/ws/~acme/", "acme"],
    ["/~a~b/", "a"],
    ["/~a/b/", "ab"],
    ["/~a%20b/", "a%20b"],
    ["/%7Eacme/", "default"],
    ["/~__proto__/", "__proto__"],
    ["/~../", ".."],
  ] as const
) {
  Deno.test(`the path ${JSON.stringify(path)} leads to the instance ${instance}`, () => {
    assertEquals(instanceOf(path), instance);
  });
}

Deno.test("an instance's name has at most 256 characters, slashes not counted", () => {
  assertEquals(instanceOf(`/~${"x/".repeat(256)}/`), "x".repeat(256));
  assertEquals(instanceOf(`/~${"x/".repeat(257)}/`), null);
  assertEquals(instanceOf(`/${"x".repeat(10_000)}~a~${"x".repeat(10_000)}`), "a");
});

Deno.test("for any path, the instance is what the original makes of it", () => {
  const path = fc.array(fc.constantFrom("~", "/", "a", "b", ".", "%7E")).map((all) => all.join(""));
  fc.assert(fc.property(path, (path) => {
    const start = path.indexOf("~");
    const end = path.indexOf("~", start + 1);
    const between = start === -1 ? "" : path.slice(start + 1, end === -1 ? undefined : end);
    assertEquals(instanceOf(path), [...between].filter((c) => c !== "/").join("") || "default");
  }));
});
