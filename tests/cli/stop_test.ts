import { stopRunning } from "../../src/cli/stop.ts";
import { PidfileHolder } from "../../src/supervisor/pidfile.ts";
import { assert, assertEquals } from "../assert.ts";
import { Process } from "../acceptance/process.ts";
import { Folder } from "../folder.ts";

/** Holds a pidfile, as a supervisor does, with the number of another process. */
const HOLDER = `
  const [path, pid] = Deno.args;
  const file = Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
  file.lockSync(true);
  file.writeSync(new TextEncoder().encode(pid));
  console.log("held");
  setInterval(() => {}, 1000);
`;

/** Tells which signals it gets: that of a stop, and one that asks for it. */
const BYSTANDER =
  "trap 'echo stopped' TERM; trap 'echo asked' URG; echo ready; while :; do sleep 0.05; done";

Deno.test("stop signals nobody when the supervisor has ended meanwhile: its number may be another process's", async () => {
  using folder = new Folder();
  const path = `${folder.path}/aphlict.pid`;
  const script = folder.write("holder.ts", HOLDER);
  await using bystander = new Process("sh", ["-c", BYSTANDER]);
  await bystander.line(/^ready$/);
  const args = ["run", "--allow-all", script, path, `${bystander.pid}`];
  await using supervisor = new Process(Deno.execPath(), args);
  await supervisor.line(/^held$/);
  using holder = PidfileHolder.find(path);
  assert(holder !== null);
  assertEquals(holder.pid, bystander.pid);
  supervisor.kill("SIGKILL");
  await supervisor.ended();
  assertEquals(await stopRunning(path, holder), 0);
  // It would answer the earlier one first.
  bystander.kill("SIGURG");
  await bystander.line(/^asked$/);
  assertEquals(bystander.output, "ready\nasked");
});
