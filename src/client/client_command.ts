/**
 * The commands that a browser may send, those of Phorge's `AphlictClientServer.js`.
 *
 * @module
 */

import {
  JsonError,
  type Member,
  type MemberLimits,
  memberOf,
  readMembers,
  stringOf,
  stringsOf,
} from "../json_members.ts";

/** A valid command. */
export type ClientCommand =
  | { readonly command: "subscribe" | "unsubscribe"; readonly topics: readonly string[] }
  | { readonly command: "replay"; readonly ageMs: number }
  | { readonly command: "ping" };

/** The age of a `replay` without one, in ms. */
const DEFAULT_REPLAY_AGE_MS = 60_000;

/** The error of a text that is no command. The message says why. */
export class InvalidCommand extends Error {
  override readonly name = "InvalidCommand";
}

/** The limits of a command, which has two keys, and of a replay's data, which has one. */
const LIMITS: MemberLimits = { members: 16, depth: 16 };

/**
 * Reads one message of a browser.
 *
 * @throws {InvalidCommand} If it is not JSON, or no command with the data that the command takes.
 */
export function parseCommand(text: string): ClientCommand {
  const members = membersOf(text, "It is not an object");
  const name = memberOf(members, "command");
  const data = memberOf(members, "data");
  const command = stringOf(text, name);
  switch (command) {
    case "subscribe":
    case "unsubscribe": {
      const topics = stringsOf(text, data);
      if (topics === undefined) {
        throw new InvalidCommand(`"data" of "${command}" is not a list of strings`);
      }
      return { command, topics };
    }
    case "replay":
      return { command, ageMs: ageOf(data === undefined ? "" : text.slice(data.start, data.end)) };
    case "ping":
      return { command };
    default:
      throw new InvalidCommand(
        name === undefined ? 'It has no "command"' : "Its command is unknown",
      );
  }
}

function membersOf(text: string, fault: string): readonly Member[] {
  let members: readonly Member[] | null;
  try {
    members = readMembers(text, LIMITS);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new InvalidCommand(`It is not JSON: ${error.message}`);
  }
  if (members === null) throw new InvalidCommand(fault);
  return members;
}

/** Returns the age in the JSON of a replay's data, in ms. The text is empty if there is no data. */
function ageOf(data: string): number {
  const noObject = '"data" of "replay" is not an object';
  if (data === "") throw new InvalidCommand(noObject);
  const age = memberOf(membersOf(data, noObject), "age");
  const value = age === undefined ? "null" : data.slice(age.start, age.end);
  if (value === "null") return DEFAULT_REPLAY_AGE_MS;
  const ageMs = Number(value);
  if (Number.isNaN(ageMs) || value === "") {
    throw new InvalidCommand('"age" of "replay" is not a number');
  }
  // As in the original, 0 means the default too.
  return ageMs === 0 ? DEFAULT_REPLAY_AGE_MS : ageMs;
}
