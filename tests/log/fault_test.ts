import { logCounters } from "../../src/log/counters.ts";
import { attempt, fault } from "../../src/log/fault.ts";
import { closeLog } from "../../src/log/log.ts";
import { assertEquals, assertMatch } from "../assert.ts";
import { ROOT } from "../acceptance/program.ts";
import { Folder } from "../folder.ts";
import { openLogFile } from "./open.ts";

/** What `action` logs, a line each. */
async function logged(action: () => void): Promise<string[]> {
  using folder = new Folder();
  const path = `${folder.path}/a.log`;
  openLogFile(path);
  action();
  await closeLog();
  return Deno.readTextFileSync(path).split("\n").slice(0, -1);
}

Deno.test("an internal error is logged with its stack on one line, and counted", async () => {
  const before = logCounters.internalErrors;
  const [line = "", ...more] = await logged(() => fault("doing one thing", new RangeError("boom")));
  assertMatch(
    line,
    /ERROR Internal error while doing one thing\. It is a defect of Aphlict, please report it: RangeError: boom\\u\{a\} +at .*fault_test\.ts/,
  );
  assertEquals([more, logCounters.internalErrors - before], [[], 1]);
});

Deno.test("a long stack is logged up to 4,000 characters, and what is no error as text", async () => {
  const error = new Error("boom");
  error.stack = "x".repeat(5000);
  const [long = "", short = ""] = await logged(() => {
    fault("doing another thing", error);
    fault("doing another thing", "a text");
  });
  assertEquals(/x+$/.exec(long)?.[0].length, 4000);
  assertMatch(short, /: a text$/);
});

Deno.test("an attempt that fails is an internal error, and what comes after it goes on", async () => {
  const before = logCounters.internalErrors;
  let done = false;
  const lines = await logged(() => {
    attempt("trying", () => {
      throw new TypeError("boom");
    });
    attempt("trying", () => {
      done = true;
    });
  });
  assertEquals([lines.length, done, logCounters.internalErrors - before], [1, true, 1]);
});

Deno.test("internal errors of one kind are logged 30 times in a minute, the others are counted", async () => {
  const before = { ...logCounters };
  const { setTimeout } = globalThis;
  let endOfPeriod = () => {};
  const lines = await logged(() => {
    Object.assign(globalThis, {
      setTimeout(callback: () => void): number {
        endOfPeriod = callback;
        return 0;
      },
    });
    try {
      for (let index = 0; index < 40; index++) fault("repeating itself", new Error("boom"));
      fault("doing a third thing", new Error("boom"));
    } finally {
      Object.assign(globalThis, { setTimeout });
    }
    endOfPeriod();
  });
  assertEquals(lines.filter((line) => line.includes("while repeating itself. ")).length, 30);
  assertEquals(lines.filter((line) => line.includes("while doing a third thing. ")).length, 1);
  assertMatch(
    lines.at(-1) ?? "",
    /ERROR 10 more internal errors while repeating itself were not logged in the last minute\.$/,
  );
  assertEquals([
    logCounters.internalErrors - before.internalErrors,
    logCounters.leftOut - before.leftOut,
  ], [41, 10]);
});

/** What a process writes that runs `code`, with the modules of the project at hand. */
async function run(code: string): Promise<string> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `import { logUnexpectedErrors } from "file://${ROOT}src/log/fault.ts";
      import { logCounters } from "file://${ROOT}src/log/counters.ts";
       logUnexpectedErrors();
       for (const type of ["error", "unhandledrejection"]) {
         addEventListener(type, () => setTimeout(() => console.log(logCounters.internalErrors)));
       }
       ${code}`,
    ],
    cwd: ROOT,
  }).output();
  const decoder = new TextDecoder();
  return decoder.decode(stdout) + decoder.decode(stderr);
}

for (
  const [what, code] of [
    ["thrown by a timer", 'setTimeout(() => { throw new Error("boom"); });'],
    ["reported", 'reportError(new Error("boom"));'],
    ["of a promise that nothing awaits", 'void Promise.reject(new Error("boom"));'],
  ] as const
) {
  Deno.test(`an error ${what} is counted once, and the process goes on`, async () => {
    assertEquals(await run(code), "1\n");
  });
}
