/**
 * The thread of `StatusWatch`. It is told the admin port, and then to stop.
 *
 * @module
 */

/// <reference lib="deno.worker" />

/** Between two looks, in ms. */
const INTERVAL_MS = 20;

let isOver = false;

self.onmessage = ({ data }: MessageEvent<number | "stop">) => {
  if (data === "stop") isOver = true;
  else void watch(data);
};

async function watch(port: number): Promise<void> {
  let slowest = 0;
  do {
    const started = performance.now();
    const response = await fetch(`http://127.0.0.1:${port}/status/`);
    await response.text();
    slowest = Math.max(slowest, performance.now() - started);
    await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
  } while (!isOver);
  self.postMessage(slowest);
}
