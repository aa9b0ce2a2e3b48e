/**
 * The daemon on a host that is new to it: an empty cache, and root.
 */

import { DatabaseSync } from "node:sqlite";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { Folder } from "../folder.ts";
import { makeSelfSigned } from "./certificate.ts";
import { Daemon } from "./daemon.ts";
import { APHLICT, testOfSource } from "./program.ts";
import { Process } from "./process.ts";
import { execute, Installation } from "./installation.ts";
import { freePorts } from "./ports.ts";
import { publish, writeConfig } from "./server.ts";

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

if (Deno.uid() === 0) {
  for (const verb of ["start", "restart", "run"]) {
    Deno.test(`root is refused by ${verb}, with what to do instead`, async () => {
      await using daemon = new Daemon();
      const { code, output } = await execute(APHLICT, [verb, "--config", daemon.written.path]);
      assertEquals(code, 1);
      assertMatch(output, /^This is root, and .* add --as-root\.$/);
      assertEquals(daemon.members(), []);
    });
  }

  Deno.test("root becomes the user that the configuration names, who owns the folders made for it", async () => {
    using installation = new Installation();
    await using daemon = new Daemon(() => ({ user: "nobody" }));
    Deno.chmodSync(daemon.folder.path, 0o755);
    const { command, env } = installation;
    const run = (verb: string) => execute(command, [verb, "--config", daemon.written.path], env);
    const { code, output } = await run("start");
    assertEquals(code, 0, output);
    await publish(daemon.written.admin, { subscribers: [] });
    const { uid: nobody } = Deno.statSync(`/proc/${daemon.pid("overseer")}`);
    assert(nobody !== 0);
    const paths = [
      `/proc/${daemon.pid("service")}`,
      daemon.pidfile,
      daemon.logPath,
      `${daemon.folder.path}/log`,
    ];
    for (const path of paths) assertEquals(Deno.statSync(path).uid, nobody, path);
    const { output: status } = await run("status");
    assertMatch(status, /^Aphlict \(\d+\) is running\./);
    assertEquals((await run("restart")).code, 0);
    assertEquals(Deno.statSync(`/proc/${daemon.pid("service")}`).uid, nobody);
    assertEquals((await run("stop")).code, 0);
    assertEquals(daemon.members(), []);
  });

  Deno.test("another user is told that he may not stop or reload it, and can look at it", async () => {
    using installation = new Installation();
    await using daemon = new Daemon();
    await daemon.start();
    Deno.chmodSync(daemon.folder.path, 0o755);
    const before = daemon.members();
    const run = (verb: string) =>
      execute("setpriv", [
        ...["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--", installation.command],
        ...[verb, "--config", daemon.written.path],
      ], installation.env);
    for (const verb of ["stop", "reload"]) {
      const { code, output } = await run(verb);
      assertEquals(code, 1);
      assertMatch(
        output,
        /Pidfile .* belongs to user 0: its process was not touched\. Run the command as that user, or as root\./,
      );
      assertEquals(output.includes("    at "), false, output);
    }
    assertEquals((await run("status")).code, 0);
    assertEquals(daemon.members(), before);
    // The admin server tells who may not look at the pidfile.
    Deno.chmodSync(`${daemon.folder.path}/pid`, 0o700);
    const { code, output } = await run("status");
    assertEquals(code, 0, output);
    assertMatch(output, /^Aphlict is running\. There is no overseer, or it is not to be seen\./);
  });

  Deno.test("another user's doctor says whose files it cannot look at, and calls nothing broken", async () => {
    using installation = new Installation();
    await using daemon = new Daemon((folder) => {
      Deno.writeTextFileSync(`${folder}/token`, "a-token-that-nobody-guesses", { mode: 0o600 });
      const [client = 0, admin = 0, other = 0] = freePorts(3);
      const token = { "token.file": `${folder}/token` };
      const { key, cert } = makeSelfSigned({ isAuthority: true });
      Deno.writeTextFileSync(`${folder}/key`, key, { mode: 0o600 });
      Deno.writeTextFileSync(`${folder}/cert`, cert);
      const tls = { "ssl.key": `${folder}/key`, "ssl.cert": `${folder}/cert` };
      return {
        servers: [
          { type: "client", port: client, listen: "127.0.0.1", ...tls },
          { type: "admin", port: admin, ...token },
          { type: "admin", port: other },
        ],
        cluster: [{ host: "127.0.0.1", port: admin, protocol: "http", ...token }],
      };
    });
    await daemon.start();
    Deno.chmodSync(daemon.folder.path, 0o755);
    const look = () =>
      execute("setpriv", [
        ...["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--", installation.command],
        ...["doctor", "--config", daemon.written.path],
      ], installation.env);
    const { code, output } = await look();
    assertEquals(code, 0, output);
    assertMatch(output, /^! files .*runs as another user.*\n +→ Run this as the user that runs/m);
    assertMatch(output, /^- peer .* cannot be asked by this user\.$/m);
    assertMatch(output, /^✓ message /m);
    // What anybody can see to be wrong is not a matter of the user.
    Deno.writeTextFileSync(`${daemon.folder.path}/cert`, "none");
    const broken = await look();
    assertEquals(broken.code, 1);
    assertMatch(broken.output, /^✗ files .*ssl\.cert/m);
  });

  Deno.test("a user that there is not is named, with how to make it", async () => {
    await using daemon = new Daemon(() => ({ user: "nobody-at-all" }));
    for (const verb of ["start", "check"]) {
      const { code, output } = await execute(APHLICT, [verb, "--config", daemon.written.path]);
      assertEquals(code, 1);
      assertMatch(output, /there is no user nobody-at-all, which "user" names\. Make it: useradd/);
    }
  });
} else {
  Deno.test("who is not root stays who he is, whatever user the configuration names", async () => {
    await using daemon = new Daemon(() => ({ user: "daemon" }));
    await daemon.start();
    assertEquals(Deno.statSync(`/proc/${daemon.pid("service")}`).uid, Deno.uid());
  });
}

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
