/**
 * The limits of a compiled executable, and what to do instead. Its permissions are those of one configuration at the
 * time of compiling, and cannot be extended.
 *
 * @module
 */

import { ExpectedError } from "../config/error.ts";
import type { Config } from "../config/config.ts";
import { servicePermissions, shellQuote } from "../config/permissions.ts";
import type { Compiled, Program } from "../config/program.ts";
import { CONFIG_OPTION, type Invocation } from "./command.ts";
import { portOf } from "../probe/endpoint.ts";
import { CA_OPTION, URL_OPTION } from "./public.ts";

/** The error about a request that the executable's permissions do not cover. The message says what to do. */
export class CompiledError extends ExpectedError {
  override readonly name = "CompiledError";
}

/** The most missing permissions that a message lists. */
const SHOWN = 5;

/** The verbs that start programs or send signals, and the commands that do the same under systemd. */
const INSTEAD: ReadonlyMap<string, string> = new Map([
  ["start", "systemctl start aphlict"],
  ["stop", "systemctl stop aphlict"],
  ["restart", "systemctl restart aphlict"],
  ["reload", "systemctl reload aphlict"],
  ["run", "aphlict serve"],
  ...["launch", "supervisor", "service"].map((verb) => [verb, "aphlict serve"] as const),
]);

/** Explains how to make an executable for a configuration. */
function howToCompile(config: string): string {
  return `in a clone of the repository, deno task compile ${
    shellQuote(["--config", config])
  } (with ` +
    "--installed-as where the file is not the one of the host that runs it)";
}

/**
 * Checks that a compiled executable may do what was typed.
 *
 * @throws {CompiledError} If it may not.
 */
export function refuseUncovered(
  verb: string,
  { config }: Compiled,
  options: Invocation["options"],
): void {
  const instead = INSTEAD.get(verb);
  if (instead !== undefined) {
    throw new CompiledError(
      `"aphlict ${verb}" starts or signals processes, and this executable may not: it was compiled ` +
        `for ${config}, with the permissions of its service and no others. Under systemd, with ` +
        `conf/examples/compiled.conf, it is: ${instead}`,
    );
  }
  const url = URL.parse(options.get(URL_OPTION.name) ?? "");
  if (url !== null && lacks({ name: "net", host: `${url.hostname}:${portOf(url)}` })) {
    throw new CompiledError(
      `This executable was compiled for ${config}, and may reach no address that is not named there. To ` +
        `go to ${url}, use the bundle, aphlict.js, which deno runs.`,
    );
  }
  const authority = options.get(CA_OPTION.name);
  if (authority !== undefined && lacks({ name: "read", path: authority })) {
    throw new CompiledError(
      `This executable was compiled for ${config}, and may read no file that is not named there. To trust ` +
        `${authority}, use the bundle, aphlict.js, which deno runs.`,
    );
  }
  const other = options.get(CONFIG_OPTION.name);
  if (other !== undefined && other !== config) {
    throw new CompiledError(
      `This executable was compiled for ${config}, under this name, and may read no other configuration. ` +
        `To compile one for ${other}: ${howToCompile(other)}`,
    );
  }
}

function lacks(descriptor: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(descriptor).state !== "granted";
}

/** Returns what a configuration needs and this process may not do, a phrase each. */
function uncovered(config: Config): string[] {
  const { net, read, write } = servicePermissions(config);
  const unwritable = write.filter((path) => lacks({ name: "write", path }));
  // Each file that is written is a log, which is read to be rotated.
  const unreadable = read.filter((path) => !write.includes(path) && lacks({ name: "read", path }));
  return [
    ...net.filter((host) => lacks({ name: "net", host })).map((host) => `bind or reach ${host}`),
    ...unreadable.map((path) => `read ${path}`),
    ...unwritable.map((path) => `write ${path}`),
  ];
}

/**
 * Checks that a compiled executable may do all that its configuration needs by now.
 *
 * @throws {CompiledError} If it may not.
 */
export function requireCovered(program: Program, config: Config): void {
  if (program.kind !== "compiled") return;
  const lacking = uncovered(config);
  if (lacking.length > 0) {
    const more = lacking.length > SHOWN ? ` and ${lacking.length - SHOWN} more` : "";
    throw new CompiledError(
      `${config.path} has changed since this executable was compiled for it, which may not ` +
        `${lacking.slice(0, SHOWN).join(", ")}${more}. To compile it again: ${
          howToCompile(config.path)
        }`,
    );
  }
}
