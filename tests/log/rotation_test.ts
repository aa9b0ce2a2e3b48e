import { shift } from "../../src/log/rotation.ts";
import { assertEquals, assertThrows } from "../assert.ts";
import { Folder } from "../folder.ts";

/** What the names hold after `use`, in a folder where only these were there, each with its own text. */
function after(there: readonly string[], use: (names: string[]) => void): (string | null)[] {
  using folder = new Folder();
  const names = ["0", "1", "2", "3"];
  for (const name of there) folder.write(name, `was ${name}`);
  use(names.map((name) => `${folder.path}/${name}`));
  return names.map((name) => {
    try {
      return Deno.readTextFileSync(`${folder.path}/${name}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      return null;
    }
  });
}

Deno.test("files are given the next name each, and the oldest goes when no name is free", () => {
  assertEquals(after(["0", "1", "2", "3"], shift), [null, "was 0", "was 1", "was 2"]);
});

Deno.test("files are shifted up to the first free name, and those after it stay", () => {
  assertEquals(after(["0", "2", "3"], shift), [null, "was 0", "was 2", "was 3"]);
  assertEquals(after(["0", "1", "3"], shift), [null, "was 0", "was 1", "was 3"]);
});

Deno.test("a file that somebody has taken away is not missed", () => {
  assertEquals(after(["1"], shift), [null, null, "was 1", null]);
});

Deno.test("shifting can be taken back", () => {
  for (const there of [["0", "1"], ["0", "2", "3"], ["0"]]) {
    const before = after(there, () => {});
    assertEquals(after(there, (names) => shift(names)()), before);
  }
});

Deno.test("a name that cannot be looked at stops the shift before anything is renamed", () => {
  using folder = new Folder();
  const file = folder.write("0", "");
  assertThrows(() => shift([file, `${file}/1`]), Error, "Not a directory");
  assertEquals([...Deno.readDirSync(folder.path)].length, 1);
});
