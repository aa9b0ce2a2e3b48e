import {
  holderOf,
  Pidfile,
  PidfileError,
  PidfileHolder,
  removeStale,
} from "../../src/supervisor/pidfile.ts";
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
  const pidfile = await Pidfile.take(path);
  assert(pidfile !== null);
  pidfile.remove();
  pidfile.close();
});

Deno.test("of many who take a pidfile at once, one has it", async () => {
  using folder = new Folder();
  const path = folder.write("a.pid", "1");
  const taken = await Promise.all(Array.from({ length: 20 }, () => Pidfile.take(path)));
  const [pidfile, ...others] = taken.filter((each) => each !== null);
  assertEquals(others, []);
  assertEquals(namesIn(folder), ["a.pid"]);
  pidfile?.remove();
  pidfile?.close();
});

Deno.test("a stale pidfile stays unlocked until the next one is whole in its place", async () => {
  using folder = new Folder();
  const path = folder.write("a.pid", "1");
  // Somebody changes it, and is very slow.
  const next = Deno.openSync(`${path}.new`, { read: true, write: true, create: true });
  next.lockSync(true);
  const taking = Pidfile.take(path);
  assertEquals(holderOf(path), null, "process 1 is not ours");
  next.close();
  const pidfile = await taking;
  assertEquals(holderOf(path), Deno.pid);
  pidfile?.remove();
  pidfile?.close();
});

Deno.test("what a killed one has left of a change is no obstacle", async () => {
  using folder = new Folder();
  const path = `${folder.path}/a.pid`;
  folder.write("a.pid.new", "12345678");
  const pidfile = await Pidfile.take(path);
  assertEquals(Deno.readTextFileSync(path), String(Deno.pid));
  assertEquals(namesIn(folder), ["a.pid"]);
  pidfile?.remove();
  pidfile?.close();
});

Deno.test("a stale pidfile is removed on request, one that is held is not", async () => {
  using folder = new Folder();
  const path = folder.write("a.pid", "1");
  folder.write("a.pid.state", "{}");
  await removeStale(path);
  assertEquals(namesIn(folder), []);
  const pidfile = await Pidfile.take(path);
  await removeStale(path);
  assertEquals(namesIn(folder), ["a.pid"]);
  pidfile?.remove();
  pidfile?.close();
});

for (const what of ["folder", "pipe", "link"] as const) {
  Deno.test(`a ${what} in place of a pidfile is refused, and nothing waits for it`, async () => {
    using folder = new Folder();
    const path = `${folder.path}/a.pid`;
    if (what === "folder") Deno.mkdirSync(path);
    if (what === "pipe") new Deno.Command("mkfifo", { args: [path] }).outputSync();
    if (what === "link") Deno.symlinkSync(folder.write("target", "1"), path);
    assertThrows(() => holderOf(path), PidfileError, "and no file. Name a file");
    await assertRejects(() => Pidfile.take(path), PidfileError, "and no file. Name a file");
    assertEquals(namesIn(folder).includes("a.pid.new"), false);
  });
}

Deno.test("a pidfile that is removed meanwhile is made again", async () => {
  using folder = new Folder();
  const path = `${folder.path}/a.pid`;
  const pidfile = await Pidfile.take(path);
  assertEquals(await pidfile?.keep(), "kept");
  Deno.removeSync(path);
  assertEquals(await pidfile?.keep(), "remade");
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
  await pidfile?.keep();
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
  assertEquals(await first?.keep(), "lost");
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
  Deno.chmodSync(path, 0o600);
  const holder = Deno.openSync(path);
  holder.lockSync(true);
  using found = PidfileHolder.find(path);
  const waiting = found?.released();
  // As the kernel does it when the holder is killed.
  holder.close();
  await waiting;
  assertEquals(namesIn(folder), []);
});

Deno.test("a pidfile that others could have locked is an error, not a process", async () => {
  using folder = new Folder();
  const path = folder.write("a.pid", "1");
  for (const mode of [0o604, 0o640, 0o602, 0o620]) {
    Deno.chmodSync(path, mode);
    using holder = Deno.openSync(path);
    holder.lockSync(true);
    assertThrows(() => holderOf(path), PidfileError, `(chmod 600 ${path})`);
  }
  // Nobody holds it, whoever could.
  const pidfile = await Pidfile.take(path);
  assertEquals((Deno.statSync(path).mode ?? 0) & 0o777, 0o600);
  pidfile?.remove();
  pidfile?.close();
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
