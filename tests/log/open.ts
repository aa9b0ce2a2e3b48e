import { NO_JOURNAL } from "../../src/log/streams.ts";
import { closeLog, openLog } from "../../src/log/log.ts";
import { LOG_DEFAULTS } from "../entries.ts";
import { Folder } from "../folder.ts";

/** Opens a log with one file and no console. */
export function openLogFile(path: string): void {
  openLog({
    files: [{ path, ...LOG_DEFAULTS }],
    level: "info",
    console: "none",
    journal: NO_JOURNAL,
    onFileError: "throw",
    writer: "rotating",
  });
}

/** Runs, and returns the lines that the log has got meanwhile, without their times. */
export async function logged(run: () => Promise<void>): Promise<string[]> {
  using folder = new Folder();
  const path = `${folder.path}/log`;
  openLogFile(path);
  try {
    await run();
  } finally {
    await closeLog();
  }
  return Deno.readTextFileSync(path).trimEnd().split("\n")
    .map((line) => line.replace(/^.*?\] /, ""));
}
