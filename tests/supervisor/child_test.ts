import { fileURLToPath } from "node:url";
import { systemClock } from "../../src/clock.ts";
import { loadConfig } from "../../src/config/load.ts";
import { Child, spawn } from "../../src/supervisor/child.ts";
import type { ReloadOutcome } from "../../src/supervisor/channel.ts";
import { assertEquals } from "../assert.ts";

const CONFIG = loadConfig(fileURLToPath(new URL("../../conf/aphlict.local.json", import.meta.url)));

/** It takes its configuration and listens. */
const LISTENING = `read -r config; echo '{"type":"listening","pid":1,"urls":[]}'`;

/** A service that is a shell script. */
function childOf(
  script: string,
  late: (outcome: ReloadOutcome) => void = () => {},
  show: (line: string) => void = () => {},
): Child {
  return new Child(spawn("sh", ["-c", script]), CONFIG, systemClock, show, late);
}

/** It answers the reload with this number. */
function answering(number: number, line: string): string {
  const outcome = { ok: true, lines: [line] };
  return `echo '${JSON.stringify({ type: "reloaded", number, outcome })}'`;
}

// That no timer is left, which would kill the service later, is seen by the sanitizer.
Deno.test("a service that has listened in time may run for ever", async () => {
  const child = childOf(`${LISTENING}; read -r line`);
  assertEquals((await child.start).type, "listening");
  assertEquals(await child.stop(30_000), false);
});

Deno.test("a reload of a service that ends meanwhile is refused at once", async () => {
  const child = childOf(`${LISTENING}; read -r line; exit 3`);
  await child.start;
  assertEquals(await child.reload(CONFIG), {
    ok: false,
    lines: ["The service ended with code 3 meanwhile."],
  });
  await child.ended;
});

Deno.test("a reload's answer that comes too late is told, and not taken for the next one's", async () => {
  const late: ReloadOutcome[] = [];
  const child = childOf(
    `${LISTENING}; read -r first; read -r second; ${answering(1, "first")}; ${
      answering(7, "made up")
    }
     ${answering(2, "second")}; ${answering(1, "again")}; read -r line`,
    (outcome) => late.push(outcome),
  );
  await child.start;
  assertEquals(await child.reload(CONFIG, 1), {
    ok: false,
    lines: ["The service did not answer within 1 ms."],
  });
  assertEquals(await child.reload(CONFIG), { ok: true, lines: ["second"] });
  assertEquals(late, [{ ok: true, lines: ["first"] }]);
  await child.stop(30_000);
});

Deno.test("each command to a service has a number of its own, the start has 0", async () => {
  const shown: string[] = [];
  const script = `read -r config; echo "$config" >&2; echo '{"type":"listening","pid":1,"urls":[]}'
    read -r one; echo "$one" >&2; ${answering(1, "done")}; read -r two; echo "$two" >&2
    ${answering(2, "done")}; read -r line`;
  const child = childOf(script, () => {}, (line) => shown.push(line));
  await child.start;
  for (let count = 0; count < 2; count++) await child.reload(CONFIG);
  await child.stop(30_000);
  assertEquals(shown.map((line) => /"number":(\d+)/.exec(line)?.[1]), ["0", "1", "2"]);
});

Deno.test("a service that ends before it listens has failed, with what it said last", async () => {
  const child = childOf("echo one >&2; echo >&2; printf two >&2; exit 4");
  assertEquals(await child.start, {
    type: "failed",
    problems: ["The service ended with code 4 before it listened.", "one", "two"],
  });
});

Deno.test("of what a service said last ten lines are kept, of 300 characters each", async () => {
  const long = "x".repeat(400);
  const child = childOf(`for n in 1 2 3 4 5 6 7 8 9 10 11 12; do echo "$n ${long}" >&2; done`);
  await child.ended;
  assertEquals(
    child.lastWords,
    [3, 4, 5, 6, 7, 8, 9, 10, 11, 12].map((n) => `${n} ${long}`.slice(0, 300)),
  );
});

Deno.test("where a service listens, and as which process, is not taken from its word", async () => {
  const lie = '{"type":"listening","pid":1,"urls":["http://127.0.0.1:9/secret/"]}';
  const child = childOf(`read -r config; echo '${lie}'; read -r line`);
  assertEquals(await child.start, {
    type: "listening",
    pid: child.pid,
    urls: ["ws://0.0.0.0:22280/", "http://127.0.0.1:22281/"],
  });
  await child.stop(30_000);
});

Deno.test("what a service says steers no terminal", async () => {
  const shown: string[] = [];
  const script = `printf '\\033]0;owned\\007\\n' >&2; read -r config
    echo '{"type":"failed","problems":["\\u001b[2J"]}'`;
  const child = childOf(script, () => {}, (line) => shown.push(line));
  assertEquals(await child.start, { type: "failed", problems: ["\\u{1b}[2J"] });
  await child.ended;
  assertEquals(shown, ["\\u{1b}]0;owned\\u{7}"]);
});
