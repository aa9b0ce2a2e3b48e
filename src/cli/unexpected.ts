/**
 * Errors that nobody has caught.
 *
 * @module
 */

import { Whole } from "../log/format.ts";
import type { logger } from "../log/log.ts";

/** Characters of a stack that are logged. */
const STACK_LENGTH = 4000;

/** One mistake of ours must not take every browser's connection down, nor stay unseen. */
export function logUnexpectedErrors(log: ReturnType<typeof logger>): void {
  const report = (error: unknown) =>
    log.error("Unexpected error, please report it: {stack}", {
      stack: new Whole(
        (error instanceof Error ? error.stack ?? error.message : String(error)).slice(
          0,
          STACK_LENGTH,
        ),
      ),
    });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    report(event.error);
  });
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    report(event.reason);
  });
}
