/**
 * Errors that nothing has caught.
 *
 * @module
 */

import { fault } from "../log/fault.ts";

/**
 * Has errors that nothing has caught logged and counted as internal errors, so that one defect neither ends every
 * browser's connection nor stays unseen. What `reportError` reports is among them.
 */
export function logUnexpectedErrors(): void {
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    fault("handling an event", event.error);
  });
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    fault("working in the background", event.reason);
  });
}
