import { assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { makeAuthority, makeCertificate } from "./certificate.ts";
import { Process } from "./process.ts";
import { freePorts, publish, ROOT } from "./server.ts";

const APHLICT = `${ROOT}bin/aphlict`;

interface Outcome {
  readonly code: number;
  readonly output: string;
}

/** Runs `bin/aphlict` to its end. */
async function aphlict(...args: string[]): Promise<Outcome> {
  await using process = launch(...args);
  const { code } = await process.ended();
  return { code, output: process.output };
}

function launch(...args: string[]): Process {
  return new Process(APHLICT, args, { env: { DENO: Deno.execPath() } });
}

/** Writes files into a folder of their own, of which `aphlict.json` is a configuration. */
async function withConfig(
  change: (config: Record<string, unknown>, folder: string) => unknown,
  test: (path: string, folder: string) => Promise<void>,
): Promise<void> {
  // A space and a quote, because an administrator's folder may have them.
  const folder = Deno.makeTempDirSync({ prefix: "aphlict's test-" });
  try {
    const [client, admin] = freePorts(2);
    const config: Record<string, unknown> = {
      servers: [
        { type: "client", port: client, listen: "127.0.0.1" },
        { type: "admin", port: admin },
      ],
      logs: [{ path: `${folder}/log/aphlict.log` }],
      pidfile: `${folder}/pid/aphlict.pid`,
    };
    const path = `${folder}/aphlict.json`;
    Deno.writeTextFileSync(path, JSON.stringify(change(config, folder) ?? config));
    await test(path, folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function unchanged(): void {}

/** The ports of the two servers in a configuration file. */
function portsOf(path: string): { client: number; admin: number } {
  const { servers } = JSON.parse(Deno.readTextFileSync(path));
  return { client: servers[0].port, admin: servers[1].port };
}

for (const verb of ["serve", "debug"]) {
  Deno.test(`bin/aphlict ${verb} becomes a process that holds the derived flags and nothing else`, async () => {
    await withConfig(unchanged, async (path, folder) => {
      await using process = launch(verb, "--config", path);
      await process.line(/Permissions: /);
      // The process that the shell was is now the service.
      const command = Deno.readTextFileSync(`/proc/${process.pid}/cmdline`).split("\0");
      const { client, admin } = portsOf(path);
      const logs = [0, 1, 2, 3, 4, 5].map((n) => `${folder}/log/aphlict.log${n ? `.${n}` : ""}`);
      assertEquals(command, [
        Deno.execPath(),
        "run",
        `--config=${ROOT}deno.json`,
        "--no-prompt",
        "--cached-only",
        "--deny-import",
        `--allow-net=127.0.0.1:${client},127.0.0.1:${admin}`,
        `--allow-read=${[path, ...logs].join(",")}`,
        `--allow-write=${logs.join(",")}`,
        `${ROOT}main.ts`,
        verb,
        "--config",
        path,
        "",
      ]);
      assertMatch(await publish(admin, { subscribers: [] }), /^\w{16}$/);
      process.kill("SIGTERM");
      assertEquals((await process.ended()).code, 0);
    });
  });
}

Deno.test("bin/aphlict serve with an invalid configuration names the problems and fails with 1", async () => {
  await withConfig(() => ({ servers: [{ type: "clinet", port: 1 }] }), async (path) => {
    const { code, output } = await aphlict("serve", `--config=${path}`);
    assertEquals(code, 1);
    assertMatch(output, /servers\[0\]\.type: .*Did you mean "client"\?/);
    assertMatch(output, /pidfile: /);
  });
});

Deno.test("bin/aphlict works through a symbolic link and from any folder", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "aphlict-test-" });
  try {
    Deno.symlinkSync(APHLICT, `${folder}/aphlict`);
    await using process = new Process(`${folder}/aphlict`, ["version"], {
      cwd: folder,
      env: { DENO: Deno.execPath() },
    });
    assertEquals((await process.ended()).code, 0);
    assertMatch(process.output, /^aphlict \d+\.\d+\.\d+ \(deno [\d.]+, v8 \S+\)$/);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("check says OK with a summary, and leaves nothing behind", async () => {
  await withConfig(unchanged, async (path, folder) => {
    const { code, output } = await aphlict("check", "--config", path);
    const { client, admin } = portsOf(path);
    assertEquals(code, 0);
    assertStringIncludes(
      output,
      [
        `OK: ${path}`,
        `  client server at 127.0.0.1:${client}, plain text`,
        `  admin server at 127.0.0.1:${admin}, plain text`,
        `  log ${folder}/log/aphlict.log, rotated at 16 MiB, 5 kept`,
        `  pidfile ${folder}/pid/aphlict.pid`,
      ].join("\n"),
    );
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["aphlict.json"]);
  });
});

Deno.test("check reports all that stands in the way of a start at once", async () => {
  const authority = makeAuthority("Test");
  const [mine, other] = [makeCertificate(authority), makeCertificate(authority)];
  const expired = makeCertificate(authority, -60_000);
  const [port1, port2, port3, port4] = freePorts(4);
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await withConfig((config, folder) => {
    const files = {
      "mine.crt": mine.cert,
      "other.key": other.key,
      "expired.crt": expired.cert,
      "expired.key": expired.key,
      "text.crt": "no certificate",
      "file": "not a folder",
    };
    for (const [name, text] of Object.entries(files)) {
      Deno.writeTextFileSync(`${folder}/${name}`, text);
    }
    const tls = (key: string, cert: string) => ({
      "ssl.key": `${folder}/${key}`,
      "ssl.cert": `${folder}/${cert}`,
    });
    const listen = "127.0.0.1";
    return {
      ...config,
      servers: [
        { type: "client", listen, port: port1, ...tls("other.key", "mine.crt") },
        { type: "client", listen, port: port2, ...tls("expired.key", "expired.crt") },
        { type: "client", listen, port: port3, ...tls("other.key", "text.crt") },
        { type: "client", listen, port: port4, ...tls("missing.key", "mine.crt") },
        { type: "admin", port: taken.addr.port },
        { type: "admin", port: 1, listen: "192.0.2.1" },
      ],
      logs: [{ path: `${folder}/file/aphlict.log` }],
      pidfile: `${folder}/file/aphlict.pid`,
    };
  }, async (path, folder) => {
    const { code, output } = await aphlict("check", "--config", path);
    assertEquals(code, 1);
    const lines = output.split("\n").filter((line) => line.startsWith("  "));
    const expected = [
      /^ {2}servers\[0\]\.ssl\.key: Key .*other\.key does not belong to certificate .*mine\.crt/,
      /^ {2}servers\[1\]\.ssl\.cert: Certificate .*expired\.crt expired on \d{4}-/,
      /^ {2}servers\[2\]\.ssl\.cert: .*text\.crt holds no certificate/,
      /^ {2}servers\[3\]\.ssl\.key: Cannot read .*missing\.key: it does not exist/,
      /^ {2}servers\[4\]: Cannot bind admin server 127\.0\.0\.1:\d+: the address is already in use/,
      /^ {2}servers\[5\]: Cannot bind admin server 192\.0\.2\.1:1: this host has no such address/,
      /^ {2}logs\[0\]\.path: Cannot write /,
      /^ {2}pidfile: Cannot write /,
    ];
    assertEquals(lines.length, expected.length, output);
    for (const [index, pattern] of expected.entries()) assertMatch(lines[index] ?? "", pattern);
    assertStringIncludes(output, `Cannot use ${folder}/aphlict.json: 8 problems.`);
  });
});

Deno.test("check tells line and column of a syntax error", async () => {
  await withConfig(unchanged, async (path) => {
    Deno.writeTextFileSync(path, '{\n  "servers": [}\n');
    const { code, output } = await aphlict("check", "--config", path);
    assertEquals(code, 1);
    assertStringIncludes(output, "line 2, column 15");
  });
});

Deno.test("permissions prints flags that a shell takes as they are, or JSON", async () => {
  await withConfig(unchanged, async (path) => {
    const json = await aphlict("permissions", "--config", path, "--format", "json");
    const { net, read, write, flags } = JSON.parse(json.output);
    const { client, admin } = portsOf(path);
    assertEquals(net, [`127.0.0.1:${client}`, `127.0.0.1:${admin}`]);
    assertEquals([read.length, write.length], [7, 6]);
    const { code, output } = await aphlict("permissions", "--config", path);
    assertEquals(code, 0);
    await using shell = new Process("sh", ["-c", `printf '%s\\n' ${output}`]);
    await shell.ended();
    assertEquals(shell.output.split("\n"), flags);
  });
});

for (
  const [args, complaint] of [
    [[], /^Usage: aphlict VERB/],
    [["serv"], /^Unknown command "serv"\. Did you mean "serve"\?/],
    [["__proto__"], /^Unknown command "__proto__"\. There are: /],
    [["check", "--confg", "x"], /^Unknown option "--confg"\. Did you mean "--config"\?/],
    [["check", "--config"], /^"--config" needs a value/],
    [["check", "extra"], /^"check" does not take "extra"/],
    [["permissions", "--format", "xml"], /"--format xml" is not one of flags, json, sh/],
    [["help", "chek"], /^Unknown command "chek"\. Did you mean "check"\?/],
  ] as const
) {
  Deno.test(`"aphlict ${args.join(" ")}" is answered with what was meant and exit code 2`, async () => {
    const { code, output } = await aphlict(...args);
    assertEquals(code, 2);
    assertMatch(output, complaint);
  });
}

for (
  const [args, answer] of [
    [["help"], /^Usage: aphlict VERB[^]*serve[^]*debug[^]*check[^]*permissions[^]*version[^]*help/],
    [["help", "serve"], /^Usage: aphlict serve \[OPTION\.\.\.\][^]*--config PATH/],
    [["check", "--help"], /^Usage: aphlict check/],
    [["serve", "-h"], /^Usage: aphlict serve/],
    [["--version"], /^aphlict \d/],
  ] as const
) {
  Deno.test(`"aphlict ${args.join(" ")}" is answered with exit code 0`, async () => {
    const { code, output } = await aphlict(...args);
    assertEquals(code, 0);
    assertMatch(output, answer);
  });
}
