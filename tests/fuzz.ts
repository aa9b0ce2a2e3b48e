/**
 * Fuzzes what reads bytes of outsiders: HTTP and WebSockets, each for as long.
 *
 *     deno run tests/fuzz.ts [--minutes N] [--seed S] [--room http|websocket]
 *
 * Ends with 0 when all was well, 1 when not, 2 when the options are wrong. The seed that is printed with a failure makes
 * its input the first of the next run in its room.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { fuzz, print, type Subjects } from "./fuzzing.ts";
import { SUBJECTS as HTTP } from "./http/fuzz.ts";
import { SUBJECTS as WEBSOCKET } from "./websocket/fuzz.ts";

const ROOMS: ReadonlyMap<string, Subjects> = new Map([["http", HTTP], ["websocket", WEBSOCKET]]);

const USAGE = "Usage: deno run tests/fuzz.ts [--minutes N] [--seed S, from 0 to 4294967295] " +
  `[--room ${[...ROOMS.keys()].join("|")}]\n`;

interface Options {
  /** For each room. */
  readonly minutes: number;
  readonly seed: number;
  readonly rooms: readonly string[];
}

function options(): Options | null {
  try {
    const { values } = parseArgs({
      args: Deno.args,
      options: {
        minutes: { type: "string", default: "1" },
        seed: { type: "string" },
        room: { type: "string" },
      },
    });
    const minutes = Number(values.minutes);
    const seed = Number(values.seed ?? crypto.getRandomValues(new Uint32Array(1))[0]);
    const rooms = values.room === undefined ? [...ROOMS.keys()] : [values.room];
    const isRight = minutes > 0 && Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32 &&
      rooms.every((room) => ROOMS.has(room));
    return isRight ? { minutes, seed, rooms } : null;
  } catch {
    return null;
  }
}

const chosen = options();
if (chosen === null) {
  print(USAGE);
  Deno.exit(2);
}
const { minutes, seed, rooms } = chosen;
const isWell = [...ROOMS].every(([room, subjects]) => {
  if (!rooms.includes(room)) return true;
  print(`--room ${room} --seed ${seed}\n`);
  return fuzz(subjects, minutes, seed);
});
Deno.exit(isWell ? 0 : 1);
