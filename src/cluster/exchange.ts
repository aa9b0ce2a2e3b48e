/**
 * The requests to a peer, and the reading of its answers. Pure.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { formatAddress } from "../config/host_name.ts";
import type { Token } from "../config/token.ts";
import { asFingerprint } from "../hub/fingerprint.ts";
import {
  CHALLENGE_HEADER,
  DELEGATE_HEADER,
  FINGERPRINT_HEADER,
  RECEIPT_HEADER,
} from "../hub/headers.ts";
import {
  JsonError,
  type Member,
  type MemberLimits,
  memberOf,
  readMembers,
  stringOf,
} from "../json_members.ts";
import type { Answer } from "../http/answer.ts";
import type { Relayed } from "./queue.ts";

const encoder = new TextEncoder();

/** Writes the requests to one peer. */
export class Requests {
  readonly #headers: string;

  /**
   * @param fingerprint This server's fingerprint.
   * @param token The token that the peer requires; `null`: none.
   */
  constructor(host: string, port: number, fingerprint: string, token: Token | null) {
    this.#headers = `Host: ${formatAddress(host, port)}\r\nUser-Agent: Aphlict\r\n` +
      `${FINGERPRINT_HEADER}: ${fingerprint}\r\n` +
      (token === null ? "" : `Authorization: ${token.header}\r\n`);
  }

  /** Returns a request for the status page and for a proof of the fingerprint on it. */
  status(challenge: string): Uint8Array {
    return encoder.encode(
      `GET /status/ HTTP/1.1\r\n${this.#headers}${CHALLENGE_HEADER}: ${challenge}\r\n\r\n`,
    );
  }

  /** Returns a request that posts a message. */
  post({ instance, encoded, touched, others, kind, onTaken }: Relayed): Uint8Array {
    const body = encoded.touchedBy([...touched, ...others]);
    const head = encoder.encode(
      `POST /?instance=${encodeURIComponent(instance)} HTTP/1.1\r\n${this.#headers}` +
        (kind === "handover" ? `${DELEGATE_HEADER}: 1\r\n` : "") +
        (onTaken === undefined ? "" : `${RECEIPT_HEADER}: 1\r\n`) +
        `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    return Buffer.concat([head, body]);
  }
}

/**
 * The reading of an answer. That of an Aphlict has its fingerprint, if it tells one. Any other has a fault, a
 * reason that follows on "the peer".
 */
export type Reading = { readonly fingerprint: string | null } | { readonly fault: string };

/** The reading of a receipt, with the number of listeners that got the message; `null`: it does not tell. */
export type ReceiptReading =
  | { readonly fingerprint: string | null; readonly receivers: number | null }
  | { readonly fault: string };

/** The reading of a status page, with the proof of that fingerprint; `null`: it has none. */
export type StatusReading =
  | { readonly fingerprint: string | null; readonly proof: string | null }
  | { readonly fault: string };

/** Reads the answer to a message. */
export function readReceipt(answer: Answer): ReceiptReading {
  if (answer.status !== 200) return { fault: explain(answer) };
  const members = membersOf(answer.body);
  const fingerprint = fingerprintIn(answer.body, members);
  return fingerprint === null
    ? { fault: NO_APHLICT }
    : { fingerprint, receivers: countIn(answer.body, memberOf(members, "receivers")) };
}

/** Reads the status page. The original's page has no fingerprint. */
export function readStatus(answer: Answer): StatusReading {
  if (answer.status !== 200) return { fault: explain(answer) };
  const members = membersOf(answer.body);
  const version = memberOf(members, "version");
  // Only numbers begin with one of these characters.
  return version !== undefined && "-0123456789".includes(answer.body.charAt(version.start))
    ? {
      fingerprint: fingerprintIn(answer.body, members),
      proof: stringOf(answer.body, memberOf(members, "proof")) ?? null,
    }
    : { fault: NO_APHLICT };
}

/** The limits of an answer. A status page has some ten keys, and a list of peers. */
const LIMITS: MemberLimits = { members: 200, depth: 20 };

/** Returns the members of a JSON object; none of anything else. */
function membersOf(text: string): readonly Member[] {
  try {
    return readMembers(text, LIMITS) ?? [];
  } catch (error) {
    if (error instanceof JsonError) return [];
    throw error;
  }
}

function fingerprintIn(text: string, members: readonly Member[]): string | null {
  return asFingerprint(stringOf(text, memberOf(members, "fingerprint")));
}

/** Returns a count of at most nine digits; `null` for everything else. */
function countIn(text: string, member: Member | undefined): number | null {
  if (member === undefined) return null;
  const digits = text.slice(member.start, member.end);
  return /^\d{1,9}$/.test(digits) ? Number(digits) : null;
}

const NO_APHLICT = "does not answer as the admin port of an Aphlict does";

function explain({ status, reason }: Answer): string {
  const answers = `answers ${status} ${reason}`.trimEnd();
  if (status >= 300 && status < 400) {
    return `${answers}: redirects are not followed. Name the address where it is`;
  }
  if (status === 401) {
    return `${answers}: it takes messages only with a token, or with another one. Name the file that ` +
      'holds it in "token.file" of the peer';
  }
  if (status === 403) {
    return `${answers}: if it is an Aphlict, add this server's address to its "allow"`;
  }
  if (status === 501) return `${answers}: that is a client port. Name its admin port`;
  return answers;
}
