import { Console } from "../../src/admin/console.ts";
import type { Snapshot } from "../../src/admin/snapshot.ts";
import { Histogram, SECONDS } from "../../src/metrics/histogram.ts";
import { assertEquals } from "../assert.ts";
import { busy } from "../system/stage.ts";

/** A service whose deliveries have taken these times, in seconds. */
function snapshot(uptimeMs: number, times: readonly number[]): Snapshot {
  const { now } = busy(0);
  const histogram = new Histogram(SECONDS);
  for (const time of times) histogram.observe(time);
  return {
    ...now,
    uptimeMs,
    servers: now.servers.map((server) =>
      server.type === "client" ? { ...server, writing: histogram.distribution } : server
    ),
  };
}

/** The latencies of the last sample, as they reach the page. */
function latencies(...snapshots: readonly Snapshot[]): unknown {
  const left = [...snapshots, ...snapshots.slice(-1)];
  const settings = () => ({ path: "", flags: "", settings: null });
  const console = new Console({ snapshot: () => left.shift() ?? busy(0).now, settings });
  for (const _ of snapshots) console.sample();
  const { samples } = JSON.parse(JSON.stringify(console.data()));
  const { latency50Ms, latency99Ms } = samples.at(-1);
  return [latency50Ms, latency99Ms];
}

Deno.test("a sample's latencies are those of the deliveries since the sample before", () => {
  const before = [1, 1, 1];
  assertEquals(latencies(snapshot(0, before), snapshot(5000, [...before, 0.001, 0.001, 0.05])), [
    1,
    50,
  ]);
  assertEquals(latencies(snapshot(0, before), snapshot(5000, before)), [null, null]);
});

Deno.test("a latency beyond the last bound is told from none at all", () => {
  assertEquals(latencies(snapshot(0, []), snapshot(5000, [0.001, 60])), [1, 2500]);
});
