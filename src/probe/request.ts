/**
 * One HTTP request, and its answer.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { readToken } from "../config/token.ts";
import { AnswerError, AnswerReader } from "../http/answer.ts";
import { type Dialed, TIMEOUT_MS } from "../http/dial.ts";
import { RequestError } from "../http/failure.ts";
import { formatValue } from "../log/format.ts";
import { within } from "../within.ts";
import { dialEndpoint, type Endpoint, tokenOf } from "./endpoint.ts";

/** The most bytes of an answer. The console's data have some hundred kB. */
const ANSWER_LIMIT = 8 * 1024 * 1024;

/** The content of a request. */
export interface RequestOptions {
  /** @default {"GET"} */
  readonly method?: "GET" | "POST";
  /** Path and query. @default The path of the URL. */
  readonly path?: string;
  /** The headers, by name in lower case. */
  readonly headers?: Readonly<Record<string, string>> & { readonly authorization?: never };
  /** True if the token of the endpoint is sent, where it has one. @default {false} */
  readonly isAuthorized?: boolean;
  readonly body?: string;
}

/** An answer, without the token of the endpoint. */
export interface ProbeAnswer {
  readonly status: number;
  /** Returns the value of a field, whose name is in lower case; `null` when the answer has none. */
  header(name: string): string | null;
  readonly body: string;
}

/**
 * Sends a request, and returns its answer within {@linkcode TIMEOUT_MS}, connecting not counted.
 *
 * @throws {RequestError} If there is no answer.
 * @throws {TokenError} If the token to send cannot be read.
 *
 * @example
 * ```ts
 * import { endpointOf } from "./endpoint.ts";
 * import { request } from "./request.ts";
 *
 * const { status, body } = await request(endpointOf(server), { path: "/status/" });
 * ```
 */
export async function request(
  endpoint: Endpoint,
  { method, path = endpoint.url.pathname, headers, isAuthorized = false, body = "" }:
    RequestOptions = {},
): Promise<ProbeAnswer> {
  const { url } = endpoint;
  const token = isAuthorized && endpoint.token !== null
    ? readToken(endpoint.token)
    : tokenOf(endpoint);
  const dialed = await dialEndpoint(endpoint, token);
  const bytes = writeRequest(`${method ?? "GET"} ${path}`, {
    host: url.host,
    connection: "close",
    ...body === "" ? {} : { "content-length": `${new TextEncoder().encode(body).length}` },
    ...token !== null && isAuthorized ? { authorization: token.header } : {},
    ...headers,
  }, body);
  try {
    return await inTime(dialed, exchange(dialed, bytes));
  } finally {
    dialed.socket.destroy();
  }
}

/**
 * Returns the text of a request.
 *
 * @param target Method and path.
 */
export function writeRequest(
  target: string,
  headers: Readonly<Record<string, string>>,
  body: string = "",
): string {
  const fields = Object.entries({ "user-agent": "aphlict", ...headers });
  return `${target} HTTP/1.1\r\n${
    fields.map(([name, value]) => `${name}: ${value}\r\n`).join("")
  }\r\n${body}`;
}

/**
 * Sends a request on a new connection, and reads its answer.
 *
 * @param onUpgrade Takes the connection over when the answer changes the protocol, with the bytes after it.
 * @throws {RequestError} If the answer breaks off or is too long.
 */
export async function exchange(
  { socket, redact }: Dialed,
  request: string,
  onUpgrade: ((rest: Uint8Array) => void) | null = null,
): Promise<ProbeAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<ProbeAnswer>();
  const reader = new AnswerReader(redact, {
    bodyLimit: ANSWER_LIMIT,
    mayUpgrade: onUpgrade !== null,
  });
  const take = (read: () => ReturnType<AnswerReader["end"]> | undefined) => {
    try {
      const answer = read();
      if (!answer) return;
      const { status, body } = answer;
      const { fields, rest } = reader;
      const header = (name: string) => {
        const value = fields.get(name);
        return value === null ? null : redact(value);
      };
      if (status === 101) {
        socket.off("data", onData).off("close", onClose);
        onUpgrade?.(rest);
      }
      resolve({ status, body, header });
    } catch (error) {
      reject(error instanceof AnswerError ? new RequestError("answer", error.message) : error);
    }
  };
  const onData = (chunk: Buffer) => take(() => reader.push(chunk)[0]);
  let why = "";
  const onClose = () => {
    // A body that ends with the connection is incomplete if the connection broke off.
    if (why === "") take(() => reader.end());
    reject(new RequestError("answer", `closes the connection without an answer${why}`));
  };
  socket.on("error", ({ message }) => why = ` (${formatValue(redact(message), 100)})`);
  socket.on("data", onData).on("close", onClose);
  socket.write(request);
  return await promise;
}

const LATE = new RequestError("timeout", `does not answer within ${TIMEOUT_MS / 1000} s`);

/**
 * Returns the answer that comes within {@linkcode TIMEOUT_MS}.
 *
 * @param late The error to throw when none comes.
 * @throws {RequestError} If none comes; the connection is cut then.
 */
export async function inTime<T>(
  { socket }: Dialed,
  answer: Promise<T>,
  late: RequestError = LATE,
): Promise<T> {
  if (await within(TIMEOUT_MS, answer)) return await answer;
  socket.destroy();
  throw late;
}
