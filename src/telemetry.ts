/**
 * Metrics and traces as OpenTelemetry has them, for the runtime's own exporter.
 *
 * @module
 */

import { familiesOf } from "./admin/metrics.ts";
import type { Snapshot } from "./admin/snapshot.ts";
import type { Handler } from "./http/handler.ts";
import { attempt } from "./log/fault.ts";
import { countOf } from "./metrics/histogram.ts";
import type { Family, Labels } from "./metrics/exposition.ts";

/** What is observed when metrics are exported: an instrument's values by their labels. */
interface Instrument {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge";
  readonly samples: readonly (readonly [Labels, number])[];
}

/** The part of an OpenTelemetry meter that is used here; the runtime gives it no type. */
interface Meter {
  createObservableCounter(name: string, options: { readonly description: string }): object;
  createObservableGauge(name: string, options: { readonly description: string }): object;
  addBatchObservableCallback(
    callback: (
      result: { observe(instrument: object, value: number, attributes: Labels): void },
    ) => void,
    instruments: readonly object[],
  ): void;
}

/** The runtime's meter; `null` where it exports nothing. */
function exporting(): Meter | null {
  try {
    return Deno.telemetry.meterProvider.getMeter("aphlict");
  } catch {
    // There is no other way to ask: a tracer is made all the same.
    return null;
  }
}

/**
 * Has the runtime export all metrics, under the names that they have on the metrics page; of a histogram
 * its count and its sum.
 *
 * @returns Whether it does: the runtime reads before any code of ours whether it shall.
 */
export function exportMetrics(snapshot: () => Snapshot): boolean {
  const meter = exporting();
  if (meter === null) return false;
  const made = new Map(
    instrumentsOf(snapshot()).map(({ name, help, type }) => {
      const options = { description: help };
      return [
        name,
        type === "counter"
          ? meter.createObservableCounter(name, options)
          : meter.createObservableGauge(name, options),
      ];
    }),
  );
  meter.addBatchObservableCallback((result) => {
    // The runtime never exports again after an error here, and cannot exit (Deno 2.9.6).
    attempt("exporting metrics", () => {
      for (const { name, samples } of instrumentsOf(snapshot())) {
        const instrument = made.get(name);
        if (instrument === undefined) continue;
        for (const [labels, value] of samples) result.observe(instrument, value, labels);
      }
    });
  }, [...made.values()]);
  return true;
}

/** The part of an OpenTelemetry tracer that is used here; the runtime gives it no type. */
interface Tracer {
  startSpan(
    name: string,
    options: { readonly kind: number; readonly attributes: Readonly<Record<string, string>> },
  ): { setAttribute(name: string, value: number): void; end(): void };
}

/** The kind of a span that answers a request (`SpanKind.SERVER` of OpenTelemetry). */
const SERVER = 1;

/** Methods that name a span; the client could make up any number of others. */
const METHODS: readonly string[] = ["GET", "HEAD", "POST"];

/**
 * Has the runtime export a trace for each request, as it does by itself for those of `Deno.serve`.
 *
 * @returns The handler itself where nothing is exported.
 */
export function traced(handler: Handler): Handler {
  if (exporting() === null) return handler;
  const tracer: Tracer = Deno.telemetry.tracerProvider.getTracer("aphlict");
  return async (request, info) => {
    const method = METHODS.includes(request.method) ? request.method : "_OTHER";
    const span = tracer.startSpan(method, {
      kind: SERVER,
      attributes: { "http.request.method": method },
    });
    try {
      const response = await handler(request, info);
      span.setAttribute("http.response.status_code", response.status);
      return response;
    } finally {
      span.end();
    }
  };
}

function instrumentsOf(snapshot: Snapshot): Instrument[] {
  return familiesOf(snapshot).flatMap((family: Family): Instrument[] => {
    if (family.type !== "histogram") return [family];
    const { name, help, samples } = family;
    return [
      {
        name: `${name}_count`,
        help,
        type: "counter",
        samples: samples.map(([labels, each]) => [labels, countOf(each)]),
      },
      {
        name: `${name}_sum`,
        help,
        type: "counter",
        samples: samples.map(([labels, each]) => [labels, each.sum]),
      },
    ];
  });
}
