/**
 * The image, built from the Dockerfile and run with the flags of the guide. These tests need root,
 * mmdebstrap, podman, buildah and runc.
 */

import { SYSTEM_CONFIG } from "../../src/config/program.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { DENIED, FORBIDDEN, type Values } from "../acceptance/forbidden.ts";
import { hasRuntimesOwn } from "../acceptance/terminal.ts";
import { ROOT } from "../acceptance/program.ts";
import { VERSION } from "../../src/version.ts";
import { argumentOf } from "../packaging/image.ts";
import { Container, derivedFlags, Engine, IMAGE, imageArguments, LIBRARY } from "./container.ts";
import { example } from "./site.ts";

/** What is true of the example configuration. */
const VALUES: Values = {
  config: SYSTEM_CONFIG,
  pidfile: "/tmp/aphlict.pid",
  log: "/tmp/aphlict.log",
  folder: "/etc/aphlict",
  ...{ client: 22280, admin: 22281, peer: 22281, other: 22282 },
};

/** The output of a reload that needed no restart. */
const RELOADED = "Reloaded.\nConfiguration, certificates, tokens and logs were read again.\n";

let engine: Engine;

Deno.test.beforeAll(async () => {
  engine = await Engine.make();
  await engine.build();
});

Deno.test.afterAll(async () => {
  await engine[Symbol.asyncDispose]();
});

Deno.test("the image says which version and commit it is, and where its source is", async () => {
  const { stdout } = await engine.call(
    ...["podman", "image", "inspect", "--format", "{{json .Labels}}", IMAGE] as const,
  );
  const git = async (...args: string[]) =>
    (await engine.try("git", "-C", ROOT, ...args)).stdout.trim();
  const labels = JSON.parse(stdout);
  const label = (name: string) => labels[`org.opencontainers.image.${name}`];
  assertEquals(
    ["title", "licenses", "version", "revision", "source"].map(label),
    [
      "Aphlict on Deno",
      "Apache-2.0 AND MIT AND BSD-3-Clause",
      VERSION,
      await git("rev-parse", "HEAD"),
      (await git("remote", "get-url", "origin")).replace(/\/\/[^/]*@/, "//"),
    ],
  );
});

/** A line of `/proc/PID/status`. */
function statusOf(pid: number, name: string): string {
  const text = Deno.readTextFileSync(`/proc/${pid}/status`);
  return new RegExp(`^${name}:\\s*(.*)$`, "m").exec(text)?.[1]?.replaceAll("\t", " ") ?? "";
}

/** The arguments of a process, the program among them. */
function argumentsOfProcess(pid: number): string[] {
  return Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0").slice(0, -1);
}

Deno.test("in a container it is the image's user, without any capability or a way to one", async () => {
  await using container = await Container.serve(engine);
  const pid = await container.pid();
  const [uid = "", gid = ""] = argumentOf("USER").split(":");
  assertEquals(statusOf(pid, "Uid"), Array(4).fill(uid).join(" "));
  assertEquals(statusOf(pid, "Gid"), Array(4).fill(gid).join(" "));
  for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) {
    assertMatch(statusOf(pid, set), /^0+$/, set);
  }
  assertEquals(statusOf(pid, "NoNewPrivs"), "1");
  const { stdout } = await container.podman(["exec"], "id", "--user", "--name");
  assertEquals(stdout, "aphlict\n");
});

Deno.test("in a container nothing of the image or the configuration can be written", async () => {
  await using container = await Container.serve(engine);
  for (const folder of ["/", "/usr/lib/aphlict", "/var/tmp", "/etc/aphlict"]) {
    const { code, stderr } = await container.podman(["exec"], "touch", `${folder}/x`);
    assertEquals(code, 1);
    assertStringIncludes(stderr, "Read-only file system");
  }
  assertEquals((await container.podman(["exec"], "touch", "/tmp/x")).code, 0);
});

/** Bytes of memory that a container has: its limit, where the engine may set one, or what the host has. */
async function grantedTo(container: Container): Promise<number> {
  const files = "/sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes";
  const { stdout } = await container.podman(
    ["exec"],
    "sh",
    "-c",
    `cat ${files} 2>/dev/null; grep MemTotal: /proc/meminfo`,
  );
  const [, total = ""] = /^MemTotal: +(\d+) kB$/m.exec(stdout) ?? [];
  const limits = stdout.match(/^\d+$/gm) ?? [];
  return Math.min(Number(total) * 1024, ...limits.map(Number));
}

Deno.test("a container's first process is the service, with exactly the flags of its configuration", async () => {
  await using container = await Container.serve(engine);
  const pid = await container.pid();
  const [program, ...args] = argumentsOfProcess(pid);
  assertEquals(program, `${LIBRARY}/deno`);
  const [, files = ""] = /^Max open files +\S+ +(\S+)/m.exec(
    Deno.readTextFileSync(`/proc/${pid}/limits`),
  ) ?? [];
  const told = ["--open-files", files, "--memory", `${await grantedTo(container)}`];
  assertEquals(
    args,
    imageArguments(derivedFlags(), [
      ...["serve", "--called", "/usr/bin/aphlict"],
      ...[...told, "--config", SYSTEM_CONFIG],
    ]),
  );
});

Deno.test("in a container the service can do nothing that its flags do not say", async () => {
  await using container = await Container.serve(engine);
  const [program = "", ...args] = argumentsOfProcess(await container.pid());
  const run = args.slice(0, args.indexOf(`${LIBRARY}/aphlict.js`));
  const probe = async (code: string) => {
    container.replace("probe.js", `${code}\nthrow new Error("It was done");`);
    const preload = ["--preload=/etc/aphlict/probe.js", `${LIBRARY}/aphlict.js`, "version"];
    const { stderr } = await container.podman(["exec"], program, ...run, ...preload);
    return stderr;
  };
  for (const [deed, code] of Object.entries(FORBIDDEN)) {
    assertMatch(await probe(code(VALUES)), DENIED, deed);
  }
  // The probe does look: what the flags say is allowed, and so the service has it already.
  const allowed = `Deno.readTextFileSync("${SYSTEM_CONFIG}");
    Deno.listen({ hostname: "0.0.0.0", port: 22281 });`;
  assertMatch(await probe(allowed), /AddrInUse/);
});

Deno.test("a browser gets what Phorge posts to a container, and a stop tells it to come back", async () => {
  await using container = await Container.serve(engine);
  await using browser = await container.visit("listen");
  await browser.line(/^Listening$/);
  await using phorge = await container.visit("publish", "1", "1");
  assertEquals((await phorge.ended()).code, 0, phorge.output);
  await browser.line(/^1 \d+$/);
  await container.podman(["stop"]);
  await browser.line(/^Closed 1001$/);
  assertEquals(await container.ended(), 0);
});

Deno.test("a container's log is what it writes: warnings to stderr, the rest to stdout", async () => {
  await using container = await Container.serve(engine);
  await container.podman(["stop"]);
  await container.ended();
  const { stdout } = await container.podman(["logs"]);
  const [first = "", ...rest] = stdout.trimEnd().split("\n");
  assertMatch(first, /INFO Aphlict \S+ starts with \/etc\/aphlict\/aphlict\.json \(pid 1\)\.$/);
  assertMatch(rest.at(-1) ?? "", /INFO Stopped\.$/);
  assertEquals(/ (WARNING|ERROR) /.test(stdout), false);
});

Deno.test("the image's health check tells a service that answers from one that does not, after a reload", async () => {
  await using container = await Container.serve(engine);
  assertEquals(
    await container.inspect("{{json .Config.Healthcheck.Test}}"),
    '["CMD","aphlict","health"]',
  );
  assertEquals((await container.podman(["exec"], "aphlict", "health")).stdout, "ready\n");
  assertEquals((await container.podman(["healthcheck", "run"])).code, 0);
  const changed = example("docker/aphlict.json", {
    '"allow": ["127.0.0.1"': '"allow": ["127.0.0.2"',
  });
  container.replace("aphlict.json", changed);
  await container.podman(["kill", "--signal", "HUP"]);
  await container.output.line(/INFO Reload: Configuration, .* were read again\./);
  const { code, stderr } = await container.podman(["exec"], "aphlict", "health");
  assertEquals(code, 1);
  assertStringIncludes(stderr, '"allow"');
  assertEquals((await container.podman(["healthcheck", "run"])).code, 1);
});

for (const command of [[], ["run"]]) {
  Deno.test(`a container that runs "${command[0] ?? "serve"}" with a JSON log writes nothing but JSON`, async () => {
    const text = example("docker/aphlict.json", {
      '"logs": []': '"logs": [{ "path": "/dev/stdout", "format": "json", "level": "debug" }]',
    });
    await using container = await Container.run(engine, command, { "aphlict.json": text });
    await container.output.line(/has fingerprint /);
    await container.podman(["kill", "--signal", "HUP"]);
    await container.output.line(/were read again/);
    await container.podman(["stop"]);
    assertEquals(await container.ended(), 0);
    const { stdout, stderr } = await container.podman(["logs"]);
    assertEquals(stderr, "");
    const lines = stdout.trimEnd().split("\n").map((line): string => JSON.parse(line).message);
    assertEquals([lines[0]?.startsWith("Aphlict "), lines.at(-1)], [true, "Stopped."]);
  });
}

Deno.test("reload in a container names the signal that does it from outside", async () => {
  await using container = await Container.serve(engine);
  const { code, stderr } = await container.podman(["exec"], "aphlict", "reload");
  assertEquals(code, 1);
  assertStringIncludes(stderr, "podman kill --signal HUP NAME");
});

Deno.test("a container without a configuration ends, and says what is to be done", async () => {
  await using container = await Container.run(engine, [], {});
  assertEquals(await container.ended(), 1);
  assertStringIncludes(
    (await container.podman(["logs"])).stderr,
    `Cannot use ${SYSTEM_CONFIG}: 1 problem.\n  The file does not exist. Create it, mount its folder if`,
  );
});

Deno.test("on a terminal the commands in a container show no line of the runtime's own", async () => {
  await using container = await Container.serve(engine);
  for (
    const command of [
      ...["version", "help", "check", "permissions", "health", "doctor", "top --once"],
      ...["send --to A", "serve", "status", "reload", "stop"],
    ]
  ) {
    const exec = ["exec", "--tty", "--env=NO_COLOR=1"];
    const { stdout } = await container.podman(exec, "aphlict", ...command.split(" "));
    assert(stdout.length > 0, command);
    assert(!hasRuntimesOwn(stdout), `${command}: ${JSON.stringify(stdout)}`);
  }
});

Deno.test("on a terminal the first process of a container shows no line of the runtime's own", async () => {
  const options = ["--tty", "--env=NO_COLOR=1"];
  await using container = await Container.run(engine, [], undefined, options);
  await container.output.line(/has fingerprint /);
  await container.podman(["stop"]);
  await container.ended();
  const { stdout } = await container.podman(["logs"]);
  assertStringIncludes(stdout, "Listening: client server at ");
  assert(!hasRuntimesOwn(stdout), JSON.stringify(stdout));
});

Deno.test("other commands of the program stand behind the image's name", async () => {
  await using container = await Container.run(engine, ["check"]);
  assertEquals(await container.ended(), 0);
  assertStringIncludes((await container.podman(["logs"])).stdout, `OK: ${SYSTEM_CONFIG}`);
});

Deno.test("a supervisor in a container reloads on command, and gives the service other ports", async () => {
  await using container = await Container.run(engine, ["run"]);
  await container.output.line(/Listening: client server at \S+:22280/);
  // As the guide has it for a container without a supervisor, and for one with it.
  container.replace("aphlict.json", example("docker/aphlict.json", { '"drain": 2': '"drain": 1' }));
  const { code, stdout } = await container.podman(["exec"], "aphlict", "reload");
  assertEquals([code, stdout], [0, RELOADED]);
  container.replace("aphlict.json", example("docker/aphlict.json", { "22280": "22290" }));
  await container.podman(["kill", "--signal", "HUP"]);
  await container.output.line(/Listening: client server at \S+:22290/);
  await container.podman(["stop"]);
  assertEquals(await container.ended(), 0);
});
