/**
 * The check whether Aphlict is about to run as root.
 *
 * @module
 */

import { AS_ROOT_OPTION, type Invocation } from "./command.ts";
import { printError } from "./output.ts";

const ADVICE = "Aphlict needs nothing that only root may do. Make a user for it " +
  "(useradd --system --create-home aphlict), let that user write the folders of the log and the " +
  "pidfile, and start it as that user";

/** Tells whether this process may ask for its user. The sandbox of the service, and of an executable, lacks that. */
export function knowsUser(): boolean {
  return Deno.permissions.querySync({ name: "sys", kind: "uid" }).state === "granted";
}

/** Tells whether this process runs as root, as far as it may ask. */
export function isRoot(): boolean {
  return knowsUser() && Deno.uid() === 0;
}

/** Warns the person at the console when the process runs as root, and says what to do instead. */
export function warnIfRoot(tell: (text: string) => void = printError): void {
  if (isRoot()) tell(`Warning: this is root, and ${ADVICE}.`);
}

/** Tells whether the process runs as root without --as-root. If so, prints what to do instead. */
export function refusesRoot({ options }: Invocation): boolean {
  if (!isRoot() || options.has(AS_ROOT_OPTION.name)) return false;
  printError(
    `This is root, and ${ADVICE}; or name it as "user" in the configuration, and root becomes it. ` +
      `To run as root all the same, add --${AS_ROOT_OPTION.name}.`,
  );
  return true;
}
