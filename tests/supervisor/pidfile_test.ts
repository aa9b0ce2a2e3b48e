import { holderOf, Pidfile, PidfileError, released } from "../../src/supervisor/pidfile.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "../assert.ts";
import { Folder } from "../folder.ts";

function namesIn(folder: Folder): string[] {
  return [...Deno.readDirSync(folder.path)].map(({ name }) => name).sort();
}

Deno.test("a pidfile holds the process id, and nobody else can take it", async () => {
  using folder = new Folder();
  const path = `${folder.path}/a.pid`;
  const pidfile = await Pidfile.take(path);
  assertEquals(Deno.readTextFileSync(path), String(Deno.pid));
  assertEquals(await Pidfile.take(path), null);
  assertEquals(holderOf(path), Deno.pid);
  pidfile?.remove();
  pidfile?.close();
  assertEquals(namesIn(folder), []);
  assertEquals(holderOf(path), null);
});

Deno.test("a pidfile that nobody locks is stale, and is replaced with what stands beside it", async () => {
  using folder = new Folder();
  const path = folder.write("a.pid", "1");
  folder.write("a.pid.state", "of a killed one");
  assertEquals(holderOf(path), null);
  const pidfile = await Pidfile.take(path);
  assertEquals(Deno.readTextFileSync(path), String(Deno.pid));
  assertEquals(namesIn(folder), ["a.pid"]);
  pidfile?.remove();
  pidfile?.close();
});

Deno.test("somebody who only looks does not keep a pidfile from being taken", async () => {
  using folder = new Folder();
  const path = folder.write("a.pid", "1");
  using looker = Deno.openSync(path);
  assert(looker.tryLockSync(false));
  const taken = Pidfile.take(path);
  looker.unlockSync();
  const pidfile = await taken;
  assert(pidfile !== null);
  pidfile.remove();
  pidfile.close();
});

Deno.test("a pidfile that is removed meanwhile is made again", async () => {
  using folder = new Folder();
  const path = `${folder.path}/a.pid`;
  const pidfile = await Pidfile.take(path);
  assertEquals(pidfile?.keep(), false);
  Deno.removeSync(path);
  assertEquals(pidfile?.keep(), true);
  assertEquals(holderOf(path), Deno.pid);
  assertEquals(Deno.readTextFileSync(path), String(Deno.pid));
  pidfile?.remove();
  pidfile?.close();
  assertEquals(namesIn(folder), []);
});

Deno.test("a pidfile that is looked after does not grow old", async () => {
  using folder = new Folder();
  const path = `${folder.path}/a.pid`;
  const pidfile = await Pidfile.take(path);
  Deno.utimeSync(path, 0, 0);
  pidfile?.keep();
  assert((Deno.statSync(path).mtime?.getTime() ?? 0) > Date.now() - 60_000);
  pidfile?.remove();
  pidfile?.close();
});

Deno.test("a pidfile that another one has put in its place is left to that one", async () => {
  using folder = new Folder();
  const path = `${folder.path}/a.pid`;
  const first = await Pidfile.take(path);
  Deno.removeSync(path);
  const second = await Pidfile.take(path);
  assertThrows(() => first?.keep(), PidfileError, "is held by another overseer");
  first?.remove();
  first?.close();
  assertEquals(holderOf(path), Deno.pid);
  second?.remove();
  second?.close();
});

Deno.test("who waits for the release of a pidfile removes what a killed holder has left", async () => {
  using folder = new Folder();
  const path = folder.write("a.pid", "1");
  folder.write("a.pid.state", "{}");
  const holder = Deno.openSync(path);
  holder.lockSync(true);
  const waiting = released(path);
  // As the kernel does it when the holder is killed.
  holder.close();
  await waiting;
  assertEquals(namesIn(folder), []);
});

Deno.test("a pidfile that is locked but names no process is an error, not a process", async () => {
  using folder = new Folder();
  for (const text of ["", "none", "-1", "0", "1e3", "12345678901"]) {
    const path = folder.write("a.pid", text);
    using holder = Deno.openSync(path);
    holder.lockSync(true);
    assertThrows(() => holderOf(path), PidfileError, "is locked, but holds no process id");
  }
  await assertRejects(() => Pidfile.take(`${folder.path}/missing/a.pid`), PidfileError);
});
