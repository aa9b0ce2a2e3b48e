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
  /** Fingerprints of the servers that have handled the message, or get it from one that has. */
  readonly touched?: readonly string[];
  /** Phorge gives each message one, and repeats it when it tries another server. */
  readonly uniqueID?: unknown;
  readonly [key: string]: unknown;
}

/**
 * A message as it goes over the wire, encoded once however many listeners and peers receive it. Its
 * `touched` comes last, whatever place it came in.
 */
export class Encoded {
  /** The message as JSON in UTF-8. */
  readonly bytes: Uint8Array;
  /** Of `bytes`, those before `touched`. */
  readonly #untouched: number;
  #text: string | null = null;

  /** @throws {InvalidMessage} If the message is nested too deeply. */
  constructor({ touched, ...rest }: Message) {
    const untouched = encode(rest).slice(0, -1);
    this.bytes = encoder.encode(untouched + closing(touched));
    this.#untouched = this.bytes.length - encoder.encode(closing(touched)).length;
  }

  /** The message as JSON, decoded when it is first asked for. */
  get text(): string {
    return this.#text ??= decoder.decode(this.bytes);
  }

  /** The same message as JSON in UTF-8 with another list of servers. */
  touchedBy(fingerprints: readonly string[]): Uint8Array<ArrayBuffer> {
    const end = encoder.encode(closing(fingerprints));
    const bytes = new Uint8Array(this.#untouched + end.length);
    bytes.set(this.bytes.subarray(0, this.#untouched));
    bytes.set(end, this.#untouched);
    return bytes;
  }
}

/** The end of a message's JSON; there is always a key before it. */
function closing(touched: Message["touched"]): string {
  return touched === undefined ? "}" : `,"touched":${JSON.stringify(touched)}}`;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The JSON value is no {@linkcode Message}; the text says why. */
export class InvalidMessage extends Error {
  override readonly name = "InvalidMessage";
}

function encode(message: Omit<Message, "touched">): string {
  try {
    return JSON.stringify(message);
  } catch (error) {
    // V8 reads some values that are nested deeper than it can write.
    if (error instanceof RangeError) throw new InvalidMessage("The message is nested too deeply");
    throw error;
  }
}

/** Servers that a message may have been handled by; it is written anew for each peer. */
const TOUCHED_LIMIT = 1024;

/**
 * Takes a parsed JSON value for a message.
 *
 * `touched` may be missing or `null`, as with the original.
 *
 * @throws {InvalidMessage} If it is not an object, or a list in it is not a list of strings, or `touched` is too long.
 */
export function parseMessage(value: unknown): Message {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InvalidMessage("A message is a JSON object");
  }
  if (!("subscribers" in value && isStringList(value.subscribers))) {
    throw new InvalidMessage('"subscribers" of a message is a list of strings');
  }
  if ("touched" in value && value.touched !== null) {
    if (!isStringList(value.touched)) {
      throw new InvalidMessage('"touched" of a message is a list of strings');
    }
    if (value.touched.length > TOUCHED_LIMIT) {
      throw new InvalidMessage(`"touched" of a message has at most ${TOUCHED_LIMIT} fingerprints`);
    }
  }
  return value as Message;
}

/** Whether a JSON value is a list that holds nothing but strings. */
export function isStringList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
