/**
 * What a running service tells of itself.
 *
 * @module
 */

import { basename, isAbsolute, resolve } from "node:path";
import type { ConsoleData } from "../admin/console.ts";
import type { Config } from "../config/config.ts";
import { adminsOf, firstAnswer, NoAnswerError } from "./admin.ts";
import { request } from "../probe/request.ts";
import { objectOf } from "../json.ts";
import { RequestError } from "../http/failure.ts";
import { FAMILIES, type Metrics, sumOf } from "../metrics/families.ts";
import type { Endpoint } from "../probe/endpoint.ts";
import { explainRejection } from "../probe/rejection.ts";

/**
 * Asks the first admin server that tells.
 *
 * @throws {NoAnswerError} If none does.
 */
export async function askConsole(config: Config): Promise<ConsoleData> {
  return await firstAnswer(config.pidfile, adminsOf(config), dataOf);
}

/** Returns what a service of this configuration tells that no supervisor runs; `null` when none answers. */
export async function askUnsupervised(config: Config): Promise<ConsoleData | null> {
  try {
    const data = await askConsole(config);
    return isUnsupervised(config, data) ? data : null;
  } catch (error) {
    if (error instanceof NoAnswerError) return null;
    throw error;
  }
}

/** Whether it is a service of this configuration, and no supervisor runs it. */
export function isUnsupervised(config: Config, data: ConsoleData): boolean {
  return data.now.metrics.aphlict_restarts_total.length === 0 && isOf(config, data);
}

/** Whether a service has read this file. */
function isOf(config: Config, data: ConsoleData): boolean {
  const { path } = data.configuration;
  if (resolve(path) === resolve(config.path)) return true;
  // It was named from another folder, which the service does not know itself.
  return !isAbsolute(path) && basename(path) === basename(config.path) && runsWith(config, data);
}

/** Whether a service runs with what a configuration says, however the file was named. */
export function runsWith(config: Config, { configuration: { settings } }: ConsoleData): boolean {
  const text = (settings: object) => JSON.stringify({ ...settings, path: "" });
  return typeof settings === "object" && settings !== null && text(settings) === text(config);
}

/** Returns the addresses that a service has bound. */
export function listeningIn({ now: { servers, metrics } }: ConsoleData): string[] {
  return servers.map(({ url }) => url)
    .filter((url) => sumOf(metrics.aphlict_server_listening, { server: url }) > 0);
}

async function dataOf(endpoint: Endpoint): Promise<ConsoleData> {
  const answer = await request(endpoint, {
    path: "/console/data/",
    // It is told to addresses and this name alone.
    headers: { host: "localhost" },
  });
  if (answer.status !== 200) throw explainRejection(answer);
  const data = objectOf(answer.body);
  if (!isConsoleData(data)) {
    throw new RequestError(
      "answer",
      "does not tell what an Aphlict of this version does",
      "It may be another program, or another version: `aphlict restart` starts this one.",
    );
  }
  return data;
}

/** Only this program writes it, so this tells its version from another one. */
function isConsoleData(data: object | null): data is ConsoleData {
  if (data === null) return false;
  const { now, samples, messages, configuration } = data as Partial<ConsoleData>;
  return isObject(now) && isMetrics(now.metrics) && isObject(configuration) &&
    [samples, messages, now.servers, now.peers].every((list) =>
      Array.isArray(list) && list.every(isObject)
    );
}

function isMetrics(metrics: unknown): metrics is Metrics {
  return isObject(metrics) && Object.entries(FAMILIES).every(([name, { type }]) => {
    const samples: unknown = (metrics as Readonly<Record<string, unknown>>)[name];
    return Array.isArray(samples) &&
      samples.every((each) =>
        Array.isArray(each) && isObject(each[0]) &&
        (type === "histogram" ? isObject(each[1]) : typeof each[1] === "number")
      );
  });
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
