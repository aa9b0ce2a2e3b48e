import fc from "fast-check";
import { IrregularFile, readRegularFile } from "../../src/config/regular_file.ts";
import { assert, assertEquals, assertMatch, assertThrows } from "../assert.ts";
import { Folder } from "../folder.ts";

Deno.test("a file is read whole when it is not larger than the limit, and refused otherwise", () => {
  using folder = new Folder();
  const path = `${folder.path}/file`;
  const sizes = fc.nat(300_000);
  fc.assert(
    fc.property(sizes, sizes, (size, limit) => {
      const bytes = new Uint8Array(size).map((_, index) => index % 251);
      Deno.writeFileSync(path, bytes);
      if (size <= limit) assertEquals(readRegularFile(path, { limit }), bytes);
      else assertThrows(() => readRegularFile(path, { limit }), IrregularFile, `${limit} bytes`);
    }),
    { numRuns: 30 },
  );
});

Deno.test("a file that tells no size is read up to the limit", () => {
  const path = "/proc/self/status";
  assertMatch(new TextDecoder().decode(readRegularFile(path, { limit: 100_000 })), /^Name:/);
  assertThrows(() => readRegularFile(path, { limit: 10 }), IrregularFile, "larger than 10 bytes");
});

Deno.test("a pipe is not waited for, and a device not read", () => {
  using folder = new Folder();
  const pipe = `${folder.path}/pipe`;
  new Deno.Command("mkfifo", { args: [pipe] }).outputSync();
  for (const path of [pipe, "/dev/zero"]) {
    assertThrows(() => readRegularFile(path, { limit: 10 }), IrregularFile, "no file");
  }
});

Deno.test("a file that is replaced all the time is read, or refused; a pipe in its place is never waited for", async () => {
  using folder = new Folder();
  const [path, secret] = [folder.write("file", "text"), folder.write("secret", "secret")];
  const pipe = `${folder.path}/pipe`;
  new Deno.Command("mkfifo", { args: [pipe] }).outputSync();
  const turns =
    'until [ -e "$6" ]; do ln -f "$1" "$4"; mv -f "$4" "$5"; ln -f "$2" "$4"; mv -f "$4" "$5"; ' +
    'ln -sf "$3" "$4"; mv -f "$4" "$5"; done';
  const at = `${folder.path}/at`;
  const swapper = new Deno.Command("sh", {
    args: ["-c", turns, "sh", path, pipe, secret, `${at}.new`, at, `${folder.path}/end`],
  }).spawn();
  try {
    const seen = new Set<string>();
    for (let attempt = 0; attempt < 100_000; attempt++) {
      try {
        seen.add(new TextDecoder().decode(readRegularFile(at, { limit: 10, links: false })));
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) continue;
        assert(error instanceof IrregularFile, String(error));
        seen.add(error.message);
      }
      assertEquals(seen.has("secret"), false);
    }
    assert(seen.has("text") && seen.size >= 3, [...seen].join());
  } finally {
    folder.write("end", "");
    await swapper.status;
  }
});

Deno.test("a link is followed unless it may be none", () => {
  using folder = new Folder();
  const path = folder.write("file", "text");
  const link = `${folder.path}/link`;
  Deno.symlinkSync(path, link);
  assertEquals(readRegularFile(link, { limit: 10 }).length, 4);
  assertThrows(
    () => readRegularFile(link, { limit: 10, links: false }),
    IrregularFile,
    "a symbolic link",
  );
  assertThrows(() => readRegularFile(`${folder.path}/none`, { limit: 10 }), Deno.errors.NotFound);
  assertThrows(() => readRegularFile(folder.path, { limit: 10 }), Deno.errors.IsADirectory);
});
