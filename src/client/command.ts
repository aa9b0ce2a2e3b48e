/**
 * What a browser may say: the commands of Phorge's `AphlictClientServer.js`.
 *
 * @module
 */

import { isStringList } from "../hub/message.ts";

/** A command that makes sense. */
export type Command =
  | { readonly command: "subscribe" | "unsubscribe"; readonly topics: readonly string[] }
  | { readonly command: "replay"; readonly ageMs: number }
  | { readonly command: "ping" };

/** What `replay` without an age means, in ms. */
const DEFAULT_REPLAY_AGE_MS = 60_000;

/** A text that is no command; the message says why. */
export class InvalidCommand extends Error {
  override readonly name = "InvalidCommand";
}

/**
 * Reads one message of a browser.
 *
 * @throws {InvalidCommand} If it is not JSON, or no command with the data that the command takes.
 */
export function parseCommand(text: string): Command {
  const { command, data } = parseObject(text);
  switch (command) {
    case "subscribe":
    case "unsubscribe":
      if (!isStringList(data)) {
        throw new InvalidCommand(`"data" of "${command}" is not a list of strings`);
      }
      return { command, topics: data };
    case "replay":
      return { command, ageMs: parseAge(data) };
    case "ping":
      return { command };
    case undefined:
      throw new InvalidCommand('It has no "command"');
    default:
      throw new InvalidCommand("Its command is unknown");
  }
}

function parseObject(text: string): { readonly command?: unknown; readonly data?: unknown } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw new InvalidCommand("It is not JSON");
    throw error;
  }
  if (typeof value !== "object" || value === null) throw new InvalidCommand("It is not an object");
  return value;
}

function parseAge(data: unknown): number {
  if (typeof data !== "object" || data === null) {
    throw new InvalidCommand('"data" of "replay" is not an object');
  }
  const age = "age" in data ? data.age : undefined;
  // As in the original, 0 means the default too.
  if (age === undefined || age === null || age === 0) return DEFAULT_REPLAY_AGE_MS;
  if (typeof age !== "number") throw new InvalidCommand('"age" of "replay" is not a number');
  return age;
}
