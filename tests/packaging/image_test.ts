/**
 * What the Dockerfile and the examples for it claim, as far as it can be told without building anything.
 */

import { posix } from "node:path";
import { loadConfig } from "../../src/config/load.ts";
import { memoryBudget, memoryWarning } from "../../src/config/memory.ts";
import { SYSTEM_CONFIG } from "../../src/config/program.ts";
import { VERSION } from "../../src/version.ts";
import { assert, assertEquals, assertMatch } from "../assert.ts";
import { must } from "../acceptance/process.ts";
import { ROOT } from "../acceptance/program.ts";
import { Folder } from "../folder.ts";
import {
  argumentOf,
  argumentsOf,
  bases,
  buildArguments,
  command,
  instructions,
  runOptions,
} from "./image.ts";

/** What Docker waits after a stop before it kills, in seconds. */
const DOCKER_PATIENCE_S = 10;

/** What a stop may take beyond the drain, in seconds: see docs/install.md. */
const STOP_S = 7;

const config = loadConfig(`${ROOT}conf/examples/docker/aphlict.json`);
const compose = Deno.readTextFileSync(`${ROOT}conf/examples/docker/compose.yaml`);

/** The words of an instruction that copies from the repository, and not from another stage. */
const copied = argumentsOf("COPY").filter((argument) => !argument.startsWith("--from="))
  .map((argument) => argument.split(" "));

/** The value of an option of `docker run` in the guide. */
function option(name: string): string {
  return runOptions().find(([each]) => each === name)?.[1] ?? "";
}

/** The line of compose.yaml for an option of `docker run`; `null` for what compose does by itself. */
function inCompose([name, value]: readonly [string, string]): string | null {
  switch (name) {
    case "detach":
      return null;
    case "name":
      return `container_name: ${value}`;
    case "read-only":
      return "read_only: true";
    case "memory":
      return `mem_limit: ${value}`;
    case "pids-limit":
      return `pids_limit: ${value}`;
    case "ulimit":
      return `ulimits: { ${value.replace("=", ": ")} }`;
    case "publish":
      return `ports: ["${value}"]`;
    case "volume":
      return `volumes: ["${value}"]`;
    case "network":
      return `networks: ["${value}"]`;
    case "tmpfs":
    case "cap-drop":
    case "security-opt":
      return `${name.replace("-", "_")}: ["${value}"]`;
    default:
      return `${name}: ${value}`;
  }
}

Deno.test("every image that the image is made from has a version, and a name that podman takes, too", () => {
  for (const base of bases()) assertMatch(base, /^docker\.io\/[\w/]+:[a-z-]*\d[\w.-]*$/);
});

Deno.test("the image has the Deno that everything else runs with", () => {
  const [version = ""] = /(?<=deno@)[\d.]+/.exec(Deno.readTextFileSync(`${ROOT}bin/aphlict`)) ?? [];
  assertEquals(bases().filter((base) => base.includes("deno")), [
    `docker.io/denoland/deno:bin-${version}`,
  ]);
});

Deno.test("the image has the version of deno.json as a label", () => {
  const [, version] = /image\.version="([^"]*)"/.exec(argumentOf("LABEL")) ?? [];
  assertEquals(version, VERSION);
});

Deno.test("what the build reads is there, and nothing else gets into it", () => {
  const [first, ...admitted] = Deno.readTextFileSync(`${ROOT}.dockerignore`).split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  assertEquals(first, "*");
  const paths = admitted.map((line) => line.replace(/^!/, ""));
  for (const path of paths) Deno.statSync(`${ROOT}${path}`);
  const named = copied.flatMap((words) => words.slice(0, -1)).filter((path) => path !== ".");
  assertEquals(
    named.filter((path) => !paths.some((each) => path === each || path.startsWith(`${each}/`))),
    [],
  );
  // What else the task reads hangs from these.
  for (const path of ["main.ts", "src", "packaging", "bin"]) assert(paths.includes(path), path);
});

Deno.test("deno lies beside the bundle, where its launcher finds it, and the command leads there", () => {
  const places = argumentsOf("COPY").filter((argument) => argument.startsWith("--from="))
    .map((argument) => argument.split(" ").at(-1) ?? "");
  assert(
    places.includes("/usr/lib/aphlict/deno") && places.includes("/usr/lib/aphlict/aphlict.js"),
  );
  const [, target = "", link = ""] = /ln -s (\S+) (\S+)/.exec(argumentsOf("RUN").join()) ?? [];
  assertEquals(posix.resolve(posix.dirname(link), target), "/usr/lib/aphlict/aphlict.js");
  assertEquals(argumentOf("ENTRYPOINT"), JSON.stringify([posix.basename(link)]));
  assertEquals(argumentOf("CMD"), '["serve"]');
});

Deno.test("the user is a number that is not root's, and has a name", () => {
  const [, uid = "", gid = ""] = /^(\d+):(\d+)$/.exec(argumentOf("USER")) ?? [];
  assert(Number(uid) > 0 && Number(gid) > 0);
  const made = argumentsOf("RUN").join();
  assertMatch(made, new RegExp(`groupadd --gid ${gid} aphlict\\b`));
  assertMatch(made, new RegExp(`useradd --uid ${uid} --gid aphlict\\b`));
  // Nothing is done as root after it, and nothing is changed that an image should leave alone.
  const names = instructions().map(({ name }) => name);
  assertEquals(names.slice(names.indexOf("USER")).includes("RUN"), false);
  assertEquals(names.filter((name) => ["ENV", "ADD", "VOLUME", "SHELL"].includes(name)), []);
});

Deno.test("the ports are those of Phorge's default configuration, and of the example", () => {
  const exposed = argumentOf("EXPOSE").split(" ").map(Number);
  for (const { servers } of [config, loadConfig(`${ROOT}conf/aphlict.default.json`)]) {
    assertEquals(servers.map(({ port }) => port), exposed);
  }
});

Deno.test("health check and stop signal are those of the program", () => {
  assertMatch(argumentOf("HEALTHCHECK"), / CMD \["aphlict", "health"\]$/);
  assertEquals(argumentOf("STOPSIGNAL"), "SIGTERM");
});

Deno.test("docker run in the guide and compose.yaml say the same", () => {
  for (const each of runOptions()) {
    const line = inCompose(each);
    if (line !== null) assert(compose.includes(`\n    ${line}\n`), line);
  }
  // Besides what is said of the build.
  const keys = compose.match(/^ {4}(?!name:|ipam:)\w+:/gm) ?? [];
  assertEquals(keys.length, runOptions().length - 1 + ["build", "image"].length);
});

Deno.test("the container has no right that it does not need", () => {
  assertEquals(
    ["read-only", "cap-drop", "security-opt"].map((name) =>
      runOptions().filter(([each]) => each === name).map(([, value]) => value).join()
    ),
    ["", "ALL", "no-new-privileges"],
  );
  assert(runOptions().some(([name]) => name === "read-only"));
  for (const text of [command("docker", "run"), compose.replaceAll(/^\s*#.*$/gm, "")]) {
    assert(
      !/privileged|cap.add|docker\.sock|--env|:22281/.test(text.replace("no-new-privileges", "")),
    );
  }
});

Deno.test("the configuration is a folder that is mounted for reading", () => {
  const folder = posix.dirname(SYSTEM_CONFIG);
  assertEquals(option("volume"), `${folder}:${folder}:ro`);
});

Deno.test("the example configuration fits the container", () => {
  assertEquals(config.logs, [], "the log is what is written to the console");
  assertEquals(posix.dirname(config.pidfile), option("tmpfs").split(":")[0]);
  assert(config.drain + STOP_S <= DOCKER_PATIENCE_S, "time to stop");
  const mebibytes = /^(\d+)g$/.exec(option("memory"))?.[1];
  const granted = Number(mebibytes) * 1024 ** 3;
  // V8 gives a process up to half of the memory that a container has.
  const memory = { heap: granted / 2, granted };
  assertEquals(memoryWarning(config, memory), null, "memory");
  assert(memoryBudget(config, memory) <= granted / 4);
  const files = Number(option("ulimit").replace("nofile=", ""));
  const [client, admin] = config.servers;
  assert(client?.type === "client" && files > client.limits.connections + 1000, "open files");
  const [, network = "", host = ""] =
    /--subnet ((.*)\.0\/24) /.exec(command("docker", "network", "create")) ?? [];
  assert(compose.includes(`config: [{ subnet: ${network} }]`));
  assert(admin?.type === "admin");
  // The health check; Phorge.
  assertEquals(admin.allow, ["127.0.0.1", network]);
  // The first address is the gateway's, which is the host.
  assertEquals(client.proxies, [`${host}.1`]);
});

Deno.test("the image is told where the clone comes from, without the password in the remote's URL", () => {
  const told = (remote: string) => {
    using folder = new Folder();
    const { path } = folder;
    must("git", ["init", "--quiet", path]);
    must("git", ["-C", path, "remote", "add", "origin", remote]);
    const words = buildArguments().replaceAll("/opt/aphlict", path);
    const { stdout } = new Deno.Command("sh", {
      args: ["-c", `printf '%s\\n' ${words}`],
      stderr: "null",
    }).outputSync();
    return /^SOURCE=(.*)$/m.exec(new TextDecoder().decode(stdout))?.[1];
  };
  const source = "https://code.example.org/aphlict.git";
  assertEquals(told(source), source);
  assertEquals(told("https://me:secret@code.example.org/aphlict.git"), source);
});
