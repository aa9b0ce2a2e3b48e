/**
 * What `aphlict doctor` looks at in `telemetry`: whether a collector takes what the service exports.
 * Nothing else tells: the runtime's exporter is silent about what it cannot bring.
 *
 * @module
 */

import type { Program } from "../../config/program.ts";
import { ask } from "../../reach/ask.ts";
import { ReachError } from "../../reach/dial.ts";
import type { Place } from "../../reach/place.ts";
import { withoutEnd } from "../../text.ts";
import type { Findings } from "./findings.ts";

const STEP = "telemetry";

/** An export without any metrics, as OTLP over HTTP has it in JSON. */
const NOTHING = '{"resourceMetrics":[]}';

/** What it means that a collector answers so: it is one, whatever it thinks of the JSON. */
const TAKES_PROTOBUF = [400, 415];

const HINTS: ReadonlyMap<number, string> = new Map([
  ...[401, 403].map((status) =>
    [
      status,
      "Unless OTEL_EXPORTER_OTLP_HEADERS in the environment of Aphlict has what it asks for, that has to " +
      "be added there.",
    ] as const
  ),
  [404, 'Take what stands before /v1/metrics for "telemetry".'],
]);

/** Sends a collector an empty export. The service works without one, so nothing here is a failure. */
export async function examineTelemetry(
  findings: Findings,
  program: Program,
  collector: string | null,
): Promise<void> {
  if (collector === null) return findings.skip(STEP, '"telemetry" is not set.');
  if (program.kind === "compiled") {
    return findings.skip(STEP, "A compiled executable may not ask the collector.");
  }
  const place: Place = {
    url: new URL(`${withoutEnd(collector, "/")}/v1/metrics`),
    trust: { by: "authorities", more: [], named: "OTEL_EXPORTER_OTLP_CERTIFICATE" },
    token: null,
  };
  try {
    const { status } = await ask(place, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: NOTHING,
    });
    if (status >= 200 && status < 300) return findings.ok(STEP, `${place.url} takes metrics.`);
    if (TAKES_PROTOBUF.includes(status)) {
      return findings.ok(STEP, `${place.url} answers; ${status} is for the form of this question.`);
    }
    findings.warn(
      STEP,
      `${place.url} answers ${status}, so it takes no metrics.`,
      HINTS.get(status) ?? "Look whether that is a collector that takes OTLP over HTTP.",
    );
  } catch (error) {
    if (!(error instanceof ReachError)) throw error;
    findings.warn(
      STEP,
      `${place.url} ${error.message}. Aphlict works, and its metrics and traces are lost.`,
      error.hint ||
        'Look whether the collector runs, and takes OTLP over HTTP there (mostly at port 4318): "telemetry" ' +
          "names it.",
    );
  }
}
