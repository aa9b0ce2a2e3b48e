/**
 * What `aphlict check` tells beside what would keep a start from working.
 */

import { suspicions } from "../../src/cli/suspicions.ts";
import { loadConfig } from "../../src/config/load.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { Folder } from "../folder.ts";
import { makeAuthority, makeCertificate, makeSelfSigned } from "../acceptance/certificate.ts";
import { aphlict } from "../acceptance/command.ts";
import { Daemon } from "../acceptance/daemon.ts";
import { writeConfig, type Written } from "../acceptance/server.ts";

/** Runs check on a configuration that it accepts, and returns its warnings, but for those about user and memory. */
async function warningsOf({ path }: Pick<Written, "path">): Promise<string[]> {
  const { code, output } = await aphlict("check", "--config", path);
  assertEquals(code, 0, output);
  return output.split("\n").filter((line) => line.startsWith("Warning: "))
    .filter((line) => !/this is root|The service may hold/.test(line));
}

/** Gives the admin server of a configuration TLS with these files. */
function secure(
  folder: Folder,
  files: Readonly<Record<string, string>>,
  cluster: unknown[] = [],
): Written {
  const written = writeConfig(folder, {});
  const config = JSON.parse(Deno.readTextFileSync(written.path));
  const servers = (config.servers as Record<string, unknown>[]).map((server) =>
    server.type === "client" ? { ...server, ...files } : server
  );
  Deno.writeTextFileSync(written.path, JSON.stringify({ ...config, servers, cluster }));
  return written;
}

Deno.test("check warns of a certificate without its intermediates, and of none that is sent with them", async () => {
  using folder = new Folder();
  const root = makeAuthority("Root", undefined, 90 * 86_400_000);
  const between = makeAuthority("Between", root, 90 * 86_400_000);
  const { key, cert } = makeCertificate(between, 90 * 86_400_000);
  const own = makeSelfSigned({ isAuthority: false, validMs: 90 * 86_400_000 });
  const files = { "ssl.key": folder.write("a.key", key), "ssl.cert": folder.write("a.crt", cert) };
  const full = { ...files, "ssl.cert": folder.write("full.crt", cert + between.cert) };
  const chained = { ...files, "ssl.chain": folder.write("chain.crt", between.cert) };
  const wrong = { ...files, "ssl.chain": folder.write("root.crt", root.cert) };
  const self = {
    "ssl.key": folder.write("s.key", own.key),
    "ssl.cert": folder.write("s.crt", own.cert),
  };
  for (const bare of [files, wrong]) {
    const [warning = "", ...others] = await warningsOf(secure(folder, bare));
    assertMatch(
      warning,
      /^Warning: Certificate \S+a\.crt was signed by "CN=Between", and that one's/,
    );
    assertEquals(others, []);
  }
  for (const whole of [full, chained, self]) {
    assertEquals(await warningsOf(secure(folder, whole)), []);
  }
  const peer = { host: "127.0.0.1", port: 1, protocol: "https", "ssl.ca": chained["ssl.chain"] };
  assertEquals(await warningsOf(secure(folder, files, [peer])), [], "an authority of the cluster");
});

Deno.test("check warns of a user that does not exist, and of none that does", () => {
  using folder = new Folder();
  const load = (user: string) => loadConfig(writeConfig(folder, { user }).path);
  const [warning = ""] = suspicions(load("nobody-of-this-name"), true);
  assertMatch(warning, /^user: There is no user nobody-of-this-name in \/etc\/passwd\./);
  for (const user of ["daemon", "1"]) assertEquals(suspicions(load(user), true), []);
});

Deno.test("check warns of keys that the file has twice, with their lines", async () => {
  using folder = new Folder();
  const written = writeConfig(folder, {});
  const text = Deno.readTextFileSync(written.path);
  Deno.writeTextFileSync(written.path, `{\n"drain": 1,\n"drain": 2,\n${text.slice(1)}`);
  assertEquals(await warningsOf(written), [
    "Warning: drain: The key is there twice, in line 2 and in line 3, and the last one counts. Remove one.",
  ]);
  const { output } = await aphlict("doctor", "--config", written.path);
  assertMatch(output, /^! files .*drain: The key is there twice, in line 2/m);
});

Deno.test("check warns of a peer that is a client server of this configuration", async () => {
  using folder = new Folder();
  const written = writeConfig(folder, {});
  const config = JSON.parse(Deno.readTextFileSync(written.path));
  const peer = (port: number) => ({ host: "127.0.0.1", port, protocol: "http" });
  const cluster = [peer(written.client), peer(written.admin)];
  Deno.writeTextFileSync(written.path, JSON.stringify({ ...config, cluster }));
  const [warning = "", ...others] = await warningsOf(written);
  assertStringIncludes(
    warning,
    `cluster[0].port: "127.0.0.1:${written.client}" has the port of servers[0], which is a client server`,
  );
  assertEquals(others, []);
});

for (
  const [what, link] of [
    ["a symbolic link", (path: string) => Deno.symlinkSync("a.log", `${path}/b.log`)],
    ["another name of the file", (path: string) => Deno.linkSync(`${path}/a.log`, `${path}/b.log`)],
  ] as const
) {
  Deno.test(`check refuses a log that is another log by ${what}`, async () => {
    using folder = new Folder();
    folder.write("a.log", "");
    link(folder.path);
    const logs = ["a.log", "b.log"].map((name) => ({ path: `${folder.path}/${name}` }));
    const { path } = writeConfig(folder, { logs });
    const { code, output } = await aphlict("check", "--config", path);
    assertEquals(code, 1);
    assertMatch(
      output,
      /logs\[1\]\.path: \S+b\.log is the same file as logs\[0\]\.path, through a link\./,
    );
  });
}

Deno.test("check refuses a log that would be made where another one rotates to, by a link to the folder", async () => {
  using folder = new Folder();
  Deno.mkdirSync(`${folder.path}/log`);
  Deno.symlinkSync("log", `${folder.path}/link`);
  const logs = [{ path: `${folder.path}/log/a.log.1` }, { path: `${folder.path}/link/a.log` }];
  const { code, output } = await aphlict("check", "--config", writeConfig(folder, { logs }).path);
  assertEquals(code, 1);
  assertMatch(
    output,
    /logs\[1\]\.path: \S+link\/a\.log rotates to \S+\.1, which is the same file as logs\[0\]/,
  );
});

Deno.test("check accepts logs that are different files behind links, and devices", async () => {
  using folder = new Folder();
  Deno.mkdirSync(`${folder.path}/log`);
  Deno.symlinkSync("log", `${folder.path}/link`);
  const logs = ["log/a.log", "link/b.log"].map((name) => ({ path: `${folder.path}/${name}` }));
  const { path } = writeConfig(folder, { logs: [...logs, { path: "/dev/null" }] });
  assert((await warningsOf({ path })).length === 0);
});

Deno.test("check warns of a log that another running Aphlict writes, and of none of its own", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  using folder = new Folder();
  const other = writeConfig(folder, { logs: [{ path: daemon.logPath }] });
  const [warning = "", ...others] = await warningsOf(other);
  assertMatch(
    warning,
    /^Warning: logs\[0\]\.path: Another Aphlict that runs writes \S+aphlict\.log/,
  );
  assertEquals(others, []);
  assertEquals(await warningsOf(daemon.written), []);
  // A reload opens the file anew.
  assertEquals((await daemon.run("reload")).code, 0);
  assertEquals((await warningsOf(other)).length, 1);
  assertEquals((await daemon.run("stop")).code, 0);
  assertEquals(await warningsOf(other), []);
});

Deno.test("check of what aphlict serve runs warns of no log of its own", async () => {
  await using daemon = new Daemon();
  await using serve = daemon.launch("serve");
  await serve.line(/has fingerprint /);
  assertEquals(await warningsOf(daemon.written), []);
});
