/**
 * The common parts of all builds: files in `dist`, their checksums, and errors for the builder.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { UsageError } from "../src/cli/args.ts";
import { ExpectedError } from "../src/config/error.ts";
import { print, printError } from "../src/cli/output.ts";

/** The error of a build that is not possible. The message says why and what to do. */
export class BuildError extends ExpectedError {
  override readonly name: string = "BuildError";

  /** Runs a build. An expected error is printed, and the exit code is 1. */
  static async explained(build: () => void | Promise<void>): Promise<void> {
    try {
      await build();
    } catch (error) {
      if (!(error instanceof ExpectedError || error instanceof UsageError)) throw error;
      printError(error.message);
      Deno.exit(1);
    }
  }
}

/** Returns the SHA-256, in hexadecimal digits. */
export function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

/** Writes a file, and its checksum beside it as `sha256sum --check` reads it. */
export function write(path: string, content: string | Uint8Array, mode: number = 0o644): void {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  Deno.writeFileSync(path, bytes, { mode });
  Deno.chmodSync(path, mode);
  checksum(path, bytes);
}

/** Writes the checksum of a file beside it. */
export function checksum(path: string, content: Uint8Array): void {
  const name = path.slice(path.lastIndexOf("/") + 1);
  Deno.writeTextFileSync(`${path}.sha256`, `${sha256(content)}  ${name}\n`);
}

/**
 * Reads the variable that makes builds alike: https://reproducible-builds.org/specs/source-date-epoch/
 *
 * @returns Seconds since 1970; `undefined` where it is not set.
 * @throws {BuildError} If it is something else.
 */
export function sourceDate(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,11}$/.test(text)) {
    throw new BuildError(`SOURCE_DATE_EPOCH=${text} is not a number of seconds since 1970.`);
  }
  return Number(text);
}

/** Returns what git prints in this folder; `undefined` where it fails, or is not there. */
export function git(...args: readonly string[]): string | undefined {
  try {
    const { success, stdout } = new Deno.Command("git", { args: [...args], stderr: "null" })
      .outputSync();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Returns the URL at which the repository is published: that of the remote `origin`, when browsers can open
 * it and it contains no name or password.
 */
export function origin(remote: string | undefined = git("remote", "get-url", "origin")):
  | string
  | undefined {
  const url = URL.parse(remote ?? "");
  return url?.protocol === "https:" && url.username === "" && url.password === ""
    ? url.href
    : undefined;
}

/** Prints a text for the builder. */
export const say = print;
