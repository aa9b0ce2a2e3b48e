/**
 * Not waiting for ever.
 *
 * @module
 */

/** How long the last lines may wait for a console that nobody reads, in ms. */
export const CLOSE_DEADLINE_MS = 500;

/** Whether `promise` resolves within `ms`. What it rejects with is thrown. */
export async function within(ms: number, promise: Promise<void>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<boolean>((resolve) => timer = setTimeout(() => resolve(false), ms));
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
