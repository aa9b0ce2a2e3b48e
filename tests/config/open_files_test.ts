import { connectionsIn, filesFor, OpenFiles } from "../../src/config/open_files.ts";
import { assert, assertEquals } from "../assert.ts";

/** Takes files until there are none left, and returns how many there were. */
function taken(share: { take(): boolean }): number {
  let count = 0;
  while (share.take()) count++;
  return count;
}

Deno.test("servers of each type have files that those of the other type cannot take", () => {
  for (const openFiles of [400, 1024, 20_000]) {
    for (const [first, second] of [["admin", "client"], ["client", "admin"]] as const) {
      const files = new OpenFiles(openFiles);
      const greedy = taken(files.share(first));
      const modest = taken(files.share(second));
      assertEquals(greedy + modest, files.limit);
      assert(modest >= (second === "admin" ? Math.min(256, files.limit >> 3) : files.limit >> 1));
    }
  }
});

Deno.test("a file that was forced open counts until it is released", () => {
  const files = new OpenFiles(400);
  const share = files.share("client");
  const count = taken(share);
  share.force();
  assertEquals(files.used, count + 1);
  share.release();
  assert(!share.take());
  share.release();
  assert(share.take());
});

Deno.test("the files that are enough for some connections are the fewest", () => {
  for (const connections of [1, 7, 8, 100, 151, 1000, 2048, 2049, 50_000]) {
    const files = filesFor(connections);
    assert(connectionsIn(files) >= connections);
    assert(connectionsIn(files - 1) < connections);
  }
});

Deno.test("a service that does not know how many files it may have open counts none of them", () => {
  const files = new OpenFiles(null);
  assert(files.share("admin").take());
  assert(files.share("client").take());
  assertEquals(files.used, 2);
});
