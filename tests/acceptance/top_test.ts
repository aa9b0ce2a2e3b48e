/**
 * `aphlict top`: one screen of it, and a terminal.
 */

import { UNPRINTABLE } from "../../src/text.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { Folder } from "../folder.ts";
import { Browser } from "./browser.ts";
import { aphlict, serve } from "./command.ts";
import { APHLICT } from "./program.ts";
import { freePorts } from "./ports.ts";
import { Process } from "./process.ts";
import { publish, writeConfig, type Written } from "./server.ts";

/** Runs `top` in a terminal of its own. What it writes has no lines to speak of. */
function inTerminal({ path }: Written, columns: number = 100, hasInput = false): Process {
  const command =
    `stty rows 24 cols ${columns}; echo pid $$; exec ${APHLICT} top --interval 0.2 --config ${path}`;
  const env = { DENO: Deno.execPath() };
  return new Process("script", ["-qefc", command, "/dev/null"], { env, hasInput });
}

async function pidOf(process: Process): Promise<number> {
  return Number(/\d+/.exec(await process.line(/^pid \d+/))?.[0]);
}

Deno.test("top --once shows the figures, and of messages all but their content", async () => {
  using folder = new Folder();
  const [down = 0] = freePorts(1);
  const written = writeConfig(folder, {
    cluster: [{ host: "127.0.0.1", port: down, protocol: "http" }],
  });
  await using _service = await serve(written);
  await using _browser = await Browser.open(written.client, { topics: ["A", "B"] });
  const type = "news\x1b[2J";
  await publish(written.admin, { type, subscribers: ["A"], text: "secret" }, { instance: "acme" });
  await publish(written.admin, { type: "other", subscribers: ["A"] });
  await (await fetch(`http://127.0.0.1:${written.admin}/nothing`)).body?.cancel();
  const { code, output } = await aphlict("top", "--config", written.path, "--once");
  assertEquals(code, 0, output);
  assertMatch(output, /^Aphlict \S+ \w{16} at [\d:]{8}: ready, up \d+s$/m);
  assertMatch(output, /^browsers {4}1 of \d+,000, 2 subscriptions, \d instances?$/m);
  assertMatch(output, /^messages .*, 2 in and 1 out in all$/m);
  assertMatch(output, /^admin .*\n {2}refused {3}1 misdirected$/m);
  assertMatch(output, /^peer {8}http:\/\/127\.0\.0\.1:\d+\/ (DOWN|unknown), 2 waiting/m);
  assertMatch(output, /^ {2}[\d:]{8} {2}1 topic, 1 receiver, \d+ bytes {2}default {2}other$/m);
  assertMatch(
    output,
    /^ {2}[\d:]{8} {2}1 topic, 0 receivers, \d+ bytes {2}acme {2}news\\u\{1b\}\[2J$/m,
  );
  assertEquals(output.includes("secret"), false);
  for (const line of output.split("\n")) assertEquals(line.match(UNPRINTABLE), null);
});

Deno.test("top without a terminal prints one screen, and fails when there is no service", async () => {
  using folder = new Folder();
  const written = writeConfig(folder);
  const { code, output } = await aphlict("top", "--config", written.path);
  assertEquals(code, 1);
  assertEquals(
    output,
    `http://127.0.0.1:${written.admin}/ refuses the connection: nothing listens there.`,
  );
});

Deno.test("in a terminal top goes on when the service goes and comes, and leaves the screen as it was", async () => {
  using folder = new Folder();
  const written = writeConfig(folder);
  await using top = inTerminal(written);
  const pid = await pidOf(top);
  await top.line(/The service is gone: http:\S+ refuses the connection/);
  {
    await using _service = await serve(written);
    await top.line(/Aphlict \S+ \w{16} at .*: ready/);
  }
  await top.line(/It was last seen at /);
  Deno.kill(pid, "SIGINT");
  assertEquals((await top.ended()).code, 0);
  assert(top.output.includes("\x1b[?1049h"), "it takes another screen");
  assertStringIncludes(top.output.slice(-20), "\x1b[?25h\x1b[?1049l");
});

for (const columns of [80, 40]) {
  Deno.test(`in a terminal of ${columns} columns and 24 rows top shows whole figures, and its key in the last line`, async () => {
    using folder = new Folder();
    const [down = 0] = freePorts(1);
    const written = writeConfig(folder, {
      cluster: [{ host: "127.0.0.1", port: down, protocol: "http" }],
    });
    await using _service = await serve(written);
    await publish(written.admin, { type: "t".repeat(80), subscribers: ["A"] });
    await using top = inTerminal(written, columns);
    const pid = await pidOf(top);
    await top.line(/q quits, as Ctrl-C does\./);
    Deno.kill(pid, "SIGINT");
    assertEquals((await top.ended()).code, 0);
    const [screen = ""] = top.output.split("\x1b[H").slice(1);
    // deno-lint-ignore no-control-regex -- what moves the cursor is not shown
    const lines = screen.split("\x1b[J")[0]?.replaceAll(/\x1b\[K|\r/g, "").split("\n") ?? [];
    assertEquals(lines.length, 24);
    assertEquals(lines.at(-1), "q quits, as Ctrl-C does.");
    for (const line of lines) assert([...line].length <= columns, line);
    const text = lines.join(" ").replaceAll(/\s+/g, " ");
    for (
      const figure of [
        /subscriptions, 1 instance/,
        /lag \d+ ms/,
        /resident [\d.,]+ MiB/,
        /0 dropped/,
      ]
    ) {
      assertMatch(text, figure);
    }
    assertEquals(lines.filter((line) => line.endsWith("…") && !line.includes(" 1 topic")), []);
  });
}

Deno.test("q ends top, and leaves the screen as it was", async () => {
  using folder = new Folder();
  await using top = inTerminal(writeConfig(folder), 100, true);
  await top.line(/The service is gone: /);
  await top.input("q");
  assertEquals((await top.ended()).code, 0);
  assertStringIncludes(top.output.slice(-20), "\x1b[?25h\x1b[?1049l");
});
