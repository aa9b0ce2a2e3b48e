/**
 * Signals to other processes.
 *
 * @module
 */

/** A process that this user may not signal; the message says what to do. */
export class SignalError extends Error {
  override readonly name = "SignalError";
}

/**
 * Sends a signal to a process, or to a group by its negative number. One that has ended meanwhile is as
 * good as told.
 *
 * @returns Whether there was such a process.
 * @throws {SignalError} If this user may not.
 */
export function signal(target: number, name: Deno.Signal): boolean {
  try {
    Deno.kill(target, name);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new SignalError(
        `Process ${
          Math.abs(target)
        } belongs to another user, and takes no ${name} from this one. Run ` +
          "the command as the user that runs Aphlict, or as root.",
      );
    }
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return false;
  }
}
