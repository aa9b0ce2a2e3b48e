/**
 * What root is refused on a host, what it becomes, and what its Aphlict shows to another user.
 */

import { assert, assertEquals, assertMatch } from "../../assert.ts";
import { Folder } from "../../folder.ts";
import { BlackHole } from "../../acceptance/black_hole.ts";
import { makeSelfSigned } from "../../acceptance/certificate.ts";
import { Daemon } from "../../acceptance/daemon.ts";
import { asHostile } from "../../acceptance/hostile.ts";
import { execute, Installation } from "../../acceptance/installation.ts";
import { Newcomer } from "../../acceptance/newcomer.ts";
import { freePorts } from "../../acceptance/ports.ts";
import { Process } from "../../acceptance/process.ts";
import { APHLICT, testOfSource } from "../../acceptance/program.ts";
import { publish } from "../../acceptance/server.ts";

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
  const { uid: nobody } = Deno.statSync(`/proc/${daemon.pid("supervisor")}`);
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
    execute(
      "setpriv",
      asHostile(installation.command, verb, "--config", daemon.written.path),
      installation.env,
    );
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
  assertMatch(output, /^Aphlict is running\. There is no supervisor, or it is not to be seen\./);
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
    execute(
      "setpriv",
      asHostile(installation.command, "doctor", "--config", daemon.written.path),
      installation.env,
    );
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

testOfSource("root runs no npx, and is told what to do", async () => {
  using newcomer = new Newcomer(true);
  using hole = new BlackHole();
  await using process = newcomer.run(hole.url, "version");
  assertEquals((await process.ended()).code, 1);
  assertMatch(
    process.output,
    /^aphlict: found no deno on the PATH, and root runs no npx\. Install Deno .*, or set DENO to its path\.$/,
  );
  assertEquals([hole.asked, newcomer.wasTricked], [0, false]);
});

testOfSource("root runs no code from a cache that others can write", async () => {
  using installation = new Installation();
  const cache = installation.env["DENO_DIR"] ?? "";
  const run = async (DENO_DIR: string) => {
    await using process = new Process(installation.command, ["version"], {
      env: { ...installation.env, DENO_DIR },
    });
    return await process.outcome();
  };
  const above = cache.slice(0, cache.lastIndexOf("/"));
  assertEquals((await run(cache)).code, 0);
  const spoilings = [
    () => Deno.chmodSync(cache, 0o777),
    () => Deno.chmodSync(cache, 0o1777),
    () => Deno.chownSync(cache, 65534, 65534),
    () => Deno.chownSync(above, 65534, 65534),
    () => Deno.chmodSync(above, 0o777),
  ];
  for (const spoil of spoilings) {
    spoil();
    const { code, output } = await run(cache);
    assertEquals(code, 1);
    assertMatch(
      output,
      /^aphlict: root runs no code from \S+, as other users can write \S+\. Run this as /,
    );
    // A cache that is not there yet would be made by whoever is first.
    assertEquals((await run(`${cache}/none/cache`)).code, 1);
    for (const path of [cache, above]) {
      Deno.chownSync(path, 0, 0);
      Deno.chmodSync(path, 0o755);
    }
  }
  Deno.symlinkSync(cache, `${above}/link`);
  assertEquals((await run(`${above}/link`)).code, 0);
  Deno.chmodSync(cache, 0o777);
  assertEquals((await run(`${above}/link`)).code, 1);
});

Deno.test("a user that there is not and a setpriv that there is not are told at once", async () => {
  using installation = new Installation();
  await using daemon = new Daemon(() => ({ user: "nobody-at-all" }));
  using bin = new Folder();
  for (const name of "sh env readlink dirname id cat head stat".split(" ")) {
    Deno.symlinkSync(`/usr/bin/${name}`, `${bin.path}/${name}`);
  }
  await using process = new Process(
    installation.command,
    ["start", "--config", daemon.written.path],
    { env: { ...installation.env, PATH: bin.path } },
  );
  assertEquals((await process.ended()).code, 1);
  assertMatch(process.output, /^aphlict: setpriv \(of util-linux\) is missing, .*Install it/m);
  assertMatch(process.output, /^aphlict: there is no user nobody-at-all, .*Make it: useradd/m);
  assertEquals(daemon.members(), []);
});
