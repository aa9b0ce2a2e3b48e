import { NO_JOURNAL } from "../../src/log/console.ts";
import { openLog } from "../../src/log/log.ts";
import { LOG_DEFAULTS } from "../entries.ts";

/** Opens a log with one file and no console. */
export function openLogFile(path: string): void {
  openLog({
    files: [{ path, ...LOG_DEFAULTS }],
    level: "info",
    console: "none",
    journal: NO_JOURNAL,
    onTrouble: "throw",
    writer: "rotating",
  });
}
