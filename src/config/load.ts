/**
 * Finds and reads the configuration file.
 *
 * @module
 */

import type { Config } from "./config.ts";
import { type Duplicate, findDuplicates } from "./duplicates.ts";
import { ConfigError } from "./error.ts";
import { pathFault } from "./files.ts";
import { JsoncSyntaxError, parseJsonc } from "./jsonc.ts";
import { followLink } from "./logs.ts";
import { IrregularFile, readRegularFile } from "./regular_file.ts";
import { validate } from "./validate.ts";
import { messageOf, quote } from "../text.ts";

/** The largest configuration, far more than one needs: a larger file is another file, a log for instance. */
const MAX_BYTES = 1024 * 1024;

/**
 * Reads and checks a configuration file.
 *
 * @throws {ConfigError} If it cannot be read, is no JSONC, or says something that cannot be used.
 */
export function loadConfig(path: string): Config {
  // Its own path goes into a permission flag too. A path that cannot would be refused as not permitted.
  const fault = pathFault(path);
  if (fault !== null) throw refuse(path, `${quote(path)} is not a path. ${fault}`.trimEnd());
  const config = validate(path, parse(path, decode(path, read(path))));
  return { ...config, logs: config.logs.map((log) => followLink(log, readLink)) };
}

/** Returns the target of a symbolic link, for {@linkcode followLink}. */
function readLink(path: string): string | null {
  try {
    return Deno.readLinkSync(path);
  } catch {
    // It is no link, or does not exist. A link that this process may not look at is not one of its permissions.
    return null;
  }
}

/**
 * Finds the keys that a configuration file has twice in one object; see {@linkcode findDuplicates}.
 *
 * @throws {ConfigError} If it cannot be read.
 */
export function loadDuplicates(path: string): Duplicate[] {
  return findDuplicates(decode(path, read(path)));
}

/** The path of a pidfile, and what else is wrong with the file that names it. */
export interface NamedPidfile {
  readonly pidfile: string;
  /** The configuration; `null` when there is an error. */
  readonly config: Config | null;
  readonly error: ConfigError | null;
}

/**
 * Returns the pidfile of a configuration file, even of one that cannot be used for anything else: a running
 * Aphlict must be found and stopped whatever has been written into the file since.
 *
 * @throws {ConfigError} If it cannot be read, or names no pidfile that could be understood.
 */
export function loadPidfile(path: string): NamedPidfile {
  try {
    const config = loadConfig(path);
    return { pidfile: config.pidfile, config, error: null };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const pidfile = findPidfile(path);
    if (pidfile === null) throw error;
    return { pidfile, config: null, error };
  }
}

function findPidfile(path: string): string | null {
  try {
    const pidfile = pidfileIn(decode(path, read(path)));
    return typeof pidfile === "string" && pathFault(pidfile) === null ? pidfile : null;
  } catch (error) {
    if (error instanceof ConfigError || error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Returns the pidfile that a text names; where it is no JSONC, the part that looks most like it. */
function pidfileIn(text: string): unknown {
  try {
    const value = parseJsonc(text);
    return typeof value === "object" && value !== null && "pidfile" in value ? value.pidfile : null;
  } catch (error) {
    if (!(error instanceof JsoncSyntaxError)) throw error;
    const [, quoted = "null"] = /"pidfile"\s*:\s*("(?:[^"\\\n]|\\.)*")/.exec(text) ?? [];
    return JSON.parse(quoted);
  }
}

function read(path: string): Uint8Array {
  try {
    return readRegularFile(path, { limit: MAX_BYTES });
  } catch (cause) {
    throw refuse(path, configReadFault(cause), cause);
  }
}

/** Returns what to tell about a file that cannot be read. */
export function configReadFault(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) {
    return "The file does not exist. Create it, mount its folder if this is a container, or name another with " +
      "--config.";
  }
  if (error instanceof Deno.errors.IsADirectory) {
    return "It is a folder. Name a file in it with --config.";
  }
  if (error instanceof Deno.errors.NotADirectory) {
    return "A folder of its path is a file. Name another file with --config.";
  }
  if (error instanceof Deno.errors.NotCapable) {
    return "Deno was not permitted to read it. Add it to --allow-read, or start with bin/aphlict.";
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return `${thisUser()} may not read it. Change the file's owner or mode, or run the command as another user.`;
  }
  if (error instanceof IrregularFile) {
    return `It ${error.message}: it is no configuration. Name another with --config.`;
  }
  const message = messageOf(error);
  return `It cannot be read: ${message}. Correct this, or name another file with --config.`;
}

/** Names the user of this process, as far as it may ask. */
function thisUser(): string {
  const { state } = Deno.permissions.querySync({ name: "sys", kind: "uid" });
  return state === "granted" ? `User ${Deno.uid()}` : "This user";
}

function decode(path: string, bytes: Uint8Array): string {
  let text: string;
  try {
    // Deno.readTextFileSync would put U+FFFD where the bytes are wrong, into a path for instance.
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw refuse(path, "It is not valid UTF-8. Save it as UTF-8.", cause);
  }
  // PHP refuses a byte order mark too, so Phorge could not read the file.
  if (text.startsWith("\uFEFF")) {
    throw refuse(path, "It starts with a byte order mark. Save it as UTF-8 without one.");
  }
  return text;
}

function parse(path: string, text: string): unknown {
  try {
    return parseJsonc(text);
  } catch (cause) {
    if (cause instanceof JsoncSyntaxError) throw refuse(path, cause.message, cause);
    throw cause;
  }
}

function refuse(path: string, message: string, cause?: unknown): ConfigError {
  return new ConfigError(path, [{ path: "", message }], { cause });
}
