/** How long something that must happen by itself may take before a test gives up, in ms. */
const LIMIT_MS = 30_000;

/** Resolves when `condition` holds; what has no event to wait for is looked at again and again. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  limitMs: number = LIMIT_MS,
): Promise<void> {
  const limit = performance.now() + limitMs;
  while (!await condition()) {
    if (performance.now() > limit) throw new Error(`In vain: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
