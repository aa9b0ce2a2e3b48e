/**
 * A message: what Phorge or a peer posts and browsers receive.
 *
 * @module
 */

/**
 * A JSON object with the topics it is for. Everything else in it (`type`, `key`, `threadPHID`, ...)
 * passes through untouched.
 */
export interface Message {
  /** Topics (PHIDs): every listener subscribed to one of them receives the message. */
  readonly subscribers: readonly string[];
  /** Fingerprints of the servers that have handled the message, oldest first. */
  readonly touched?: readonly string[];
  /** Phorge gives each message one, and repeats it when it tries another server. */
  readonly uniqueID?: unknown;
  readonly [key: string]: unknown;
}

/** A message as it goes over the wire, encoded once however many listeners receive it. */
export class Encoded {
  /** The message as JSON in UTF-8. */
  readonly bytes: Uint8Array;
  #text: string | null = null;

  /** @throws {InvalidMessage} If the message is nested too deeply. */
  constructor(message: Message) {
    this.bytes = encoder.encode(encode(message));
  }

  /** The message as JSON, decoded when it is first asked for. */
  get text(): string {
    return this.#text ??= decoder.decode(this.bytes);
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The JSON value is no {@linkcode Message}; the text says why. */
export class InvalidMessage extends Error {
  override readonly name = "InvalidMessage";
}

function encode(message: Message): string {
  try {
    return JSON.stringify(message);
  } catch (error) {
    // V8 reads some values that are nested deeper than it can write.
    if (error instanceof RangeError) throw new InvalidMessage("The message is nested too deeply");
    throw error;
  }
}

/**
 * Takes a parsed JSON value for a message.
 *
 * `touched` may be missing or `null`, as with the original.
 *
 * @throws {InvalidMessage} If it is not an object, or a list in it is not a list of strings.
 */
export function parseMessage(value: unknown): Message {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InvalidMessage("A message is a JSON object");
  }
  if (!("subscribers" in value && isStringList(value.subscribers))) {
    throw new InvalidMessage('"subscribers" of a message is a list of strings');
  }
  if ("touched" in value && value.touched !== null && !isStringList(value.touched)) {
    throw new InvalidMessage('"touched" of a message is a list of strings');
  }
  return value as Message;
}

/** Whether a JSON value is a list that holds nothing but strings. */
export function isStringList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
