/**
 * The counters of the log since the process began.
 *
 * @module
 */

import { type Metrics, single } from "../metrics/families.ts";

/** The counters of this process. */
export const logCounters = {
  /** Lines left out because there were too many of their kind. */
  leftOut: 0,
  /** Lines that could not be written to a file. */
  lost: 0,
  /** Internal errors: defects of the program. */
  internalErrors: 0,
};

/** Returns the metric families of the log. */
export function logMetrics(): Partial<Metrics> {
  const { leftOut, lost, internalErrors } = logCounters;
  return {
    aphlict_internal_errors_total: single(internalErrors),
    aphlict_log_left_out_total: single(leftOut),
    aphlict_log_lost_total: single(lost),
  };
}
