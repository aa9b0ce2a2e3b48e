/**
 * Commands that root types, beside a user who would like to have root do something for him.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../assert.ts";
import { Folder } from "../../folder.ts";
import { asHostile, HOSTILE, hostile } from "../../acceptance/hostile.ts";
import { execute } from "../../acceptance/installation.ts";
import { must, Process } from "../../acceptance/process.ts";
import { denoArguments } from "../../../src/config/program.ts";
import { PROGRAM, ROOT } from "../../acceptance/program.ts";
import { serversOn, Site, USER } from "../../acceptance/site.ts";

/** A user id that exists in the namespace, and has no entry in the table of users. */
const WITHOUT_ENTRY = 65_533;

/** The group id of a group that root's files may be readable by. */
const SHADOW = 42;

/** Every command that goes by the pidfile. */
const VERBS = ["stop", "reload", "status", "doctor", "restart"] as const;

/** A site whose folder is root's. */
function rootsSite(
  change: (folder: string) => object = () => ({}),
  user: string | null = USER,
): Site {
  return new Site(change, { owner: "root", user });
}

/** Locks a pidfile that names a process, as long as this runs. */
const LOCK = 'exec 9<>"$1"; flock 9; printf %s "$2" >&9; echo ready; exec sleep 60 >&-';

function ownFolder(path: string, uid = HOSTILE): void {
  Deno.mkdirSync(path);
  Deno.chownSync(path, uid, uid);
}

/** Returns the shell code that a verb of root's comes to. */
async function launchCode(verb: string, config: string): Promise<string> {
  const args = denoArguments(PROGRAM, ["--no-prompt", "--allow-sys=uid,gid", "--allow-read"], [
    ...["launch", verb, "--config", config, "--unit", "none"],
  ]);
  const { code, output } = await execute(Deno.execPath(), args);
  assertEquals(code, 0, output);
  return output;
}

Deno.test("root becomes the owner of a configuration before it reads it, as he may change it then", async () => {
  await using site = rootsSite();
  const { daemon: { written: { path } } } = site;
  const folder = `${site.folder}/his`;
  ownFolder(folder);
  const his = `${folder}/aphlict.json`;
  for (const text of ["{", Deno.readTextFileSync(path).replace(USER, `${HOSTILE}`)]) {
    Deno.writeTextFileSync(his, text);
    Deno.chownSync(his, HOSTILE, HOSTILE);
    for (const verb of ["send", "status", "stop", "serve", "run"]) {
      assertStringIncludes(await launchCode(verb, his), `setpriv --reuid=${HOSTILE} `, verb);
    }
  }
});

Deno.test("root does not become who has put a pidfile's folder where everybody can", async () => {
  await using site = rootsSite((folder) => ({ pidfile: `${folder}/open/aphlict/a.pid` }), null);
  Deno.mkdirSync(`${site.folder}/open`);
  Deno.chmodSync(`${site.folder}/open`, 0o1777);
  ownFolder(`${site.folder}/open/aphlict`);
  const pidfile = `${site.folder}/open/aphlict/a.pid`;
  Deno.writeTextFileSync(pidfile, "1");
  Deno.chownSync(pidfile, HOSTILE, HOSTILE);
  for (const verb of ["status", "send", "stop", "check"]) {
    const { code, output } = await site.run(verb, ...verb === "send" ? ["--to", "A"] : []);
    assertEquals(code, 1, output);
    assertStringIncludes(output, `and user ${HOSTILE} has put its folder into`);
  }
});

Deno.test("root makes no folder below one that it gives away", async () => {
  await using site = rootsSite((folder) => ({
    logs: [{ path: `${folder}/new/a.log` }, { path: `${folder}/new/below/b.log` }],
  }));
  const code = await launchCode("start", site.daemon.written.path);
  assertStringIncludes(code, `mkdir -m 755 -- ${site.folder}/new`);
  assertEquals(code.includes(`${site.folder}/new/below`), false, code);
  const { code: started, output } = await site.run("start");
  assertEquals(started, 0, output);
});

Deno.test("of root's environment its user gets no more than the runtime does", async () => {
  await using site = rootsSite();
  using bin = new Folder();
  Deno.chmodSync(bin.write("setpriv", "#!/bin/sh\nenv\n"), 0o755);
  const { command, env } = site.installation;
  const { output } = await execute(command, ["status", "--config", site.daemon.written.path], {
    ...env,
    PATH: `${bin.path}:${Deno.env.get("PATH")}`,
    ROOTS_SECRET: "x",
  });
  assertMatch(output, /^DENO=/m);
  assertEquals(output.includes("ROOTS_SECRET"), false, output);
});

Deno.test("root runs no deno that another user has put beside the launcher", async () => {
  using folder = new Folder();
  Deno.chmodSync(folder.path, 0o1777);
  const bundle = Deno.readTextFileSync(`${ROOT}bin/aphlict`).replace(/^bundle=$/m, "bundle=yes");
  Deno.chmodSync(folder.write("aphlict.js", bundle), 0o755);
  const deno = folder.write("deno", "#!/bin/sh\necho TRICKED\n");
  Deno.chmodSync(deno, 0o755);
  Deno.chownSync(deno, HOSTILE, HOSTILE);
  const { code, output } = await execute(`${folder.path}/aphlict.js`, ["help"], { DENO: "" });
  assertEquals(code, 1);
  assertStringIncludes(output, `root runs no ${deno}, as other users can write ${deno}.`);
  assertEquals(output.includes("TRICKED"), false);
});

Deno.test("root can stop and reload what it has started as root", async () => {
  await using site = rootsSite();
  const { path } = site.daemon.written;
  const { command, env } = site.installation;
  const start = await execute(command, ["start", "--as-root", "--config", path], env);
  assertEquals(start.code, 0, start.output);
  for (const verb of ["status", "reload", "stop"]) {
    const { code, output } = await site.run(verb);
    assertEquals(code, 0, output);
  }
});

Deno.test("root is here root of namespaces that are not the host's", async () => {
  const outer = Deno.env.get("APHLICT_OUTER_NAMESPACES")?.split(" ") ?? [];
  assertEquals(outer.length, 2, "tests/commands/root_test.ts runs this file");
  for (const kind of ["user", "mnt"]) {
    const own = Deno.readLinkSync(`/proc/self/ns/${kind}`);
    assertEquals(outer.includes(own), false, `${own} is the host's`);
  }
  assertEquals([Deno.uid(), Deno.gid()], [0, 0]);
  for (const kind of ["uid", "gid"]) {
    const lines = Deno.readTextFileSync(`/proc/self/${kind}_map`).trim().split("\n");
    const counts = lines.map((line) => Number(line.trim().split(/ +/)[2]));
    assertEquals(counts.reduce((sum, count) => sum + count), 65_536, "up to the hostile user");
  }
  using folder = new Folder();
  const device = await execute("mknod", [`${folder.path}/null`, "c", "1", "3"]);
  assertStringIncludes(device.output, "Operation not permitted", "which root of the host may");
  const file = await execute("touch", ["/usr/touched"]);
  assertStringIncludes(file.output, "Read-only file system");
  const { output } = await execute("setpriv", asHostile("id", "-u"));
  assertEquals(output, `${HOSTILE}`);
});

for (const user of [USER, null]) {
  const whose = user === null ? "nobody's in particular" : "a user's";
  Deno.test(`root signals no process for who owns the pidfile's folder, of a configuration that is ${whose}`, async () => {
    await using site = rootsSite(() => ({}), user);
    const { daemon } = site;
    ownFolder(`${daemon.folder.path}/pid`);
    await using victim = new Process("sleep", ["60"]);
    await using _lock = await hostile(LOCK, daemon.pidfile, `${victim.pid}`);
    for (const verb of ["stop", "reload", "restart"]) {
      const { code, output } = await site.run(verb);
      assertEquals(code, 1, output);
      assertEquals(output.includes("    at "), false, output);
    }
    assertEquals(victim.hasEnded, false);
  });
}

Deno.test("nobody else can lock the pidfile, so that a stop waits for it or a killed one seems to run", async () => {
  await using site = rootsSite();
  const { daemon } = site;
  const lock = async () => {
    const { code, output } = await execute(
      "setpriv",
      asHostile("flock", "--exclusive", daemon.pidfile, "sleep", "60"),
    );
    assert(code !== 0);
    assertMatch(output, /Permission denied/);
  };
  assertEquals((await site.run("start")).code, 0);
  await lock();
  assertEquals((await site.run("restart")).code, 0);
  for (const { pid } of daemon.members()) Deno.kill(pid, "SIGKILL");
  await daemon.until(() => daemon.members().length === 0);
  await lock();
  assertMatch((await site.run("status")).output, /^Aphlict is not running\.$/);
  assertEquals((await site.run("start")).code, 0);
  // It has been opened to others by hand, and one of them has locked what a killed one has left.
  for (const { pid } of daemon.members()) Deno.kill(pid, "SIGKILL");
  await daemon.until(() => daemon.members().length === 0);
  Deno.chmodSync(daemon.pidfile, 0o644);
  const other = await hostile('exec 9<"$1"; flock 9; echo ready; exec sleep 60', daemon.pidfile);
  for (const verb of ["start", "stop", "status"]) {
    const { code, output } = await site.run(verb);
    assertEquals(code, 1, output);
    assertStringIncludes(output, `Take that right away (chmod 600 ${daemon.pidfile})`);
  }
  await other[Symbol.asyncDispose]();
  assertEquals((await site.run("start")).code, 0);
});

Deno.test("a pidfile and a state that are no files keep no command of root's waiting", async () => {
  for (const name of ["aphlict.pid", "aphlict.pid.state"]) {
    for (const make of ["mkfifo", "ln -s /dev/zero"]) {
      await using site = rootsSite();
      const { daemon } = site;
      ownFolder(`${daemon.folder.path}/pid`);
      await using _lock = name.endsWith("state")
        ? await hostile(LOCK, daemon.pidfile, "1")
        : await hostile("echo ready");
      must("sh", ["-c", `${make} "$1"`, "sh", `${daemon.folder.path}/pid/${name}`]);
      for (const verb of ["check", "health", ...VERBS]) {
        const { code, output } = await site.run(verb);
        assert(code === 0 || code === 1, `${make} ${name}: ${verb} exits ${code}: ${output}`);
        assertEquals(output.includes("    at "), false, output);
      }
    }
  }
});

Deno.test("a pidfile's folder that somebody else has made is refused, and what his links lead to is left alone", async () => {
  await using site = rootsSite();
  const { daemon } = site;
  const folder = `${daemon.folder.path}/pid`;
  ownFolder(folder);
  Deno.chmodSync(folder, 0o777);
  const precious = daemon.folder.write("precious", "precious");
  must("chown", [USER, precious]);
  for (const name of ["aphlict.pid.state.new", "aphlict.pid.new"]) {
    Deno.symlinkSync(precious, `${folder}/${name}`);
  }
  for (const verb of ["start", "restart", "run", "check"]) {
    const { code, output } = await site.run(verb);
    assertEquals(code, 1, `${verb}: ${output}`);
    assertMatch(
      output,
      /is not safe there: .*(user 65534|every user).* can change folder .*\/pid/,
    );
  }
  assertEquals(Deno.readTextFileSync(precious), "precious");
  assertEquals((Deno.statSync(precious).mode ?? 0) & 0o777, 0o644);
  assertEquals(daemon.members(), []);
});

Deno.test("root makes folders below its own, and none below another's", async () => {
  await using site = rootsSite((folder) => ({
    logs: [{ path: `${folder}/log/deep/aphlict.log` }, { path: `${folder}/theirs/x/other.log` }],
  }));
  const { daemon } = site;
  const { path } = daemon.folder;
  ownFolder(`${path}/theirs`);
  const { code, output } = await site.run("start");
  assertEquals(code, 1, output);
  assertMatch(output, /Cannot make folder .*\/theirs\/x: permission denied/);
  assertEquals([...Deno.readDirSync(`${path}/theirs`)], []);
  const owners = ["log", "log/deep"].map((name) => Deno.statSync(`${path}/${name}`).uid);
  assertEquals(owners, [0, Number(idOf(USER))]);
});

Deno.test("a folder that appears as a link meanwhile is not given away", async () => {
  await using site = rootsSite();
  const { daemon: { folder } } = site;
  // The shell code that root evaluates, and what an attacker does before that.
  const { code, output } = await execute(Deno.execPath(), [
    ...["run", "--allow-sys=uid,gid", "--allow-read", `${ROOT}main.ts`, "launch", "start"],
    ...["--config", site.daemon.written.path],
  ]);
  assertEquals(code, 0, output);
  const target = `${folder.path}/target`;
  Deno.mkdirSync(target);
  Deno.symlinkSync(target, `${folder.path}/pid`);
  const steps = output.split("\n").filter((line) => /mkdir|chown/.test(line)).join("\n");
  assertStringIncludes(steps, "chown -h");
  await execute("sh", ["-c", `group=1; ${steps}`]);
  assertEquals(Deno.statSync(target).uid, 0);
});

Deno.test("root removes nothing through a link that others have made", async () => {
  await using site = rootsSite((folder) => ({ pidfile: `${folder}/shared/aphlict/a.pid` }), null);
  const { path } = site.daemon.folder;
  Deno.mkdirSync(`${path}/shared`);
  Deno.chmodSync(`${path}/shared`, 0o1777);
  Deno.mkdirSync(`${path}/precious`);
  Deno.writeTextFileSync(`${path}/precious/a.pid`, "1");
  await using _link = await hostile(
    'ln -s "$1" "$2" && echo ready',
    `${path}/precious`,
    `${path}/shared/aphlict`,
  );
  for (const verb of ["stop", "reload", "restart", "start"]) {
    const { code, output } = await site.run(verb, ...verb.endsWith("start") ? ["--as-root"] : []);
    assertEquals(code, 1, `${verb}: ${output}`);
    assertMatch(output, /is not safe there: user 65534 can change folder .*\/shared/);
  }
  assertEquals([...Deno.readDirSync(`${path}/precious`)].map(({ name }) => name), ["a.pid"]);
});

Deno.test("a user without an entry gets no group from the files that the configuration names", async () => {
  // As /etc/shadow is: root's, and readable by a group of its own.
  await using site = rootsSite((folder) => ({ pidfile: `${folder}/shadow` }), null);
  const { folder, written } = site.daemon;
  Deno.chownSync(folder.write("shadow", ""), 0, SHADOW);
  Deno.chmodSync(`${folder.path}/shadow`, 0o640);
  Deno.chownSync(written.path, WITHOUT_ENTRY, WITHOUT_ENTRY);
  const { code, output } = await execute(Deno.execPath(), [
    ...["run", "--allow-sys=uid,gid", "--allow-read", `${ROOT}main.ts`, "launch", "check"],
    ...["--config", written.path],
  ]);
  assertEquals(code, 0, output);
  assertStringIncludes(output, "--regid=65534 --clear-groups");
});

Deno.test("root writes no log where others can lead it to another file", async () => {
  await using site = rootsSite(
    (folder) => ({ logs: [{ path: `${folder}/theirs/aphlict.log` }] }),
    null,
  );
  const { daemon: { folder } } = site;
  ownFolder(`${folder.path}/theirs`);
  const precious = folder.write("precious", "precious");
  Deno.symlinkSync(precious, `${folder.path}/theirs/aphlict.log`);
  for (
    const [verb, ...args] of [["serve"], ["debug"], ["run", "--as-root"], ["start", "--as-root"]]
  ) {
    const { code, output } = await site.run(verb ?? "", ...args);
    assertEquals(code, 1, output);
    assertMatch(output, /Root writes no log .*: user 65534 can change folder .*\/theirs/);
  }
  assertEquals(Deno.readTextFileSync(precious), "precious");
});

Deno.test("root goes by no configuration that others can change, unless it names its owner", async () => {
  await using site = rootsSite();
  const { daemon: { written: { path } } } = site;
  Deno.chownSync(path, HOSTILE, HOSTILE);
  const other = await site.run("start");
  assertEquals(other.code, 1);
  assertStringIncludes(other.output, `belongs to user ${HOSTILE}, and names ${USER}`);
  Deno.chownSync(path, 0, HOSTILE);
  Deno.chmodSync(path, 0o664);
  for (const verb of ["start", "stop", "check"]) {
    const { code, output } = await site.run(verb);
    assertEquals(code, 1);
    assertStringIncludes(output, `can be changed by group ${HOSTILE}`);
  }
  must("chown", [`${USER}:root`, path]);
  Deno.chmodSync(path, 0o644);
  const folder = site.daemon.folder.path;
  for (const name of ["pid", "log"]) ownFolder(`${folder}/${name}`, Number(idOf(USER)));
  assertEquals((await site.run("start")).code, 0);
  assertEquals((await site.run("stop")).code, 0);
});

Deno.test("root judges as the user that the service will be", async () => {
  await using site = new Site(
    (folder, ports) =>
      serversOn(ports, { "ssl.key": `${folder}/key`, "ssl.cert": `${folder}/cert` }),
    { owner: "root" },
  );
  const { path } = site.daemon.folder;
  must("openssl", [
    ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost"],
    ...[
      "-addext",
      "subjectAltName=DNS:localhost",
      "-keyout",
      `${path}/key`,
      "-out",
      `${path}/cert`,
    ],
  ]);
  Deno.chmodSync(`${path}/key`, 0o600);
  for (const verb of ["check", "doctor", "start", "restart"]) {
    const { code, output } = await site.run(verb);
    assertEquals(code, 1, `${verb}: ${output}`);
    assertMatch(output, /Cannot read .*\/key: the user that runs Aphlict may not read it/);
  }
  must("chown", [USER, `${path}/key`]);
  const { code, output } = await site.run("check");
  assertEquals(code, 0, output);
  assertEquals(output.includes("This is root") || output.includes("this is root"), false, output);
});

for (const user of ["root", "0"]) {
  Deno.test(`a configuration whose user is ${user} is refused, and nothing starts itself for ever`, async () => {
    await using site = rootsSite(() => ({}), user);
    for (const verb of ["start", "run", "restart", "check"]) {
      const { code, output } = await site.run(verb);
      assertEquals(code, 1, output);
      assertMatch(
        output,
        /user: "\w+" is not an ordinary user\. Name a user of Aphlict's own/,
      );
    }
  });
}

Deno.test("what keeps root from becoming the user is an object where one is asked for", async () => {
  await using site = rootsSite(() => ({}), "nobody-of-this-name");
  const missing = await site.run("check", "--json");
  assertMatch(
    JSON.parse(missing.stdout).problems[0].message,
    /^there is no user nobody-of-this-name/,
  );
  Deno.chmodSync(site.daemon.written.path, 0o666);
  const open = await site.run("status", "--json");
  assertMatch(JSON.parse(open.stdout).problems[0].message, /can be changed by every user/);
  assertEquals([missing.code, open.code], [1, 1]);
});

Deno.test("root is told to name the user whose folders they are", async () => {
  await using site = rootsSite((folder) => {
    ownFolder(`${folder}/pid`, Number(idOf(USER)));
    return {};
  }, null);
  const { code, output } = await site.run("check");
  assertEquals(code, 1);
  assertStringIncludes(output, 'If that user runs Aphlict, name it as "user"');
  for (const [verb, expected] of [["status", 1], ["stop", 0]] as const) {
    const { code, output } = await site.run(verb);
    assertEquals([code, output], [expected, "Aphlict is not running."]);
  }
});

function idOf(user: string): string {
  return new TextDecoder().decode(
    new Deno.Command("id", { args: ["-u", user] }).outputSync().stdout,
  )
    .trim();
}
