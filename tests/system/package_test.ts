/**
 * The Debian package, on machines without a network. These tests need root, `mmdebstrap` and
 * `systemd-nspawn`, and the package that `deno task deb` makes.
 */

import { makeSelfSigned } from "../acceptance/certificate.ts";
import { DENIED, FORBIDDEN } from "../acceptance/forbidden.ts";
import { assertOutcome, must, Process } from "../acceptance/process.ts";
import { ROOT } from "../acceptance/program.ts";
import { hasRuntimesOwn } from "../acceptance/terminal.ts";
import { until } from "../acceptance/until.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { Folder } from "../folder.ts";
import { VERSION } from "../../src/version.ts";
import { compileArguments } from "../../packaging/compile.ts";
import { PACKAGE } from "../../packaging/deb.ts";
import { loadConfig } from "../../src/config/load.ts";
import { shellQuote } from "../../src/config/permissions.ts";
import { example } from "./site.ts";
import { Machine, Root, withoutSystemd } from "./machine.ts";

const CONFIG = "/etc/aphlict/aphlict.json";

let root: Root;

Deno.test.beforeAll(async () => {
  root = await Root.make("trixie");
  root.put("aphlict.deb", Deno.readFileSync(`${ROOT}${PACKAGE}`));
  root.put("later.deb", laterVersion());
  const { key, cert } = makeSelfSigned({ isAuthority: false });
  root.put("tls.key", new TextEncoder().encode(key));
  root.put("tls.cert", new TextEncoder().encode(cert));
});

Deno.test.afterAll(() => root[Symbol.dispose]());

/** The package as its next version would be. */
function laterVersion(): Uint8Array {
  using folder = new Folder();
  const [tree, later] = [`${folder.path}/tree`, `${folder.path}/later.deb`];
  must("dpkg-deb", ["--raw-extract", `${ROOT}${PACKAGE}`, tree]);
  const control = `${tree}/DEBIAN/control`;
  const text = Deno.readTextFileSync(control);
  Deno.writeTextFileSync(control, text.replace(`Version: ${VERSION}\n`, "Version: 99\n"));
  must("dpkg-deb", ["-Zgzip", "-z1", "--root-owner-group", "--build", tree, later]);
  return Deno.readFileSync(later);
}

Deno.test("lintian finds fault with nothing but the runtime, excused with a reason", async () => {
  await using process = new Process("lintian", [
    ...["--allow-root", "--fail-on=error,warning", "--tag-display-limit=0", `${ROOT}${PACKAGE}`],
  ]);
  assertEquals((await process.ended()).code, 0, process.output);
  assertEquals(process.output, "");
});

/** A machine on which it is installed and listens. */
async function installed(): Promise<Machine> {
  const machine = await Machine.boot(root);
  try {
    // It returns when the service is ready.
    await machine.call("dpkg", "--install", "/root/aphlict.deb");
    await machine.call("aphlict", "health");
    return machine;
  } catch (error) {
    await machine[Symbol.asyncDispose]();
    throw error;
  }
}

async function untilReady(machine: Machine): Promise<void> {
  await until(async () => (await machine.run("aphlict", "health")).code === 0);
}

/** The processes of a machine's Aphlict. */
async function processes(machine: Machine): Promise<{ supervisor: number; service: number }> {
  const { overseer: supervisor, service } = JSON.parse(
    await machine.call("aphlict", "status", "--json"),
  );
  return { supervisor, service };
}

async function commandLine(machine: Machine, pid: number): Promise<string[]> {
  return (await machine.call("cat", `/proc/${pid}/cmdline`)).split("\0").slice(0, -1);
}

Deno.test("installing it starts it, as a user of its own, and systemd knows its processes", async () => {
  await using machine = await installed();
  assertEquals(await machine.call("systemctl", "is-enabled", "aphlict"), "enabled");
  const { supervisor, service } = await processes(machine);
  const main = await machine.call("systemctl", "show", "--property=MainPID", "--value", "aphlict");
  assertEquals(Number(main), supervisor);
  for (const pid of [supervisor, service]) {
    const owner = await machine.call("stat", "--format=%U", `/proc/${pid}`);
    assertEquals(owner, "aphlict");
    const status = await machine.call("cat", `/proc/${pid}/status`);
    assertMatch(status, /^CapBnd:\t0+$/m);
    assertMatch(status, /^NoNewPrivs:\t1$/m);
  }
  assertStringIncludes(
    await machine.call("aphlict", "version"),
    `aphlict ${VERSION} (bundle, deno ${Deno.version.deno}, `,
  );
});

Deno.test("installing it says where its live page is", async () => {
  await using machine = await Machine.boot(root);
  const output = await machine.call("dpkg", "--install", "/root/aphlict.deb");
  const url = /^aphlict: it serves\. Its live page, in a browser on this host: (\S+)$/m.exec(
    output,
  );
  assertEquals(url?.[1], "http://127.0.0.1:22281/console/", output);
});

Deno.test("on a terminal its commands show no line of the runtime's own", async () => {
  await using machine = await installed();
  for (
    const command of [
      ...["version", "help", "check", "permissions", "status", "health", "doctor", "top --once"],
      ...["send --to A", "reload", "serve", "start"],
    ]
  ) {
    const { output } = await machine.run(
      ...["env", "NO_COLOR=1", "script", "-qec", `aphlict ${command}`, "/dev/null"] as const,
    );
    assert(output.length > 0, command);
    assert(!hasRuntimesOwn(output), `${command}: ${JSON.stringify(output)}`);
  }
});

Deno.test("a machine that has it has no other deno, and no network but itself", async () => {
  await using machine = await installed();
  assertEquals(await machine.call("ls", "/sys/class/net"), "lo");
  assertEquals((await machine.run("sh", "-c", "command -v deno npm node")).output, "");
  const [deno] = await commandLine(machine, (await processes(machine)).service);
  assertEquals(deno, "/usr/lib/aphlict/deno");
});

Deno.test("a message that is posted to it arrives, and doctor finds nothing broken", async () => {
  await using machine = await installed();
  await using listener = machine.start("aphlict", "listen", "A");
  await listener.line(/^listening/);
  await machine.call("aphlict", "send", "--to", "A", '{"type":"hello"}');
  await listener.line(/ hello: \{/);
  const { code, output } = await machine.run("aphlict", "doctor");
  assertEquals(code, 0, output);
  assertMatch(output, /^✓ message /m);
});

Deno.test("its service runs with the flags of its configuration, and is refused everything else", async () => {
  await using machine = await installed();
  const { service } = await processes(machine);
  const words = await commandLine(machine, service);
  const main = words.indexOf("/usr/lib/aphlict/aphlict.js");
  assertEquals(
    words.slice(2, main).join(" "),
    `--no-config --no-remote --no-npm --no-code-cache ${await machine.call(
      "aphlict",
      "permissions",
    )}`,
  );
  const values = {
    config: CONFIG,
    pidfile: "/run/aphlict/aphlict.pid",
    log: "/var/log/aphlict/aphlict.log",
    folder: "/var/log/aphlict",
    ...{ client: 22280, admin: 22281, peer: 22281, other: 22282 },
  };
  for (const [deed, code] of Object.entries(FORBIDDEN)) {
    await machine.call("sh", "-c", 'printf %s "$1" >/tmp/probe.js', "sh", code(values));
    const probe = words.toSpliced(2, 0, "--preload=/tmp/probe.js");
    const { output } = await machine.run("runuser", "--user=aphlict", "--", ...probe);
    assertMatch(output, DENIED, deed);
  }
});

Deno.test("reload takes a changed configuration over, without another process", async () => {
  await using machine = await installed();
  const before = await processes(machine);
  await machine.call("sed", "-i", 's/"drain": 2/"drain": 1/', CONFIG);
  await machine.call("systemctl", "reload", "aphlict");
  assertEquals(await processes(machine), before);
  assertStringIncludes(
    await machine.call("journalctl", "--unit=aphlict", "--output=cat"),
    "Reload: Configuration, certificates, tokens and logs were read again.",
  );
});

Deno.test("restart leaves to systemd what systemd has started", async () => {
  await using machine = await installed();
  const before = await processes(machine);
  const { code, output } = await machine.run("aphlict", "restart");
  assertEquals(code, 1);
  assertEquals(output, "aphlict: systemd runs it here: systemctl restart aphlict");
  const other = await machine.run("aphlict", "restart", "--config", CONFIG);
  assertEquals(other.code, 1);
  assertMatch(other.output, /Restart it there: systemctl restart aphlict\./);
  assertEquals(await processes(machine), before);
});

Deno.test("a service that was killed is started again", async () => {
  await using machine = await installed();
  const { supervisor, service } = await processes(machine);
  await machine.call("sh", "-c", `kill -KILL ${service}`);
  await until(async () => {
    const now = await processes(machine);
    return now.supervisor === supervisor && now.service !== null && now.service !== service;
  });
  await untilReady(machine);
});

Deno.test("an upgrade keeps what the administrator has changed, and starts the new one", async () => {
  await using machine = await installed();
  const before = await processes(machine);
  await machine.call("sh", "-c", `echo "// mine" >>${CONFIG}`);
  await using listener = machine.start("aphlict", "listen", "A");
  await listener.line(/^listening/);
  await machine.call("dpkg", "--install", "/root/later.deb");
  await machine.call("aphlict", "health");
  assertMatch(await machine.call("cat", CONFIG), /\/\/ mine$/);
  const now = await processes(machine);
  assert(now.supervisor !== before.supervisor, "it was started again");
  assertEquals(await machine.call("systemctl", "is-active", "aphlict"), "active");
});

Deno.test("an upgrade leaves stopped what the administrator has stopped", async () => {
  await using machine = await installed();
  await machine.call("systemctl", "stop", "aphlict");
  await machine.call("dpkg", "--install", "/root/later.deb");
  assertEquals((await machine.run("systemctl", "is-active", "aphlict")).output, "inactive");
});

Deno.test("one that was removed and is installed again is started", async () => {
  await using machine = await installed();
  await machine.call("dpkg", "--remove", "aphlict");
  await machine.call("dpkg", "--install", "/root/aphlict.deb");
  await machine.call("aphlict", "health");
  assertEquals(await machine.call("systemctl", "is-active", "aphlict"), "active");
});

Deno.test("where a policy forbids to start services it is installed in silence", async () => {
  await using machine = await Machine.boot(root);
  await machine.call("sh", "-c", "printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d");
  await machine.call("chmod", "755", "/usr/sbin/policy-rc.d");
  const output = await machine.call("dpkg", "--install", "/root/aphlict.deb");
  assertEquals(output.includes("does not serve"), false, output);
  assertEquals((await machine.run("systemctl", "is-active", "aphlict")).output, "inactive");
});

Deno.test("removing it ends one that root has started by hand", async () => {
  await using machine = await installed();
  await machine.call("systemctl", "stop", "aphlict");
  const refused = await machine.run("aphlict", "start");
  assertOutcome(refused, 1, "aphlict: systemd runs it here: systemctl start aphlict");
  await machine.call("aphlict", "start", "--config", CONFIG);
  const { supervisor } = await processes(machine);
  await machine.call("dpkg", "--remove", "aphlict");
  assertEquals((await machine.run("test", "-e", `/proc/${supervisor}`)).code, 1);
});

Deno.test("without systemd it is started by hand, goes on with the next version, and is stopped by its removal", async () => {
  const { code, output } = await withoutSystemd(
    root,
    `dpkg --install /root/aphlict.deb
    aphlict status && exit 9
    aphlict start
    aphlict send --to A
    first=$(cat /run/aphlict/aphlict.pid)
    dpkg --install /root/later.deb
    aphlict health
    second=$(cat /run/aphlict/aphlict.pid)
    [ "$first" != "$second" ]
    dpkg --remove aphlict
    [ ! -e "/proc/$second" ]
    dpkg --purge aphlict
    [ ! -e /etc/aphlict ] && [ ! -e /var/log/aphlict ]
    echo all done`,
  );
  assertEquals(code, 0, output);
  assertMatch(output, /^Sent to A: /m);
  assertMatch(output, /^all done$/m);
});

Deno.test("journalctl -p warning shows warnings alone, and no line has a time of its own", async () => {
  await using machine = await installed();
  // More than there are files.
  await machine.call("sed", "-i", 's/"type": "client",/& "limit.connections": 999999,/', CONFIG);
  await machine.call("systemctl", "restart", "aphlict");
  await untilReady(machine);
  await machine.call("sh", "-c", `kill -KILL ${(await processes(machine)).service}`);
  await untilReady(machine);
  const journal = (...options: readonly string[]) =>
    machine.call(
      "journalctl",
      "--unit=aphlict",
      "--identifier=aphlict",
      "--output=cat",
      ...options,
    );
  await until(async () => (await journal()).includes("listens again"));
  const words = (text: string) => text.split("\n").map((line) => line.split(" ")[0] ?? "");
  const all = words(await journal());
  assertEquals(all.filter((word) => !/^(INFO|WARNING|ERROR)$/.test(word)), []);
  const worse = await journal("--priority=warning");
  assertEquals(words(worse), all.filter((word) => word !== "INFO"));
  assertMatch(worse, /^WARNING This host allows /m);
  assertMatch(
    await journal("--priority=err"),
    /^ERROR The service \(pid \d+\) was ended by SIGKILL/,
  );
});

Deno.test("one that cannot start is installed all the same, and says how to find out why", async () => {
  await using machine = await Machine.boot(root);
  await machine.call("mkdir", "/etc/aphlict");
  await machine.call("sh", "-c", `echo '{"servers": 1}' >${CONFIG}`);
  const install = ["--force-confold", "--install", "/root/aphlict.deb"];
  const { code, output } = await machine.run("dpkg", ...install);
  assertEquals(code, 0, output);
  assertMatch(output, /aphlict: it does not serve yet\. This says why: aphlict doctor/);
  assertMatch((await machine.run("aphlict", "doctor")).output, /^✗ configuration .*servers: /m);
});

Deno.test("its man pages and its completion are where man and bash look for them", async () => {
  await using machine = await installed();
  for (const page of ["man8/aphlict.8.gz", "man5/aphlict.json.5.gz"]) {
    await machine.call("test", "-s", `/usr/share/man/${page}`);
  }
  await machine.call(
    ...[
      "bash",
      "-c",
      ". /usr/share/bash-completion/completions/aphlict && complete -p aphlict",
    ] as const,
  );
});

Deno.test("systemctl start returns when it serves", async () => {
  await using machine = await installed();
  for (let n = 0; n < 3; n++) {
    await machine.call("systemctl", "stop", "aphlict");
    await machine.call("systemctl", "start", "aphlict");
    assertEquals((await machine.run("aphlict", "health")).code, 0);
  }
});

Deno.test("a package that is stopped is judged as it will be started", async () => {
  await using machine = await installed();
  await machine.call("systemctl", "stop", "aphlict");
  for (const become of ["", "runuser -u aphlict -- "]) {
    const typed = (command: string) => machine.run("sh", "-c", `${become}aphlict ${command}`);
    const check = await typed("check");
    assertEquals(check.code, 0, check.output);
    const { output } = await typed("doctor");
    assertMatch(output, /^✓ files /m);
    assertMatch(output, /^1 problem\.$/m);
    assertEquals((await typed("status")).output, "Aphlict is not running.");
  }
});

Deno.test("what the unit takes away is told by check, and by nobody when it is not used", async () => {
  await using machine = await installed();
  await machine.call("install", "-d", "-o", "aphlict", "/srv/log");
  const change = (from: string, to: string) =>
    machine.call("sed", "-i", `s,${from},${to},`, "/etc/aphlict/aphlict.json");
  await change("/var/log/aphlict/aphlict.log", "/srv/log/aphlict.log");
  const check = await machine.run("aphlict", "check");
  assertEquals(check.code, 1, check.output);
  assertMatch(
    check.output,
    /Unit aphlict\.service does not let the service write \/srv\/log\/aphlict\.log/,
  );
  assertEquals((await machine.run("systemctl", "restart", "aphlict")).code === 0, false);
  await machine.call("systemctl", "disable", "--now", "aphlict");
  const alone = await machine.run("aphlict", "check");
  assertEquals(alone.code, 0, alone.output);
});

/** Replaces the unit's drop-in on a machine. */
async function editUnit(machine: Machine, ...lines: readonly string[]): Promise<void> {
  const folder = "/etc/systemd/system/aphlict.service.d";
  const text = shellQuote(["[Service]", ...lines]);
  await machine.call("sh", "-ec", `mkdir -p ${folder}; printf '%s\\n' ${text} >${folder}/own.conf`);
  await machine.call("systemctl", "daemon-reload");
}

Deno.test("what the unit gives counts for check and doctor: groups, low ports, memory", async () => {
  await using machine = await installed();
  await machine.call("systemctl", "stop", "aphlict");
  await machine.call("groupadd", "--system", "tls-keys");
  const tls = "/etc/aphlict/tls";
  await machine.call("install", "-m", "640", "-g", "tls-keys", "/root/tls.key", `${tls}.key`);
  await machine.call("install", "-m", "644", "/root/tls.cert", `${tls}.cert`);
  const servers = (key: string) => [
    { type: "client", port: 443, "ssl.key": key, "ssl.cert": `${tls}.cert` },
    { type: "admin", port: 22281, listen: "127.0.0.1" },
  ];
  const configure = async (key: string) => {
    const config = {
      servers: servers(key),
      logs: [{ path: "/var/log/aphlict/aphlict.log" }],
      pidfile: "/run/aphlict/aphlict.pid",
      user: "aphlict",
    };
    const text = shellQuote([JSON.stringify(config)]);
    await machine.call("sh", "-ec", `printf '%s' ${text} >${CONFIG}`);
  };
  const lowPorts = [
    "PrivateUsers=no",
    ...["CapabilityBoundingSet", "AmbientCapabilities"].map((name) =>
      `${name}=CAP_NET_BIND_SERVICE`
    ),
  ];
  const group = "SupplementaryGroups=tls-keys";
  /** What `check` says while it is stopped; a start has to agree. */
  const judged = async () => {
    const check = await machine.run("aphlict", "check");
    const start = await machine.run("systemctl", "start", "aphlict");
    assertEquals(start.code === 0, check.code === 0, check.output);
    return check;
  };
  await configure(`${tls}.key`);
  await editUnit(machine, ...lowPorts, group, "MemoryMax=300M");
  const { code, output } = await judged();
  assertEquals(code, 0, output);
  assertMatch(output, /^Warning: The service may hold 75 MiB for its connections/m);
  const doctor = await machine.run("aphlict", "doctor");
  // Its certificate ends tomorrow.
  assertMatch(doctor.output, /^! files .* expires on .*\n✓ addresses .*:443/m);
  await machine.call("systemctl", "stop", "aphlict");

  await editUnit(machine, ...lowPorts);
  assertMatch((await judged()).output, /servers\[0\]\.ssl\.key: /);
  // Whatever else starts or does not: each failed start waits for 30 s.
  const refused = async () => {
    const { code, output } = await machine.run("aphlict", "check");
    assertEquals(code, 1, output);
    return output;
  };
  await editUnit(machine, group);
  assertMatch(await refused(), /443/);
  await editUnit(machine, ...lowPorts, "SupplementaryGroups=no-such-group");
  assertMatch(await refused(), /there is no group no-such-group, which SupplementaryGroups= of/);

  await editUnit(machine, ...lowPorts, group);
  await machine.call("install", "-m", "644", "/root/tls.key", "/tmp/tls.key");
  await configure("/tmp/tls.key");
  assertMatch(await refused(), /does not let the service see \/tmp\/tls\.key \(PrivateTmp=\)/);
});

/** The text of an example that the package has put on a machine. */
function exampleOn(machine: Machine, name: string): Promise<string> {
  return machine.call("cat", `/usr/share/doc/aphlict/conf/examples/${name}`);
}

Deno.test("what logrotate runs after it has renamed the log reloads the package's service", async () => {
  await using machine = await installed();
  const text = await exampleOn(machine, "logrotate.conf");
  const [, script = ""] = /postrotate\n(.*?)endscript/s.exec(text) ?? [];
  await machine.call("mv", "/var/log/aphlict/aphlict.log", "/var/log/aphlict/aphlict.log.1");
  assertMatch(await machine.call("sh", "-ec", script), /read again/);
  assertMatch(await machine.call("cat", "/var/log/aphlict/aphlict.log"), /INFO Reload: /);
});

Deno.test("without systemd the package is started by the lines of its examples for cron and init.d", async () => {
  const { code, output } = await withoutSystemd(
    root,
    `dpkg --install /root/aphlict.deb
    cd /usr/share/doc/aphlict/conf/examples
    block() { sed -n '/^\`\`\`'"$1"'$/,/^\`\`\`$/p' cron.md | sed '/^\`\`\`/d'; }
    eval "$(block sh | sed '/^#!/,$d')"
    sed -i 's,/run/aphlict/aphlict.pid,/var/lib/aphlict/aphlict.pid,' /etc/aphlict/aphlict.json
    runuser -u aphlict -- sh -ec "$(block crontab | sed 's/^@reboot //')"
    aphlict health
    aphlict stop
    install -d /etc/init.d
    block sh | sed -n '/^#!/,$p' >/etc/init.d/aphlict
    chmod 755 /etc/init.d/aphlict
    /etc/init.d/aphlict start
    /etc/init.d/aphlict status
    /etc/init.d/aphlict reload
    /etc/init.d/aphlict stop
    /etc/init.d/aphlict status || [ $? -eq 3 ]
    echo all done`,
  );
  assertEquals(code, 0, output);
  assertMatch(output, /^all done$/m);
});

Deno.test("a compiled executable takes its place with the example for systemd", async () => {
  await using machine = await installed();
  // What the compiler would be told, run by deno.
  const config = { ...loadConfig(`${ROOT}conf/examples/aphlict.json`), path: CONFIG };
  const [, ...args] = compileArguments(config, "/usr/lib/aphlict/aphlict.js", "-");
  const output = args.indexOf("--output");
  const command = shellQuote(["/usr/lib/aphlict/deno", "run", ...args.toSpliced(output, 2)]);
  const files = {
    "/usr/local/bin/aphlict": `#!/bin/sh\nexec ${command} "$@"\n`,
    "/etc/systemd/system/aphlict.service.d/compiled.conf": example("compiled.conf", {}),
  };
  for (const [path, text] of Object.entries(files)) {
    await machine.call("install", "-D", "-m", "755", "/dev/null", path);
    await machine.call("sh", "-c", 'printf %s "$1" >"$2"', "sh", text, path);
  }
  await machine.call("systemctl", "daemon-reload");
  await machine.call("systemctl", "restart", "aphlict");
  await untilReady(machine);
  assertMatch(
    await machine.call("aphlict", "status"),
    /^Aphlict is running\. There is no supervisor/,
  );
  await machine.call("systemctl", "reload", "aphlict");
  await until(async () =>
    /^INFO Reload: /m.test(await machine.call("journalctl", "--unit=aphlict", "--output=cat"))
  );
  const { code, output: told } = await machine.run("aphlict", "stop");
  assertEquals(code, 1);
  assertMatch(told, /systemctl stop aphlict$/);
  await machine.call("systemctl", "stop", "aphlict");
  assertEquals((await machine.run("aphlict", "status")).output, "Aphlict is not running.");
});

Deno.test("removing it stops it and keeps configuration and log, which purging takes away", async () => {
  await using machine = await installed();
  await machine.call("dpkg", "--remove", "aphlict");
  await until(async () => (await machine.run("ls", "/run/aphlict")).code !== 0);
  await machine.call("ls", CONFIG, "/var/log/aphlict/aphlict.log");
  assertEquals((await machine.run("ls", "/usr/lib/aphlict", "/usr/bin/aphlict")).code, 2);
  await machine.call("dpkg", "--purge", "aphlict");
  const { output } = await machine.run(
    ...["find", "/etc", "/usr", "/var/log", "/run", "-name", "*aphlict*"] as const,
  );
  assertEquals(output, "");
});
