/**
 * The process: its memory, its CPU time, its open files, and how late its event loop is.
 *
 * @module
 */

import { cpuUsage } from "node:process";
import { getHeapStatistics } from "node:v8";
import { connectionsIn } from "./config/open_files.ts";
import { type Metrics, single } from "./metrics/families.ts";

/** The facts that the service cannot find out itself, as its sandbox does not let it. */
export interface Host {
  /** Restarts of the service by its supervisor; `null` without one. */
  readonly restarts: number | null;
  /** Files that the service may have open; `null` when that is not known. */
  readonly openFiles: number | null;
  /** Bytes of memory that the host or the container grants; `null` when that is not known. */
  readonly memory: number | null;
}

/** The interval at which the lag is measured, in ms. */
const STEP_MS = 100;

/** The time for which the worst lag is remembered, in steps: 5 s. */
const STEPS = 50;

/**
 * Measures the process from its making until it is stopped. Every browser's message waits for a turn of the event
 * loop that takes too long, so the lag is measured all the time.
 */
export class ProcessMeter {
  readonly #host: Host;
  readonly #otherFiles: () => number;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #late: number[] = [];
  #due = performance.now() + STEP_MS;

  /** @param otherFiles Returns the number of open files that are for other things than connections. */
  constructor(host: Host, otherFiles: () => number) {
    this.#host = host;
    this.#otherFiles = otherFiles;
    this.#timer = setInterval(() => this.#step(), STEP_MS);
  }

  /** Returns the worst lag of the last 5 s, in ms. */
  get worstMs(): number {
    return Math.max(0, ...this.#late);
  }

  /** Returns the families of the process and of its host. */
  metrics(): Partial<Metrics> {
    const { restarts, openFiles, memory } = this.#host;
    const { heapUsed, external, rss } = Deno.memoryUsage();
    const { user, system } = cpuUsage();
    return {
      aphlict_restarts_total: single(restarts),
      aphlict_event_loop_lag_seconds: single(this.worstMs / 1000),
      aphlict_memory_granted_bytes: single(memory),
      aphlict_heap_bytes: single(heapUsed),
      // The limit since the start: a reload may have brought a configuration that needs less.
      aphlict_heap_limit_bytes: single(getHeapStatistics().heap_size_limit),
      aphlict_external_bytes: single(external),
      aphlict_files_connections_limit: single(
        openFiles === null ? null : connectionsIn(openFiles, this.#otherFiles()),
      ),
      process_start_time_seconds: single(performance.timeOrigin / 1000),
      process_cpu_seconds_total: single((user + system) / 1e6),
      process_resident_memory_bytes: single(rss),
      process_max_fds: single(openFiles),
    };
  }

  /** Ends the measurement. */
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
