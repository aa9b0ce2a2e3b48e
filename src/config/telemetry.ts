/**
 * What turns the runtime's own OpenTelemetry exporter on.
 *
 * @module
 */

import type { Config } from "./config.ts";

/**
 * How long a collector may take to answer, in ms: the runtime waits for it at the end of the process, and
 * its own limit of 10 s is longer than a stop may take.
 */
const EXPORT_LIMIT_MS = 1000;

/**
 * The environment that the service is started with for `telemetry`; empty without. The runtime reads it
 * before any code of ours, and its exporter is no part of the sandbox: neither `--allow-env` nor
 * `--allow-net` is needed for it (Deno 2.9.6). Who sets more of OpenTelemetry's variables has them inherited.
 */
export function telemetryEnvironment({ telemetry }: Config): Readonly<Record<string, string>> {
  if (telemetry === null) return {};
  return {
    OTEL_DENO: "true",
    OTEL_SERVICE_NAME: "aphlict",
    OTEL_EXPORTER_OTLP_ENDPOINT: telemetry,
    OTEL_EXPORTER_OTLP_TIMEOUT: `${EXPORT_LIMIT_MS}`,
  };
}

/** The same as a shell, `env` and systemd take it: `NAME=value`. */
export function telemetryVariables(config: Config): string[] {
  return Object.entries(telemetryEnvironment(config)).map((pair) => pair.join("="));
}
