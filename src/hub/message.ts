/**
 * A message that Phorge or a peer posts and browsers receive.
 *
 * @module
 */

import { flatCopy } from "../text.ts";
import { FINGERPRINT_LIMIT } from "./fingerprint.ts";
import {
  JsonError,
  type Member,
  type MemberLimits,
  memberOf,
  readMembers,
  stringOf,
  stringsOf,
} from "../json_members.ts";

/**
 * A JSON object with the topics it is for. Everything else in it (`key`, `threadPHID`, ...) passes
 * through as it was written.
 */
export interface Message {
  /** Topics (PHIDs): every listener subscribed to one of them receives the message. */
  readonly subscribers: readonly string[];
  /** Fingerprints of the servers that have handled the message, or that get it from one of those. */
  readonly touched: readonly string[];
  /** The identifier that Phorge gives each message, and repeats when it tries another server; `null`: it has none. */
  readonly uniqueID: string | null;
  /** Kind of the message, or `""`. */
  readonly type: string;
  /** The members of its JSON, without `touched` and the braces. */
  readonly members: string;
}

/**
 * A message as it goes over the wire, encoded once however many listeners and peers receive it. Its `touched` comes
 * last, wherever it came.
 */
export class Encoded {
  /** The message as JSON in UTF-8. */
  readonly bytes: Uint8Array;
  /** The number of the `bytes` before `touched`. */
  readonly #untouched: number;

  constructor(members: string, touched: readonly string[]) {
    const end = closing(touched);
    this.bytes = encoder.encode(`{${members}${end}`);
    this.#untouched = this.bytes.length - encoder.encode(end).length;
  }

  /** Returns the message as JSON, decoded at each call. */
  get text(): string {
    return decoder.decode(this.bytes);
  }

  /** Returns the same message as JSON in UTF-8 with another list of servers. */
  touchedBy(fingerprints: readonly string[]): Uint8Array<ArrayBuffer> {
    const end = encoder.encode(closing(fingerprints));
    const bytes = new Uint8Array(this.#untouched + end.length);
    bytes.set(this.bytes.subarray(0, this.#untouched));
    bytes.set(end, this.#untouched);
    return bytes;
  }
}

/** Returns the end of a message's JSON; there is always a key before it. */
function closing(touched: readonly string[]): string {
  return `,"touched":${JSON.stringify(touched)}}`;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The error of a text that is no {@linkcode Message}; its message says why. */
export class InvalidMessage extends Error {
  override readonly name = "InvalidMessage";
}

/** Servers that may have handled a message, at most; the list is written again for each peer. */
const TOUCHED_LIMIT = 1024;

/** The limits of a message. Phorge's have five keys, and only lists of PHIDs within. */
const LIMITS: MemberLimits = { members: 1000, depth: 500 };

/**
 * Reads a message.
 *
 * `touched` may be missing or `null`, as with the original. A `uniqueID` that is no text is none.
 *
 * @throws {InvalidMessage} If it is no JSON object, or a list in it is not a list of strings, or `touched` is too long.
 */
export function parseMessage(text: string): Message {
  const members = membersOf(text);
  const subscribers = stringsOf(text, memberOf(members, "subscribers"));
  if (subscribers === undefined) {
    throw new InvalidMessage('"subscribers" of a message is a list of strings');
  }
  return {
    subscribers,
    touched: touchedOf(text, memberOf(members, "touched")),
    uniqueID: stringOf(text, memberOf(members, "uniqueID")) ?? null,
    type: stringOf(text, memberOf(members, "type")) ?? "",
    members: members.filter(({ name }) => name !== "touched")
      .map(({ nameStart, end }) => text.slice(nameStart, end)).join(","),
  };
}

function membersOf(text: string): readonly Member[] {
  let members: readonly Member[] | null;
  try {
    members = readMembers(text, LIMITS);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new InvalidMessage(`The body is not JSON: ${error.message}`);
  }
  if (members === null) throw new InvalidMessage("A message is a JSON object");
  return members;
}

function touchedOf(text: string, member: Member | undefined): readonly string[] {
  if (member === undefined || text.startsWith("null", member.start)) return [];
  const touched = stringsOf(text, member);
  if (touched === undefined) {
    throw new InvalidMessage('"touched" of a message is a list of strings');
  }
  if (touched.length > TOUCHED_LIMIT) {
    throw new InvalidMessage(`"touched" of a message has at most ${TOUCHED_LIMIT} fingerprints`);
  }
  if (touched.some(({ length }) => length > FINGERPRINT_LIMIT)) {
    throw new InvalidMessage(`A fingerprint has at most ${FINGERPRINT_LIMIT} characters`);
  }
  // The fingerprints wait in the queues of peers, and would keep the body alive.
  return touched.map(flatCopy);
}
