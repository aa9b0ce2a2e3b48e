/**
 * Whether somebody is about to run Aphlict as root.
 *
 * @module
 */

import { AS_ROOT_OPTION, type Invocation } from "./command.ts";
import { printError } from "./output.ts";

const ADVICE = "Aphlict needs nothing that only root may do. Make a user for it " +
  "(useradd --system --create-home aphlict), let that user write the folders of the log and the " +
  "pidfile, and start it as that user";

/** Whether this process may ask who it is. The service itself may not, nor an executable: that is no part of its sandbox. */
export function knowsUser(): boolean {
  return Deno.permissions.querySync({ name: "sys", kind: "uid" }).state === "granted";
}

/** Whether this process runs as root, as far as it may ask. */
export function isRoot(): boolean {
  return knowsUser() && Deno.uid() === 0;
}

/** Warns the person at the console when the process runs as root, and says what to do instead. */
export function warnIfRoot(tell: (text: string) => void = printError): void {
  if (isRoot()) tell(`Warning: this is root, and ${ADVICE}.`);
}

/** Whether the process runs as root and was not told to; then it says what to do instead. */
export function refusesRoot({ options }: Invocation): boolean {
  if (!isRoot() || options.has(AS_ROOT_OPTION.name)) return false;
  printError(
    `This is root, and ${ADVICE}; or name it as "user" in the configuration, and root becomes it. ` +
      `To run as root all the same, add --${AS_ROOT_OPTION.name}.`,
  );
  return true;
}
