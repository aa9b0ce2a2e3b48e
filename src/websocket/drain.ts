/**
 * Closes many sockets over a while. Browsers reconnect as soon as they are closed, and ten thousand of them in the same
 * millisecond would bring down the server that they reconnect to.
 *
 * @module
 */

import { type Clock, systemClock } from "../clock.ts";

/** The interval at which the share that is due is closed, in ms. */
const STEP_MS = 20;

/** A drain in progress. */
export interface Drain {
  /** Resolves when the last one has been closed, or after {@linkcode cancel}. */
  readonly done: Promise<void>;
  /** Stops closing, for when all sockets have gone by themselves. */
  cancel(): void;
}

/**
 * Closes sockets in their order: the first before it returns, the last after `overMs`, the others at even intervals in
 * between. With 0 all are closed before it returns, and so is a single one.
 *
 * @param close Called for each socket once, also for one that has left meanwhile.
 */
export function drain<T>(
  sockets: readonly T[],
  overMs: number,
  close: (socket: T) => void,
  clock: Clock = systemClock,
): Drain {
  const done = Promise.withResolvers<void>();
  const begun = clock.now();
  let closed = 0;
  let callOff = () => {};
  const step = () => {
    const due = shareDue(sockets.length, clock.now() - begun, overMs);
    for (const socket of sockets.slice(closed, due)) close(socket);
    closed = due;
    if (closed >= sockets.length) done.resolve();
    else callOff = clock.after(STEP_MS, step);
  };
  step();
  return {
    done: done.promise,
    cancel() {
      callOff();
      done.resolve();
    },
  };
}

/** Returns how many of `count` sockets are to be closed by now. */
function shareDue(count: number, passedMs: number, overMs: number): number {
  if (passedMs >= overMs) return count;
  return Math.min(count, 1 + Math.floor((count - 1) * passedMs / overMs));
}
