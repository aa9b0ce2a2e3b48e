import { assertEquals } from "../assert.ts";
import { ROOT } from "../acceptance/program.ts";

/** What a process writes that runs `code`, with the modules of the project at hand. */
async function run(code: string): Promise<string> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `import { logUnexpectedErrors } from "file://${ROOT}src/cli/unexpected.ts";
       import { logCounters } from "file://${ROOT}src/log/counters.ts";
       logUnexpectedErrors();
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
    assertEquals(
      await run(`${code} setTimeout(() => console.log(logCounters.internalErrors), 50);`),
      "1\n",
    );
  });
}
