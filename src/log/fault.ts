/**
 * Internal errors: defects of the program. Each is logged with its stack and counted, and neither a client nor a
 * peer nor the configuration is blamed for it.
 *
 * @module
 */

import { logCounters } from "./counters.ts";
import { Whole } from "./format.ts";
import { logger } from "./log.ts";
import { RateLimiter } from "./rate_limiter.ts";

/** The most characters of a stack that are logged. */
const STACK_LENGTH = 4000;

const log = logger("fault");

/** The rate limiters of each kind of work, so that none hides another. */
const limiters = new Map<string, RateLimiter>();

/**
 * Logs an unexpected error with its stack, and counts it. Of each kind of work 30 lines a minute are logged.
 *
 * @param doing The work of the program, as a text after "while", such as `answering a request`. It is one of few
 * texts, and contains nothing from outside.
 *
 * @example
 * ```ts
 * try {
 *   console.note(message);
 * } catch (error) {
 *   fault("noting a message", error);
 * }
 * ```
 */
export function fault(doing: string, error: unknown): void {
  logCounters.internalErrors++;
  if (!limiterOf(doing).take()) return;
  log.error("Internal error while {doing}. It is a defect of Aphlict, please report it: {stack}", {
    doing,
    stack: new Whole(stackOf(error).slice(0, STACK_LENGTH)),
  });
}

/**
 * Runs `action`. An error in it is a {@linkcode fault}, and the caller goes on.
 *
 * @param doing See {@linkcode fault}.
 */
export function attempt(doing: string, action: () => void): void {
  try {
    action();
  } catch (error) {
    fault(doing, error);
  }
}

/**
 * Logs and counts uncaught errors from now on as internal errors, including those of `reportError`. So one defect
 * neither ends every browser's connection nor stays unseen.
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

function limiterOf(doing: string): RateLimiter {
  const known = limiters.get(doing);
  if (known !== undefined) return known;
  const limiter = new RateLimiter((more) =>
    log.error("{more} more internal errors while {doing} were not logged in the last minute.", {
      more,
      doing,
    })
  );
  limiters.set(doing, limiter);
  return limiter;
}

function stackOf(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}
