import { LOG_DEFAULTS } from "../../src/config/logs.ts";
import { openLog } from "../../src/log/log.ts";

/** Opens a log with one file and no console. */
export function openLogFile(path: string): void {
  openLog({
    files: [{ path, ...LOG_DEFAULTS }],
    level: "info",
    console: "none",
    onTrouble: "throw",
    writer: "rotating",
  });
}
