/**
 * Whether somebody is about to run the service as root.
 *
 * @module
 */

import { complain } from "./output.ts";

/** Warns the person at the console when the process runs as root, and says what to do instead. */
export function warnIfRoot(): void {
  // The service itself may not ask: its sandbox does not hold the permission.
  if (Deno.permissions.querySync({ name: "sys", kind: "uid" }).state !== "granted") return;
  if (Deno.uid() !== 0) return;
  complain(
    "Warning: this is root, and Aphlict needs nothing that only root may do. Make a user for it " +
      "(useradd --system --create-home aphlict), let that user write the folders of the log and the pidfile, " +
      "and start it as that user.",
  );
}
