/**
 * How late the event loop is: what every browser's message waits for when something takes too long.
 *
 * @module
 */

/** How often it is measured, in ms. */
const STEP_MS = 100;

/** For how long the worst is remembered, in steps: 5 s. */
const STEPS = 50;

/** Measures from its making until it is stopped. */
export class LagMeter {
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #late: number[] = [];
  #due = performance.now() + STEP_MS;

  constructor() {
    this.#timer = setInterval(() => this.#step(), STEP_MS);
  }

  /** How late it was at the worst in the last 5 s, in ms. */
  get worstMs(): number {
    return Math.max(0, ...this.#late);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #step(): void {
    const now = performance.now();
    this.#late.push(Math.max(0, now - this.#due));
    if (this.#late.length > STEPS) this.#late.shift();
    this.#due = now + STEP_MS;
  }
}
