/**
 * The encoding of responses (RFC 9112, sections 4 and 6).
 *
 * @module
 */

import { Buffer } from "node:buffer";

/** The state of the connection after a response. */
export type Persistence =
  /** It is closed. */
  | "close"
  /** It stays, as usual in HTTP/1.1. */
  | "stay"
  /** It stays, which a client of HTTP/1.0 has to be told. */
  | "keep-alive";

/** The reason phrases. Their module in `node:http` takes 40 ms to load. */
const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  302: "Found",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  413: "Content Too Large",
  417: "Expectation Failed",
  426: "Upgrade Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
  505: "HTTP Version Not Supported",
};

/** The fields that are written here: those of the connection, and of the response's end. */
const OWN_FIELDS: readonly string[] = ["connection", "content-length", "transfer-encoding"];

/** The time of day for the `Date` of responses: the same text for a second. */
let date = "";
let dateSecond = NaN;

function dateNow(): string {
  const now = Date.now();
  const second = Math.floor(now / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    date = new Date(now).toUTCString();
  }
  return date;
}

/**
 * Returns a response as it is sent, in UTF-8.
 *
 * @param body Its length is sent for HEAD, too.
 * @param withBody True if the body is sent: not to HEAD.
 * @param fields Further fields, as {@linkcode encodeFields} writes them.
 */
export function encodeResponse(
  { status, headers }: Response,
  body: string,
  withBody: boolean,
  persistence: Persistence,
  fields: string,
): string {
  let head = `HTTP/1.1 ${status} ${REASONS[status] ?? ""}\r\nDate: ${dateNow()}\r\n${fields}`;
  const named = headers.get("connection");
  const others = named === null || named.toLowerCase() === "close" ? [] : [named];
  if (persistence !== "stay") others.push(persistence);
  if (others.length > 0) head += `Connection: ${others.join(", ")}\r\n`;
  for (const [name, value] of headers) {
    if (!OWN_FIELDS.includes(name)) head += `${name}: ${value}\r\n`;
  }
  // These have no content, and a length would be that of another response (RFC 9110, section 8.6).
  if (status !== 204 && status !== 304) head += `Content-Length: ${Buffer.byteLength(body)}\r\n`;
  return `${head}\r\n${withBody ? body : ""}`;
}

/** Returns the head of a response that upgrades the connection. */
export function encodeUpgrade(headers: Readonly<Record<string, string>>): string {
  return `HTTP/1.1 101 Switching Protocols\r\n${encodeFields(headers)}\r\n`;
}

/** Returns the lines of fields, each with its line break. */
export function encodeFields(fields: Readonly<Record<string, string>>): string {
  return Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`).join("");
}
