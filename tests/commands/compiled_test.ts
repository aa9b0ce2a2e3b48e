/**
 * An executable that was compiled for one configuration.
 *
 * `deno compile` needs denort, which not every network has. So deno runs the bundle with what the
 * compiler would be told to put into it, flags and first argument; where the environment has
 * `APHLICT_COMPILE` (`deno task test-compiled`), the same is tried on what was really compiled.
 */

import { assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { loadConfig } from "../../src/config/load.ts";
import { compileArguments } from "../../packaging/compile.ts";
import { Folder } from "../folder.ts";
import { Browser } from "../acceptance/browser.ts";
import type { Outcome } from "../acceptance/process.ts";
import { DENIED, FORBIDDEN, valuesOf } from "../acceptance/forbidden.ts";
import { freePorts } from "../acceptance/ports.ts";
import { assertOutcome, Process } from "../acceptance/process.ts";
import { ROOT } from "../acceptance/program.ts";
import { publish, writeConfig, type Written } from "../acceptance/server.ts";

const BUNDLE = `${ROOT}dist/aphlict.js`;

/** How the executable is had. */
type Way = "run by deno as it would be compiled" | "compiled";

const WAYS: readonly Way[] = [
  "run by deno as it would be compiled",
  ...Deno.env.has("APHLICT_COMPILE") ? ["compiled" as const] : [],
];

/** An executable, its configuration and their folder. Dispose of it. */
class Executable implements Disposable {
  readonly folder = new Folder();
  readonly written: Written;
  readonly #way: Way;
  /** What the executable is called. */
  readonly name = `executable-${crypto.randomUUID()}`;
  #made = 0;
  #command: readonly string[] = [];

  /** @param change Keys of the configuration to change. */
  private constructor(way: Way, change: Record<string, unknown>) {
    this.#way = way;
    this.written = writeConfig(this.folder, change);
  }

  static async make(way: Way, change: Record<string, unknown> = {}): Promise<Executable> {
    const executable = new Executable(way, change);
    executable.#command = await executable.#make(BUNDLE);
    return executable;
  }

  /** The command that runs a script with what the compiler is told to put into an executable. */
  async #make(script: string): Promise<readonly string[]> {
    const path = `${this.folder.path}/${this.name}-${this.#made++}`;
    const args = compileArguments(loadConfig(this.written.path), script, path);
    if (this.#way === "compiled") {
      await using compiler = new Process(Deno.execPath(), args);
      assertEquals((await compiler.ended()).code, 0, compiler.output);
      return [path];
    }
    const output = args.indexOf("--output");
    return [Deno.execPath(), ...args.with(0, "run").toSpliced(output, 2)];
  }

  launch(...args: readonly string[]): Process {
    const [command = "", ...before] = this.#command;
    return new Process(command, [...before, ...args], { env: { SECRET: "hunter2" }, cwd: "/" });
  }

  async run(...args: readonly string[]): Promise<Outcome> {
    await using process = this.launch(...args);
    return await process.outcome();
  }

  /** Runs a script with the executable's own permissions. */
  async probe(code: string): Promise<string> {
    const [command = "", ...args] = await this.#make(this.folder.write("probe.js", code));
    await using process = new Process(command, args, { env: { SECRET: "hunter2" }, cwd: "/" });
    await process.ended();
    return process.output;
  }

  [Symbol.dispose](): void {
    this.folder[Symbol.dispose]();
  }
}

for (const way of WAYS) {
  const test = (name: string, body: () => Promise<void>) =>
    Deno.test(`an executable (${way}) ${name}`, body);

  test("says that it is compiled, and for what", async () => {
    using executable = await Executable.make(way);
    assertMatch((await executable.run("version")).output, /^aphlict \S+ \(compiled, deno /);
    const { output } = await executable.run("serve", "--config", "/etc/other.json");
    assertEquals(
      output,
      `This executable was compiled for ${executable.written.path}, under this name, and may read no ` +
        "other configuration. To compile one for /etc/other.json: in a clone of the repository, deno " +
        "task compile --config /etc/other.json (with --installed-as where the file is not the one of " +
        "the host that runs it)",
    );
  });

  test("serves, and answers every question about it without a supervisor", async () => {
    using executable = await Executable.make(way);
    const { client, admin, path } = executable.written;
    assertEquals((await executable.run("status")).output, "Aphlict is not running.");
    assertMatch((await executable.run("health")).output, /^Not ready: .* nothing listens there\./);
    const check = await executable.run("check");
    assertEquals(check.code, 0, check.output);
    assertStringIncludes(check.output, `OK: ${path}\n  client server at 127.0.0.1:${client}`);
    await using service = executable.launch("serve");
    await service.line(/has fingerprint /);
    assertEquals(service.output.includes("WARNING"), false, "it holds no more than it needs");

    await using browser = await Browser.open(client, { topics: ["A"] });
    await publish(admin, { subscribers: ["A"], type: "test" });
    assertEquals(JSON.parse(await browser.next()).type, "test");

    assertOutcome(await executable.run("health"), 0, "ready");
    const status = await executable.run("status");
    assertEquals(status.code, 0);
    assertMatch(status.output, /^Aphlict is running\. There is no supervisor.*\nservice +up /);
    assertStringIncludes(status.output, "\nbrowsers    1 connected, 1 in all\n");
    const { running, overseer } = JSON.parse((await executable.run("status", "--json")).stdout);
    assertEquals([running, overseer], [true, null]);

    const again = await executable.run("check");
    assertEquals(again.code, 0, `beside the service: ${again.output}`);

    await using listener = executable.launch("listen", "B");
    await listener.line(/listening/i);
    const sent = await executable.run("send", "--to", "B", '{"type":"hello"}');
    assertMatch(sent.output, /^Sent to B: received by server \w{16}\.\nHere 1 browser got it\.$/);
    await listener.line(/hello: \{/);

    const { code, output } = await executable.run("doctor");
    assertEquals(code, 0, output);
    assertMatch(output, /^✓ message /m);
    assertMatch((await executable.run("permissions")).output, /^--no-prompt /);
    service.kill("SIGTERM");
    assertEquals((await service.ended()).code, 0);
    assertEquals((await browser.closed).code, 1001);
  });

  for (
    const [verb, instead] of [
      ["start", "systemctl start aphlict"],
      ["stop", "systemctl stop aphlict"],
      ["restart", "systemctl restart aphlict"],
      ["reload", "systemctl reload aphlict"],
      ["run", "aphlict serve"],
      ["supervisor", "aphlict serve"],
    ] as const
  ) {
    test(`says what does the work of ${verb}, which it may not`, async () => {
      using executable = await Executable.make(way);
      const { code, output } = await executable.run(verb);
      assertEquals(code, 1);
      assertMatch(
        output,
        new RegExp(`^"aphlict ${verb}" .*compiled\\.conf.*: ${instead}$`),
      );
    });
  }

  test("says what it may not do for a configuration that has changed since", async () => {
    using executable = await Executable.make(way);
    const { path, client } = executable.written;
    const [other = 0] = freePorts(1);
    const config = JSON.parse(Deno.readTextFileSync(path));
    config.servers[1].port = other;
    config.logs.push({ path: "/var/log/other.log", "rotate.size": 0 });
    Deno.writeTextFileSync(path, JSON.stringify(config));
    for (const verb of ["serve", "check", "doctor"]) {
      const { code, output } = await executable.run(verb);
      assertEquals(code, 1);
      assertStringIncludes(
        output,
        `may not bind or reach 127.0.0.1:${other}, write /var/log/other.log. ` +
          `To compile it again: in a clone of the repository, deno task compile --config ${path} `,
      );
      assertEquals(output.includes(`:${client}`), false);
    }
  });

  test("names the bundle for an address that its configuration does not name", async () => {
    using executable = await Executable.make(way);
    for (const verb of [["doctor"], ["listen", "A"]]) {
      const { code, output } = await executable.run(
        ...verb,
        "--url",
        "wss://phorge.example.com/ws/",
      );
      assertEquals(code, 1);
      assertMatch(output, /may reach no address that is not named there.*aphlict\.js/);
    }
  });

  test("names the bundle for an authority that its configuration does not name", async () => {
    using executable = await Executable.make(way);
    const url = `ws://127.0.0.1:${executable.written.client}/`;
    const { code, output } = await executable.run(
      "listen",
      "A",
      "--url",
      url,
      "--ca",
      "/etc/ca.pem",
    );
    assertEquals(code, 1);
    assertMatch(
      output,
      /may read no file that is not named there\. To trust \/etc\/ca\.pem, use the/,
    );
  });

  test("leaves nothing where everybody may write, under a name that everybody can guess", async () => {
    using executable = await Executable.make(way);
    await using service = executable.launch("serve");
    await service.line(/has fingerprint /);
    service.kill("SIGTERM");
    await service.ended();
    const left = [...Deno.readDirSync("/tmp")].filter(({ name }) => name.includes(executable.name));
    assertEquals(left.map(({ name }) => name), []);
  });

  test("takes up a renewed configuration by SIGHUP, as far as its permissions go", async () => {
    using executable = await Executable.make(way);
    const { path } = executable.written;
    await using service = executable.launch("serve");
    await service.line(/has fingerprint /);
    const config = JSON.parse(Deno.readTextFileSync(path));
    Deno.writeTextFileSync(path, JSON.stringify({ ...config, drain: 1 }));
    service.kill("SIGHUP");
    await service.line(/Reload: Configuration, certificates, tokens and logs were read again\./);
  });

  for (const [deed, code] of Object.entries(FORBIDDEN)) {
    test(`cannot ${deed}`, async () => {
      const [peer = 0, other = 0] = freePorts(2);
      using executable = await Executable.make(way, {
        cluster: [{ host: "127.0.0.1", port: peer, protocol: "http" }],
      });
      const values = valuesOf(executable.written, { peer, other });
      assertMatch(await executable.probe(code(values)), DENIED);
    });
  }
}
