/**
 * One HTTP request, and its answer.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { type IncomingMessage, request } from "node:http";
import type { Redact } from "../config/redaction.ts";
import { readToken, type Token } from "../config/token.ts";
import { dial, type Line, PATIENCE_MS, ReachError } from "./dial.ts";
import { formatValue } from "../log/format.ts";
import { within } from "../within.ts";
import { type Place, tokenOf } from "./place.ts";

/** Bytes of an answer, at most: the console's data have some hundred kB. */
const ANSWER_LIMIT = 8 * 1024 * 1024;

/** What is asked. */
export interface Question {
  /** @default {"GET"} */
  readonly method?: "GET" | "POST";
  /** Path and query. @default The URL's. */
  readonly path?: string;
  /** By name in lower case. */
  readonly headers?: Readonly<Record<string, string>> & { readonly authorization?: never };
  /** Whether the token of the place is sent, where it has one. @default {false} */
  readonly isAuthorized?: boolean;
  readonly body?: string;
}

/** What was answered, without the token of the place. */
export interface Answer {
  readonly status: number;
  /** Of a name that came more than once, the first; `null` when it did not come. */
  header(name: string): string | null;
  readonly text: string;
}

/**
 * Asks within {@linkcode PATIENCE_MS}, connecting not counted.
 *
 * @throws {ReachError} If there is no answer.
 * @throws {TokenError} If there is a token to send, and it cannot be read.
 */
export async function ask(place: Place, question: Question = {}): Promise<Answer> {
  const { isAuthorized = false } = question;
  const token = isAuthorized && place.token !== null ? readToken(place.token) : tokenOf(place);
  const line = await dial(place, token);
  try {
    return await answeredWithin(
      line,
      askOn(line, place.url, question, isAuthorized ? token : null),
    );
  } finally {
    line.socket.destroy();
  }
}

async function askOn(
  { socket, redact }: Line,
  url: URL,
  { method = "GET", path = url.pathname, headers = {}, body }: Question,
  token: Token | null,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const asked = request({
    createConnection: () => socket,
    method,
    path,
    headers: {
      host: url.host,
      "user-agent": "aphlict",
      ...body === undefined ? {} : { "content-length": `${new TextEncoder().encode(body).length}` },
      ...token === null ? {} : { authorization: token.header },
      ...headers,
    },
  });
  asked.on("error", (error) => reject(broken(error, redact)));
  asked.on("response", (answer) => {
    readAnswer(answer, redact).then(resolve, reject);
  });
  asked.end(body);
  return await promise;
}

/**
 * The whole of an answer.
 *
 * @throws {ReachError} If it breaks off or is too long.
 */
export async function readAnswer(answer: IncomingMessage, redact: Redact): Promise<Answer> {
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  try {
    for await (const part of answer as AsyncIterable<Buffer>) {
      size += part.length;
      if (size > ANSWER_LIMIT) throw new ReachError("answer", "answers without an end");
      text += decoder.decode(part, { stream: true });
    }
  } catch (error) {
    throw error instanceof ReachError ? error : broken(error, redact);
  }
  return {
    status: answer.statusCode ?? 0,
    header(name) {
      const value = answer.headers[name];
      const first = Array.isArray(value) ? value[0] : value;
      return first === undefined ? null : redact(first);
    },
    text: redact(text + decoder.decode()),
  };
}

const LATE = new ReachError("silence", `does not answer within ${PATIENCE_MS / 1000} s`);

/**
 * What comes within {@linkcode PATIENCE_MS}.
 *
 * @param late Thrown when it does not.
 * @throws {ReachError} If it does not; the connection is cut then.
 */
export async function answeredWithin<T>(
  { socket }: Line,
  answer: Promise<T>,
  late: ReachError = LATE,
): Promise<T> {
  // After that it has nobody to tell.
  answer.catch(() => {});
  if (await within(PATIENCE_MS, answer)) return await answer;
  socket.destroy();
  throw late;
}

/** What a connection that breaks off comes to. */
export function broken(error: unknown, redact: Redact): ReachError {
  const message = redact(error instanceof Error ? error.message : String(error));
  return new ReachError(
    "answer",
    /parse|HPE_|Invalid|Expected HTTP/i.test(message)
      ? "does not answer as a web server does"
      : `closes the connection without an answer (${formatValue(message, 100)})`,
  );
}
