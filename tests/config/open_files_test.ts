import {
  connectionsIn,
  type Crowd,
  filesFor,
  type FileShare,
  OpenFiles,
  OTHER_FILES,
  otherFiles,
} from "../../src/config/open_files.ts";
import { assert, assertEquals } from "../assert.ts";
import { CLIENT, LOG_DEFAULTS, PEER } from "../entries.ts";

/** Takes files until there are none left, and returns how many there were. */
function takenBy(share: { take(): boolean }): number {
  let count = 0;
  while (share.take()) count++;
  return count;
}

Deno.test("each server has files that no other one can take, whatever its type", () => {
  for (const openFiles of [400, 1024, 20_000]) {
    for (
      const types of [
        ["admin", "client"],
        ["client", "admin"],
        ["admin", "admin", "client"],
        ["client", "admin", "admin", "admin"],
        ["admin", "client", "client"],
      ] as const
    ) {
      const files = new OpenFiles(openFiles);
      const [greedy, ...modest] = types.map((type) => ({ type, share: files.share(type) }));
      let sum = greedy === undefined ? 0 : takenBy(greedy.share);
      for (const { type, share } of modest) {
        const reserve = type === "admin" ? Math.min(256, files.limit >> 3) : files.limit >> 1;
        const count = takenBy(share);
        const parts = types.filter((each) => each === type).length;
        assert(count >= Math.floor(reserve / parts), `${count} of ${reserve} for ${type}`);
        sum += count;
      }
      assert(sum <= files.limit && sum >= files.limit - types.length, `${sum}`);
    }
  }
});

/** A crowd of a size. */
function crowdOf(size: number): Crowd & { thinned: number } {
  return {
    size,
    thinned: 0,
    thin() {
      if (this.size === this.thinned) return false;
      this.thinned++;
      return true;
    },
  };
}

Deno.test("room is made by the server with the most connections that has more than its part", () => {
  const files = new OpenFiles(OTHER_FILES + 80);
  const [admin, other, client] = [
    files.share("admin"),
    files.share("admin"),
    files.share("client"),
  ];
  const crowds = [crowdOf(30), crowdOf(2), crowdOf(100)];
  for (const [index, share] of [admin, other, client].entries()) {
    share.crowd = crowds[index] ?? null;
  }
  const taken = takenBy(admin);
  takenBy(other);
  assertEquals(other.take(), false);
  assertEquals(other.makeRoom(), true);
  assertEquals(crowds.map(({ thinned }) => thinned), [1, 0, 0], "the client server has its part");
  while (other.makeRoom());
  const excess = taken - files.reserved("admin");
  assertEquals(crowds.map(({ thinned }) => thinned), [excess, 2, 0], "nobody else is left");
  for (let count = 0; count < excess; count++) {
    assertEquals(other.makeRoom(), false, "those that were ended have not closed");
    admin.release();
  }
  takenBy(admin);
  admin.crowd = crowdOf(5);
  assertEquals(other.makeRoom(), true, "they have closed");
});

Deno.test("servers that take turns in making room for themselves take no more files than there are", () => {
  const files = new OpenFiles(OTHER_FILES + 80);
  const shares = (["admin", "admin", "client"] as const).map((type) => files.share(type));
  const open = shares.map(() => 0);
  const closing: FileShare[] = [];
  for (const [index, share] of shares.entries()) {
    share.crowd = {
      get size() {
        return open[index] ?? 0;
      },
      thin() {
        open[index] = (open[index] ?? 0) - 1;
        closing.push(share);
        return true;
      },
    };
  }
  for (let count = 0; count < 1000; count++) {
    const index = count % shares.length;
    const share = shares[index];
    assert(share !== undefined);
    if (!share.take()) {
      assert(share.makeRoom());
      share.force();
    }
    open[index] = (open[index] ?? 0) + 1;
    assert(open.reduce((sum, each) => sum + each, 0) <= files.limit, `${open}`);
    // What was ended closes later.
    if (count % 30 === 0) { for (const share of closing.splice(0)) share.release(); }
  }
});

Deno.test("a file that was forced open counts until it is released", () => {
  const files = new OpenFiles(400);
  const share = files.share("client");
  const count = takenBy(share);
  share.force();
  assertEquals(files.used, count + 1);
  share.release();
  assert(!share.take());
  share.release();
  assert(share.take());
});

Deno.test("the files that are enough for some connections are the fewest", () => {
  for (const connections of [1, 7, 8, 100, 151, 1000, 2048, 2049, 50_000]) {
    for (const others of [OTHER_FILES, 1000]) {
      const files = filesFor(connections, others);
      assert(connectionsIn(files, others) >= connections);
      assert(connectionsIn(files - 1, others) < connections);
    }
  }
});

Deno.test("ports, peers and logs take files of their own, which no connection gets", () => {
  const log = { path: "a.log", ...LOG_DEFAULTS };
  const of = (servers: number, peers: number, logs: number) =>
    otherFiles({
      servers: Array.from({ length: servers }, () => CLIENT),
      cluster: Array.from({ length: peers }, () => PEER),
      logs: Array.from({ length: logs }, () => log),
    });
  assertEquals([of(2, 0, 1), of(8, 4, 1), of(12, 12, 1)], [228, 228, 228]);
  assertEquals([of(12, 12, 2), of(13, 12, 1), of(12, 13, 1)], [230, 230, 230]);
  assertEquals(of(120, 40, 1), 500);
  assertEquals(new OpenFiles(600, of(120, 40, 1)).limit, 100);
});

Deno.test("a service that does not know how many files it may have open counts none of them", () => {
  const files = new OpenFiles(null);
  assert(files.share("admin").take());
  assert(files.share("client").take());
  assertEquals(files.used, 2);
});
