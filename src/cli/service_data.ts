/**
 * The data that a running service tells of itself.
 *
 * @module
 */

import { basename, isAbsolute, resolve } from "node:path";
import type { ConsoleData } from "../admin/console.ts";
import type { Config } from "../config/config.ts";
import { adminsOf, firstAnswer, NoAnswerError } from "./admin.ts";
import { request } from "../probe/request.ts";
import { isObject, objectOf } from "../json.ts";
import { RequestError } from "../http/failure.ts";
import { FAMILIES, type Metrics, sumOf } from "../metrics/families.ts";
import type { Endpoint } from "../probe/endpoint.ts";
import { explainRejection } from "../probe/rejection.ts";

/**
 * Returns the data of the first admin server that answers.
 *
 * @throws {NoAnswerError} If no server answers.
 */
export async function requestConsole(config: Config): Promise<ConsoleData> {
  return await firstAnswer(config.pidfile, adminsOf(config), dataOf);
}

/** Returns the data of a service of this configuration without a supervisor; `null` when none answers. */
export async function findUnsupervised(config: Config): Promise<ConsoleData | null> {
  try {
    const data = await requestConsole(config);
    return isUnsupervised(config, data) ? data : null;
  } catch (error) {
    if (error instanceof NoAnswerError) return null;
    throw error;
  }
}

/** Tells whether the data are of a service of this configuration that no supervisor runs. */
export function isUnsupervised(config: Config, data: ConsoleData): boolean {
  return data.now.metrics.aphlict_restarts_total.length === 0 && isOf(config, data);
}

/** Tells whether a service has read this file. */
function isOf(config: Config, data: ConsoleData): boolean {
  const { path } = data.configuration;
  if (resolve(path) === resolve(config.path)) return true;
  // The path is relative to a folder that the service itself does not know.
  return !isAbsolute(path) && basename(path) === basename(config.path) && runsWith(config, data);
}

/** Tells whether a service runs with the settings of a configuration, however the file was named. */
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
    // The server answers only for addresses and this name.
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

/** Tells whether an answer is of this version: only this program writes it. */
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
