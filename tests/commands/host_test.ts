/**
 * The daemon on a host that is new to it: an empty cache, and few open files. What root does there is in `as_root/host.ts`.
 */

import { DatabaseSync } from "node:sqlite";
import { assert, assertEquals, assertStringIncludes } from "../assert.ts";
import { Folder } from "../folder.ts";
import { Daemon } from "../acceptance/daemon.ts";
import { APHLICT, testOfSource } from "../acceptance/program.ts";
import { must, Process } from "../acceptance/process.ts";
import { asHostile, HOSTILE } from "../acceptance/hostile.ts";
import { execute, Installation } from "../acceptance/installation.ts";
import { freePorts } from "../acceptance/ports.ts";
import { publish, writeConfig } from "../acceptance/server.ts";

testOfSource(
  "on a host without the dependencies the first start fetches them and says so, the next does not",
  async () => {
    await using daemon = new Daemon();
    using cache = new Folder();
    const env = { DENO_DIR: cache.path };
    const args = ["start", "--config", daemon.written.path, "--as-root"];
    const first = await execute(APHLICT, args, env);
    assertEquals(first.code, 0, first.output);
    assertStringIncludes(
      first.output,
      "aphlict: fetching the dependencies from npm, once (deno install --frozen).",
    );
    await publish(daemon.written.admin, { subscribers: [] });
    assertEquals((await execute(APHLICT, ["stop", "--config", daemon.written.path], env)).code, 0);
    const second = await execute(APHLICT, args, env);
    assertEquals(second.code, 0, second.output);
    assertEquals(second.output.includes("fetching"), false);
  },
);

testOfSource(
  "once started, it writes nothing into the runtime's databases, which a stopped process would keep locked",
  async () => {
    using installation = new Installation();
    await using daemon = new Daemon();
    const { command, env } = installation;
    const startAndStop = async () => {
      for (const [verb = "", ...args] of [["start", "--as-root"], ["stop"]]) {
        const { code, output } = await execute(
          command,
          [verb, "--config", daemon.written.path, ...args],
          env,
        );
        assertEquals(code, 0, output);
      }
    };
    await startAndStop();
    const databases = [...Deno.readDirSync(env.DENO_DIR ?? "")]
      .filter(({ name }) => name.endsWith("_v2"))
      .map(({ name }) => ({ name, database: new DatabaseSync(`${env.DENO_DIR}/${name}`) }));
    assert(databases.length > 0);
    // Changes with each write of another process.
    const versions = () =>
      databases.map(({ name, database }) => [
        name,
        database.prepare("PRAGMA data_version").get()?.data_version,
      ]);
    const before = versions();
    await startAndStop();
    assertEquals(versions(), before);
    for (const { database } of databases) database.close();
  },
);

Deno.test("who is not root stays who he is, whatever user the configuration names", async () => {
  using installation = new Installation();
  await using daemon = new Daemon(() => ({ user: "daemon" }));
  const isRoot = Deno.uid() === 0;
  if (isRoot) must("chown", ["-R", `${HOSTILE}`, daemon.folder.path]);
  const start = [installation.command, "start", "--config", daemon.written.path];
  const [command = "", ...args] = isRoot ? ["setpriv", ...asHostile(...start)] : start;
  const { code, output } = await execute(command, args, installation.env);
  assertEquals(code, 0, output);
  const { uid } = Deno.statSync(`/proc/${daemon.pid("service")}`);
  assertEquals(uid, isRoot ? HOSTILE : Deno.uid());
});

for (
  const [connections, line] of [
    [
      500,
      /WARNING This host allows 400 open files, enough for 151 connections, fewer than the 500 /,
    ],
    [151, /INFO This host allows 400 open files, enough for 151 connections\./],
  ] as const
) {
  Deno.test(`a host with 400 open files is told to hold ${connections} connections, or not to`, async () => {
    using folder = new Folder();
    const [client = 0, admin = 0] = freePorts(2);
    const { path } = writeConfig(folder, {
      servers: [
        { type: "client", port: client, listen: "127.0.0.1", "limit.connections": connections },
        { type: "admin", port: admin },
      ],
    });
    await using process = new Process(
      "sh",
      ["-c", 'ulimit -n 400; exec "$@"', "sh", APHLICT, "serve", "--config", path],
      { env: { DENO: Deno.execPath() } },
    );
    await process.line(line);
    const metrics = await (await fetch(`http://127.0.0.1:${admin}/metrics/`)).text();
    assertStringIncludes(metrics, "\nprocess_max_fds 400\n");
  });
}
