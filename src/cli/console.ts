/**
 * What a running service tells of itself.
 *
 * @module
 */

import { basename, isAbsolute, resolve } from "node:path";
import type { ConsoleData } from "../admin/console.ts";
import type { Config } from "../config/config.ts";
import { adminsOf, firstAnswer, NobodyAnswers } from "./admin.ts";
import { ask } from "../reach/ask.ts";
import { objectOf } from "../json.ts";
import { ReachError } from "../reach/dial.ts";
import type { Place } from "../reach/place.ts";
import { explainDenial } from "../reach/refusal.ts";

/**
 * Asks the first admin server that tells.
 *
 * @throws {NobodyAnswers} If none does.
 */
export async function askConsole(config: Config): Promise<ConsoleData> {
  return await firstAnswer(config.pidfile, adminsOf(config), dataOf);
}

/** Returns what a service of this configuration tells that no supervisor runs; `null` when none answers. */
export async function askLonely(config: Config): Promise<ConsoleData | null> {
  try {
    const data = await askConsole(config);
    return isLonely(config, data) ? data : null;
  } catch (error) {
    if (error instanceof NobodyAnswers) return null;
    throw error;
  }
}

/** Whether it is a service of this configuration, and no supervisor runs it. */
export function isLonely(config: Config, data: ConsoleData): boolean {
  return data.now.restarts === null && isOf(config, data);
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

/** The addresses that a service has bound. */
export function listeningIn({ now }: ConsoleData): string[] {
  return now.servers.filter(({ listening }) => listening).map(({ url }) => url);
}

async function dataOf(place: Place): Promise<ConsoleData> {
  const answer = await ask(place, {
    path: "/console/data/",
    // It is told to addresses and this name alone.
    headers: { host: "localhost" },
  });
  if (answer.status !== 200) throw explainDenial(answer);
  const data = objectOf(answer.text);
  if (!isConsoleData(data)) {
    throw new ReachError(
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
  return isObject(now) && isObject(now.hub) && isObject(now.process) && isObject(now.log) &&
    isObject(configuration) &&
    [samples, messages, now.servers, now.peers].every((list) =>
      Array.isArray(list) && list.every(isObject)
    );
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
