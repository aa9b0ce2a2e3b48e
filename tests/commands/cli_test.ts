import { assert, assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { FAMILIES } from "../../src/metrics/families.ts";
import { makeAuthority, makeCertificate, makeSelfSigned } from "../acceptance/certificate.ts";
import { Folder } from "../folder.ts";
import { aphlict, launch } from "../acceptance/command.ts";
import { testNotOnServe } from "../acceptance/engines.ts";
import { Process } from "../acceptance/process.ts";
import { freePorts } from "../acceptance/ports.ts";
import { publish, writeConfig, type Written } from "../acceptance/server.ts";
import { APHLICT, PROGRAM, ROOT, testOfSource } from "../acceptance/program.ts";

/** Writes a configuration whose log and pidfile are in folders that do not exist. */
function writeFresh(folder: Folder): Written {
  return writeConfig(folder, {
    logs: [{ path: `${folder.path}/log/aphlict.log` }],
    pidfile: `${folder.path}/pid/aphlict.pid`,
  });
}

/** A folder with what an administrator's path may have and a shell would take apart. */
function oddFolder(): Folder {
  return new Folder("aphlict's test-");
}

/** How many files a process may have open, as the shell tells it. */
function hardLimit(): string {
  const { stdout } = new Deno.Command("sh", { args: ["-c", "ulimit -Hn"] }).outputSync();
  return new TextDecoder().decode(stdout).trim();
}

/** Bytes of memory that the host has. */
function hostMemory(): number {
  const text = Deno.readTextFileSync("/proc/meminfo");
  return Number(/^MemTotal: +(\d+) kB$/m.exec(text)?.[1]) * 1024;
}

for (const verb of ["serve", "debug"]) {
  Deno.test(`bin/aphlict ${verb} becomes a process that holds the derived flags and nothing else`, async () => {
    using folder = oddFolder();
    const { path, client, admin } = writeFresh(folder);
    await using process = launch(verb, "--config", path);
    await process.line(/has fingerprint /);
    // The process that the shell was is now the service.
    const command = Deno.readTextFileSync(`/proc/${process.pid}/cmdline`).split("\0");
    const logs = [0, 1, 2, 3, 4, 5].map((n) => `${folder.path}/log/aphlict.log${n ? `.${n}` : ""}`);
    assertEquals(command, [
      Deno.execPath(),
      "run",
      ...PROGRAM.kind === "bundle"
        ? ["--no-config", "--no-remote", "--no-npm"]
        : [`--config=${ROOT}deno.json`],
      "--no-code-cache",
      "--no-prompt",
      "--cached-only",
      "--deny-import",
      "--v8-flags=--max-semi-space-size=8,--heap-growing-percent=50",
      `--allow-net=127.0.0.1:${client},127.0.0.1:${admin}`,
      `--allow-read=${[path, ...logs].join(",")}`,
      `--allow-write=${logs.join(",")}`,
      PROGRAM.path,
      verb,
      "--called",
      // As it is typed in this folder.
      APHLICT.replace(`${Deno.cwd()}/`, ""),
      "--open-files",
      hardLimit(),
      "--memory",
      command[command.indexOf("--memory") + 1] ?? "",
      "--config",
      path,
      "",
    ]);
    const granted = Number(command[command.indexOf("--memory") + 1]);
    assert(granted > 0 && granted <= hostMemory(), `${granted} bytes of ${hostMemory()}`);
    assertMatch(await publish(admin, { subscribers: [] }), /^\w{16}$/);
    process.kill("SIGTERM");
    assertEquals((await process.ended()).code, 0);
  });
}

Deno.test("bin/aphlict serve with an invalid configuration names the problems and fails with 1", async () => {
  using folder = oddFolder();
  const path = folder.write("aphlict.json", '{"servers": [{"type": "clinet", "port": 1}]}');
  const { code, output } = await aphlict("serve", `--config=${path}`);
  assertEquals(code, 1);
  assertMatch(output, /servers\[0\]\.type: .*Did you mean "client"\?/);
  assertMatch(output, /pidfile: /);
});

testOfSource(
  "without --config the administrator's own file counts, else the shipped one",
  async () => {
    using project = oddFolder();
    await using copy = new Process("cp", [
      "-r",
      ...["bin", "src", "main.ts", "deno.json", "deno.lock"].map((name) => `${ROOT}${name}`),
      project.path,
    ]);
    assertEquals((await copy.ended()).code, 0, copy.output);
    Deno.mkdirSync(`${project.path}/conf`);
    for (const name of ["aphlict.default.json", "aphlict.custom.json"]) {
      using folder = new Folder();
      const { path, admin } = writeFresh(folder);
      Deno.copyFileSync(path, `${project.path}/conf/${name}`);
      await using process = new Process(`${project.path}/bin/aphlict`, ["serve"], {
        env: { DENO: Deno.execPath() },
      });
      await process.line(new RegExp(`starts with ${project.path}/conf/${name}`));
      await process.line(new RegExp(`Listening: admin server at http://127.0.0.1:${admin}/`));
    }
  },
);

Deno.test("bin/aphlict works through a symbolic link and from any folder", async () => {
  using folder = new Folder();
  Deno.symlinkSync(APHLICT, `${folder.path}/aphlict`);
  await using process = new Process(`${folder.path}/aphlict`, ["version"], {
    cwd: folder.path,
    env: { DENO: Deno.execPath() },
  });
  assertEquals((await process.ended()).code, 0);
  const { kind } = PROGRAM;
  assertMatch(
    process.output,
    new RegExp(`^aphlict \\d+\\.\\d+\\.\\d+ \\(${kind}, deno [\\d.]+, v8 \\S+\\)$`),
  );
});

testNotOnServe("check says OK with a summary, and leaves nothing behind", async () => {
  using folder = oddFolder();
  const { path, client, admin } = writeFresh(folder);
  const { code, output } = await aphlict("check", "--config", path);
  assertEquals(code, 0);
  assertStringIncludes(
    output,
    [
      `OK: ${path}`,
      `  client server at 127.0.0.1:${client}, plain text`,
      `  admin server at 127.0.0.1:${admin}, plain text`,
      `  log ${folder.path}/log/aphlict.log, rotated at 16 MiB, 5 kept`,
      `  pidfile ${folder.path}/pid/aphlict.pid`,
    ].join("\n"),
  );
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["aphlict.json"]);
});

Deno.test("check reports all that stands in the way of a start at once", async () => {
  const authority = makeAuthority("Test");
  const [mine, other] = [makeCertificate(authority), makeCertificate(authority)];
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using folder = oddFolder();
  const mineCert = folder.write("mine.crt", mine.cert);
  const otherKey = folder.write("other.key", other.key);
  const text = folder.write("text.crt", "no certificate");
  const file = folder.write("file", "not a folder");
  const ports = freePorts(3);
  const { path } = writeConfig(folder, {
    servers: [
      ...[
        { "ssl.key": otherKey, "ssl.cert": mineCert },
        { "ssl.key": otherKey, "ssl.cert": text },
        { "ssl.key": `${folder.path}/missing.key`, "ssl.cert": mineCert, "ssl.chain": text },
      ].map((tls, index) => ({ type: "client", listen: "127.0.0.1", port: ports[index], ...tls })),
      { type: "admin", port: taken.addr.port },
      { type: "admin", port: 1, listen: "192.0.2.1" },
    ],
    logs: [{ path: `${file}/aphlict.log` }],
    pidfile: `${file}/aphlict.pid`,
  });
  const { code, output } = await aphlict("check", "--config", path);
  assertEquals(code, 1);
  const lines = output.split("\n").filter((line) => line.startsWith("  "));
  const expected = [
    /^ {2}servers\[0\]\.ssl\.key: Key .*other\.key does not belong to certificate .*mine\.crt/,
    /^ {2}servers\[1\]\.ssl\.cert: .*text\.crt holds no certificate/,
    /^ {2}servers\[2\]\.ssl\.key: Cannot read .*missing\.key: it does not exist/,
    /^ {2}servers\[2\]\.ssl\.chain: .*text\.crt holds no certificate/,
    /^ {2}servers\[3\]: Cannot bind admin server 127\.0\.0\.1:\d+: the address is already in use/,
    /^ {2}servers\[4\]: Cannot bind admin server 192\.0\.2\.1:1: this host has no such address/,
    /^ {2}logs\[0\]\.path: Cannot open log file /,
    /^ {2}pidfile: Cannot write /,
  ];
  assertEquals(lines.length, expected.length, output);
  for (const [index, pattern] of expected.entries()) assertMatch(lines[index] ?? "", pattern);
  assertStringIncludes(output, `Cannot use ${path}: 8 problems.`);
});

Deno.test("check warns of a hint that is too small and of a certificate that ends soon, and says OK", async () => {
  const { key, cert } = makeCertificate(makeAuthority("Test"), 13 * 86_400_000);
  using folder = oddFolder();
  const [port = 0] = freePorts(1);
  const tls = { "ssl.key": folder.write("a.key", key), "ssl.cert": folder.write("a.crt", cert) };
  const { path } = writeConfig(folder, {
    servers: [
      { type: "client", port, "limit.connections": 50_000, ...tls },
      { type: "admin", port: port + 1 },
    ],
    "memory.hint": 100,
  });
  const { code, output } = await aphlict("check", "--config", path);
  assertEquals(code, 0, output);
  assertMatch(
    output,
    /^Warning: The service may hold 50 MiB for its connections, enough for about 800 of the 50000 .*"memory\.hint"/m,
  );
  assertMatch(output, /^Warning: Certificate \S*.*a\.crt expires on /m);
  assertStringIncludes(output, "\n  50 MiB of memory for browsers and what they do");
});

Deno.test("check warns of a certificate that browsers refuse, as start does, and says OK", async () => {
  const { key, cert } = makeCertificate(makeAuthority("Test"), -60_000);
  using folder = new Folder();
  const [client = 0, admin = 0] = freePorts(2);
  const tls = { "ssl.key": folder.write("a.key", key), "ssl.cert": folder.write("a.crt", cert) };
  const { path } = writeConfig(folder, {
    servers: [{ type: "client", port: client, ...tls }, { type: "admin", port: admin, ...tls }],
  });
  const { code, output } = await aphlict("check", "--config", path);
  assertEquals(code, 0, output);
  const warning =
    /^Warning: Certificate \S+a\.crt expired on \S+: browsers refuse it\. Renew it\.$/gm;
  assertEquals(output.match(warning)?.length, 1, output);
});

Deno.test("check tells which authorities of peers cannot be used", async () => {
  using folder = oddFolder();
  const files = {
    missing: `${folder.path}/missing.pem`,
    text: folder.write("text.pem", "no certificate"),
    sound: folder.write("sound.pem", makeAuthority("Test").cert),
  };
  const { path } = writeConfig(folder, {
    cluster: Object.values(files).map((ca, index) => ({
      ...{ host: "127.0.0.1", port: index + 1, protocol: "https" },
      "ssl.ca": ca,
    })),
  });
  const { code, output } = await aphlict("check", "--config", path);
  assertEquals(code, 1);
  assertMatch(output, /2 problems/);
  for (
    const problem of [
      `cluster[0].ssl.ca: Cannot read ${files.missing}: it does not exist.`,
      `cluster[1].ssl.ca: ${files.text} holds no certificate.`,
    ]
  ) {
    assertStringIncludes(output, problem);
  }
});

Deno.test("check warns of a token that everybody can read, in a sentence", async () => {
  using folder = new Folder();
  const token = folder.write("token", "0123456789abcdef0123456789abcdef\n");
  Deno.chmodSync(token, 0o644);
  const [client = 0, admin = 0] = freePorts(2);
  const { path } = writeConfig(folder, {
    servers: [
      { type: "client", port: client, listen: "127.0.0.1" },
      { type: "admin", port: admin, "token.file": token },
    ],
  });
  const { code, output } = await aphlict("check", "--config", path);
  assertEquals(code, 0, output);
  assertStringIncludes(
    output,
    `Warning: Every user of this host can read token file ${token}. Keep the others out: chmod o-r ${token}`,
  );
});

Deno.test("check tells which tokens cannot be used, without showing what the files hold", async () => {
  using folder = oddFolder();
  const [client = 0, admin = 0, other = 0] = freePorts(3);
  const files = {
    missing: `${folder.path}/missing.token`,
    short: folder.write("short.token", "s3cret"),
    sound: folder.write("sound.token", "0123456789abcdef0123456789abcdef\n"),
  };
  const peer = (token: string, port: number) => (
    { host: "127.0.0.1", port, protocol: "http", "token.file": token }
  );
  const { path } = writeConfig(folder, {
    servers: [
      { type: "client", port: client, listen: "127.0.0.1" },
      { type: "admin", port: admin, "token.file": files.short },
      { type: "admin", port: other, "token.file": files.sound },
    ],
    cluster: [peer(files.sound, 1), peer(files.missing, 2)],
  });
  const { code, output } = await aphlict("check", "--config", path);
  assertEquals(code, 1);
  assertMatch(output, /2 problems/);
  assertStringIncludes(
    output,
    `servers[1].token.file: Token file ${files.short} does not hold a token: `,
  );
  assertStringIncludes(
    output,
    `cluster[1].token.file: Token file ${files.missing} does not exist. `,
  );
  assertEquals(output.includes("s3cret"), false);
});

Deno.test("check warns of a cluster that is likely to be a mistake, and says OK", async () => {
  using folder = oddFolder();
  const former = makeSelfSigned({ isAuthority: true, validMs: -60_000 });
  const ca = folder.write("ca.pem", former.cert + makeAuthority("Test").cert);
  const { path } = writeConfig(folder, {
    cluster: [
      { host: "localhost", port: 1, protocol: "http" },
      { host: "127.0.0.1", port: 1, protocol: "http" },
      { host: "a.invalid", port: 2, protocol: "https", "ssl.ca": ca },
      { host: "192.0.2.1", port: 3, protocol: "http" },
    ],
  });
  const { code, output } = await aphlict("check", "--config", path);
  assertEquals(code, 0, output);
  assertEquals(
    output.split("\n").filter((line) => line.startsWith("Warning: ") && !line.includes("root"))
      .map((line) => line.replaceAll(folder.path, "").split(" ").slice(1, 6).join(" ")),
    [
      "A certificate in /ca.pem expired",
      "A certificate in /ca.pem expires",
      "cluster[3].protocol: Messages go to 192.0.2.1",
    ],
  );
  assertStringIncludes(output, "\n  peer http://localhost:1/\n");
  assertStringIncludes(output, `\n  peer https://a.invalid:2/, authority ${ca}\n`);
});

Deno.test("check warns of nothing while there are problems", async () => {
  using folder = oddFolder();
  const { key, cert } = makeCertificate(makeAuthority("Test"), 86_400_000);
  const [client, admin] = freePorts(2);
  const { path } = writeConfig(folder, {
    servers: [
      {
        ...{ type: "client", port: client, listen: "127.0.0.1" },
        "ssl.key": folder.write("a.key", key),
        "ssl.cert": folder.write("a.crt", cert),
      },
      { type: "admin", port: admin },
    ],
    cluster: [{ host: "192.0.2.1", port: 1, protocol: "http" }],
    pidfile: `${folder.write("file", "no folder")}/aphlict.pid`,
  });
  const { code, output } = await aphlict("check", "--config", path);
  assertEquals(code, 1);
  assertEquals(
    output.split("\n").filter((line) => !line.includes("root")).map((line) => line.split(" ")[0]),
    ["Cannot", ""],
    output,
  );
});

Deno.test("check finds the example of a cluster in order, whose files and ports are replaced", async () => {
  using folder = oddFolder();
  const authority = makeAuthority("Test");
  const { key, cert } = makeCertificate(authority);
  for (
    const [name, text] of Object.entries({
      "peer.key": key,
      "peer.pem": cert,
      "cluster-ca.pem": authority.cert,
    })
  ) folder.write(name, text);
  const ports = freePorts(3);
  const example = Deno.readTextFileSync(`${ROOT}conf/examples/cluster.json`)
    .replaceAll(/"\/(etc|run|var\/log)\/aphlict\//g, `"${folder.path}/`)
    .replaceAll(/notify(\d)\.example\.com/g, "127.0.0.$1")
    .replaceAll(/2228(\d)/g, (_, digit) => String(ports[digit]));
  const { code, output } = await aphlict("check", "--config", folder.write("a.json", example));
  assertEquals(code, 0, output);
  assertEquals(
    output.split("\n").filter((line) => /^ {2}peer |^Warning: (cluster|servers)/.test(line)),
    [1, 2, 3].map((n) =>
      `  peer https://127.0.0.${n}:${ports[2]}/, authority ${folder.path}/cluster-ca.pem`
    ),
  );
});

Deno.test("check does not take the ports of a killed supervisor's state for its own", async () => {
  using folder = oddFolder();
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  const [client = 0] = freePorts(1);
  const { path } = writeConfig(folder, {
    servers: [{ type: "client", port: client }, { type: "admin", port }],
  });
  folder.write("aphlict.pid", "1");
  folder.write(
    "aphlict.pid.state",
    JSON.stringify({
      config: path,
      since: 1,
      restarts: 0,
      reloads: 0,
      lastEnd: null,
      lastReload: null,
      service: { pid: 1, since: 1, urls: [`http://127.0.0.1:${port}/`] },
    }),
  );
  const { code, output } = await aphlict("check", "--config", path);
  assertEquals(code, 1);
  assertStringIncludes(output, `Cannot bind admin server 127.0.0.1:${port}`);
});

Deno.test("check refuses a pipe as a log, and does not wait for its reader", async () => {
  using folder = oddFolder();
  const pipe = `${folder.path}/pipe`;
  assertEquals(new Deno.Command("mkfifo", { args: [pipe] }).outputSync().success, true);
  const { path } = writeConfig(folder, { logs: [{ path: pipe }] });
  const { code, output } = await aphlict("check", "--config", path);
  assertEquals(code, 1);
  assertStringIncludes(output, "logs[0].path: ");
  assertStringIncludes(output, "is a pipe that no process reads");
});

Deno.test("check tells line and column of a syntax error", async () => {
  using folder = oddFolder();
  const path = folder.write("aphlict.json", '{\n  "servers": [}\n');
  const { code, output } = await aphlict("check", "--config", path);
  assertEquals(code, 1);
  assertStringIncludes(output, "line 2, column 15");
});

Deno.test("permissions prints flags that a shell takes as they are, or JSON", async () => {
  using folder = oddFolder();
  const { path, client, admin } = writeFresh(folder);
  const json = await aphlict("permissions", "--config", path, "--format", "json");
  const { net, read, write, flags } = JSON.parse(json.stdout);
  assertEquals(net, [`127.0.0.1:${client}`, `127.0.0.1:${admin}`]);
  assertEquals([read.length, write.length], [7, 6]);
  const { code, output } = await aphlict("permissions", "--config", path);
  assertEquals(code, 0);
  await using shell = new Process("sh", ["-c", `printf '%s\\n' ${output}`]);
  await shell.ended();
  assertEquals(shell.output.split("\n"), flags);
});

for (
  const [args, complaint] of [
    [["check", "--confg", "x"], /^Unknown option "--confg"\. Did you mean "--config"\?/],
    [["check", "--config"], /^"--config" needs a value/],
    [["serve", "--config"], /^"--config" needs a value/],
    [["debug", "--config=conf/aphlict.local.json", "--bogus"], /Unknown option "--bogus"/],
    [["status", "extra"], /^"status" does not take "extra"/],
    [["check", "a", "b"], /^"check" does not take "b"/],
    [
      ["check", "--config", "a", "b"],
      /^"check" takes one configuration file: "b", or that of --config/,
    ],
    [["permissions", "--format", "xml"], /"--format xml" is not one of flags, json/],
    [["listen"], /^"listen" needs TOPIC\.\n/],
    [["help", "chek"], /^Unknown command "chek"\. Did you mean "check"\?/],
  ] as const
) {
  Deno.test(`"aphlict ${args.join(" ")}" is answered with what was meant, its own usage and exit code 2`, async () => {
    const { code, output } = await aphlict(...args);
    assertEquals(code, 2);
    assertMatch(output, complaint);
    const [verb] = args;
    const [empty, usage, more] = output.split("\n").slice(-3);
    assertMatch(usage ?? "", new RegExp(`^Usage: aphlict ${verb}( |$)`));
    assertEquals([empty, more], ["", `"aphlict help ${verb}" says more.`]);
    assertEquals(output.includes("Usage: aphlict VERB"), false);
  });
}

for (
  const [args, complaint] of [
    [[], /^Usage: aphlict VERB/],
    [["serv"], /^Unknown command "serv"\. Did you mean "serve"\?/],
    [["__proto__"], /^Unknown command "__proto__"\. There are: /],
  ] as const
) {
  Deno.test(`"aphlict ${args.join(" ")}" is answered with the commands that there are and exit code 2`, async () => {
    const { code, output } = await aphlict(...args);
    assertEquals(code, 2);
    assertMatch(output, complaint);
    assertMatch(output, /Usage: aphlict VERB/);
  });
}

for (
  const [args, answer] of [
    [["help"], /^Usage: aphlict VERB[^]*serve[^]*debug[^]*check[^]*permissions[^]*version[^]*help/],
    [["help", "serve"], /^Usage: aphlict serve \[OPTION\.\.\.\][^]*--config PATH/],
    [["check", "--help"], /^Usage: aphlict check/],
    [["serve", "-h"], /^Usage: aphlict serve/],
    [["--version"], /^aphlict \d/],
    [["-V"], /^aphlict \d/],
  ] as const
) {
  Deno.test(`"aphlict ${args.join(" ")}" is answered with exit code 0`, async () => {
    const { code, output } = await aphlict(...args);
    assertEquals(code, 0);
    assertMatch(output, answer);
  });
}

Deno.test("status and check go where the configuration says, whatever a service says of itself", async () => {
  using folder = new Folder();
  const { path, admin } = writeFresh(folder);
  const [elsewhere = 0] = freePorts(1);
  const asked: string[] = [];
  const serve = (port: number) =>
    Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, (request) => {
      const { pathname } = new URL(request.url);
      asked.push(`${port}${pathname}`);
      const urls = [`http://127.0.0.1:${elsewhere}/secret/`, "\u001b[2J"];
      const metrics = {
        ...Object.fromEntries(Object.keys(FAMILIES).map((name) => [name, []])),
        aphlict_server_listening: urls.map((server) => [{ server }, 1]),
      };
      const now = { uptimeMs: 1, servers: urls.map((url) => ({ url })), peers: [], metrics };
      return Response.json(
        pathname === "/status/"
          ? { version: 7 }
          : { now, samples: [], messages: [], configuration: {} },
      );
    });
  await using _service = serve(admin);
  await using _elsewhere = serve(elsewhere);
  const status = await aphlict("status", "--config", path);
  assertMatch(status.output, /^Aphlict is running\. There is no supervisor/);
  assertStringIncludes(status.output, "listening   \\u{1b}[2J");
  await aphlict("check", "--config", path);
  assertEquals([...new Set(asked)].sort(), [`${admin}/console/data/`, `${admin}/status/`].sort());
});
