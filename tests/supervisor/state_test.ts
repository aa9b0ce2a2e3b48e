import { readState, type State, StateFile } from "../../src/supervisor/state.ts";
import { assertEquals } from "../assert.ts";
import { Folder } from "../folder.ts";

const STATE: State = {
  pid: 7,
  config: "/etc/aphlict.json",
  ownGroup: true,
  drain: 2,
  since: 1,
  service: { pid: 7, since: 2, urls: ["ws://0.0.0.0:1/"] },
  restarts: 0,
  lastEnd: null,
  reloadBegun: 0,
  reloadDone: 0,
  lastReload: null,
  complaint: null,
};

function open(folder: Folder, complaints: unknown[] = []): { pidfile: string; file: StateFile } {
  const pidfile = folder.write("a.pid", "7");
  return { pidfile, file: new StateFile(pidfile, STATE, (error) => complaints.push(error)) };
}

Deno.test("what has changed can be read by others, for everybody and with nothing left beside it", () => {
  using folder = new Folder();
  const { pidfile, file } = open(folder);
  file.change({ restarts: 3 });
  assertEquals(readState(pidfile), { ...STATE, restarts: 3 });
  assertEquals((Deno.statSync(`${pidfile}.state`).mode ?? 0) & 0o777, 0o644);
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name).sort(), [
    "a.pid",
    "a.pid.state",
  ]);
});

Deno.test("a state that was removed is written again, one that is there does not grow old", () => {
  using folder = new Folder();
  const { pidfile, file } = open(folder);
  file.keep();
  assertEquals(readState(pidfile), STATE);
  Deno.utimeSync(`${pidfile}.state`, 0, 0);
  file.keep();
  assertEquals((Deno.statSync(`${pidfile}.state`).mtime?.getTime() ?? 0) > 0, true);
});

Deno.test("a state that cannot be written is removed, complained of once, and resumed", () => {
  using folder = new Folder();
  const complaints: unknown[] = [];
  const { pidfile, file } = open(folder, complaints);
  file.change({ restarts: 1 });
  Deno.mkdirSync(`${pidfile}.state.new/full`, { recursive: true });
  for (const restarts of [2, 3]) file.change({ restarts });
  assertEquals(readState(pidfile), null);
  assertEquals(complaints.length, 1);
  assertEquals(file.state.restarts, 3);
  Deno.removeSync(`${pidfile}.state.new`, { recursive: true });
  file.keep();
  assertEquals(readState(pidfile)?.restarts, 3);
});

Deno.test("a link in the place of the next state is replaced, and what it leads to is left alone", () => {
  using folder = new Folder();
  const { pidfile, file } = open(folder);
  const target = folder.write("target", "precious");
  Deno.symlinkSync(target, `${pidfile}.state.new`);
  file.change({ restarts: 1 });
  assertEquals(Deno.readTextFileSync(target), "precious");
  assertEquals(readState(pidfile)?.restarts, 1);
});

Deno.test("a state that is a link, a pipe or without end is none, and nothing waits for it", () => {
  using folder = new Folder();
  const { pidfile } = open(folder);
  const state = `${pidfile}.state`;
  const target = folder.write("target", JSON.stringify(STATE));
  const kinds = [
    () => Deno.symlinkSync(target, state),
    () => Deno.symlinkSync("/dev/zero", state),
    () => new Deno.Command("mkfifo", { args: [state] }).outputSync(),
    () => Deno.writeTextFileSync(state, JSON.stringify(STATE) + " ".repeat(1024 * 1024)),
  ];
  for (const make of kinds) {
    make();
    assertEquals(readState(pidfile), null);
    Deno.removeSync(state);
  }
});

Deno.test("what is no state of this version is none", () => {
  using folder = new Folder();
  const pidfile = folder.write("a.pid", "7");
  assertEquals(readState(pidfile), null);
  const { drain: _, ...older } = STATE;
  for (const value of [null, [], "x", {}, { __proto__: STATE }, older, { ...STATE, service: {} }]) {
    Deno.writeTextFileSync(`${pidfile}.state`, JSON.stringify(value));
    assertEquals(readState(pidfile), null, JSON.stringify(value));
  }
  Deno.removeSync(`${pidfile}.state`);
  Deno.mkdirSync(`${pidfile}.state`);
  assertEquals(readState(pidfile), null);
});
