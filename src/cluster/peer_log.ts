/**
 * The log lines about one peer: each change of its state once, and never a line for each message.
 *
 * @module
 */

import { logger } from "../log/log.ts";
import { RateLimiter } from "../log/rate_limiter.ts";
import type { Answer } from "../http/answer.ts";
import { REFUSED } from "../http/failure.ts";
import { DEFAULT_QUEUE_LIMITS } from "./queue.ts";

/**
 * The time for which a peer that was never up may refuse connections before that is logged, in ms: the servers of a
 * cluster may start together.
 */
const START_MS = 5000;

/** Failures in a row after which another reason is logged in an outage that has been logged. */
const SAME_REASON = 3;

/** Reasons that are logged in one outage, at most. */
const REASONS_TOLD = 5;

const WAIT_SECONDS = DEFAULT_QUEUE_LIMITS.ageMs / 1000;

/** The reasons for which waiting messages are dropped. */
const WHY_DROPPED = {
  full: `more wait than ${DEFAULT_QUEUE_LIMITS.messages}, or more bytes than ` +
    `${DEFAULT_QUEUE_LIMITS.bytes}`,
  old: `they have waited for ${WAIT_SECONDS} s`,
} as const;

const log = logger("cluster");

/** The log of one peer. */
export class PeerLog {
  readonly #peer: string;
  readonly #refusals: RateLimiter;
  readonly #starts: RateLimiter;
  readonly #contradictions: RateLimiter;
  /** True if the log says that the peer is contradicted. */
  #isContradicted = false;
  #hasBeenUp = false;
  /** The reasons that were logged in this outage. */
  readonly #told = new Set<string>();
  #lastReason = "";
  /** Failures in a row for the last reason. */
  #sameReason = 0;
  /** Copies that were dropped since that was last logged. */
  #dropped = 0;

  /** @param peer Its name in the log. */
  constructor(peer: string) {
    this.#peer = peer;
    const inAMinute = (lines: number, text: string) =>
      new RateLimiter((count) => log.warning(text, { peer, count }), { lines, periodMs: 60_000 });
    this.#refusals = inAMinute(1, "Peer {peer} refused {count} more messages in the last minute.");
    this.#contradictions = inAMinute(
      1,
      "Peer {peer} showed another server's fingerprint {count} more times in the last minute.",
    );
    this.#starts = inAMinute(5, "Peer {peer} was started {count} more times in the last minute.");
  }

  /**
   * @param downMs The time for which the peer was down.
   * @param waiting Copies that wait for the peer.
   */
  up(fingerprint: string | null, downMs: number, waiting: number): void {
    const values = {
      peer: this.#peer,
      fingerprint: fingerprint ?? "not known yet",
      seconds: Math.round(downMs / 100) / 10,
      waiting,
    };
    if (this.#told.size === 0) log.info("Peer {peer} is up (fingerprint: {fingerprint}).", values);
    else {
      log.info(
        "Peer {peer} is up again after {seconds} s (fingerprint: {fingerprint}; messages that wait for " +
          "it: {waiting}).",
        values,
      );
    }
    this.#told.clear();
    this.#hasBeenUp = true;
    this.caughtUp();
  }

  /**
   * @param reason A text that follows on "the peer".
   * @param downMs The time for which the peer has been down.
   * @param waiting Copies that wait for the peer.
   */
  failed(reason: string, downMs: number, waiting: number): void {
    this.#sameReason = reason === this.#lastReason ? this.#sameReason + 1 : 1;
    this.#lastReason = reason;
    if (!this.#hasBeenUp && reason === REFUSED && downMs < START_MS) return;
    const told = this.#told;
    if (told.has(reason) || told.size >= REASONS_TOLD) return;
    if (told.size > 0 && this.#sameReason < SAME_REASON) return;
    const values = { peer: this.#peer, reason, seconds: WAIT_SECONDS, waiting };
    if (told.size > 0) log.warning("Peer {peer} is still down: it {reason}.", values);
    else {
      log.warning(
        "Peer {peer} is down: it {reason}. It is tried again and again; messages wait for it for up to " +
          "{seconds} s ({waiting} now).",
        values,
      );
    }
    told.add(reason);
  }

  self(): void {
    log.info("Peer {peer} is this server itself: it is sent nothing.", { peer: this.#peer });
  }

  startedAgain(fingerprint: string): void {
    if (!this.#starts.take()) return;
    log.info("Peer {peer} was started again (fingerprint: {fingerprint}).", {
      peer: this.#peer,
      fingerprint,
    });
  }

  several(former: string, fingerprint: string): void {
    log.warning(
      "Peer {peer} leads to different servers ({former} and {fingerprint} have answered), so that nobody " +
        "can tell which of them has a message. Name each server by an address of its own.",
      { peer: this.#peer, former, fingerprint },
    );
  }

  /**
   * Warns that the peer shows a fingerprint that is not its own.
   *
   * @param owner Its owner, such as "this server".
   */
  contradicted(fingerprint: string, owner: string): void {
    if (!this.#contradictions.take()) return;
    this.#isContradicted = true;
    log.warning(
      "Peer {peer} answers with the fingerprint of {owner} ({fingerprint}) and cannot prove that it is that " +
        "server, so it is taken for another one, and sent every message. Look which program answers there: " +
        "aphlict doctor",
      { peer: this.#peer, owner, fingerprint },
    );
  }

  /** Logs that the peer does not show a fingerprint that another server has proven any more. */
  cleared(): void {
    if (!this.#isContradicted) return;
    this.#isContradicted = false;
    log.info("Peer {peer} does not show another server's fingerprint any more.", {
      peer: this.#peer,
    });
  }

  refused({ status, body }: Answer): void {
    if (!this.#refusals.take()) return;
    log.warning("Peer {peer} refused a message with {status}, so it is not sent again: {body}", {
      peer: this.#peer,
      status,
      body: body.slice(0, 200),
    });
  }

  /** Logs the first drop; {@linkcode caughtUp} logs their number. */
  dropped(reason: keyof typeof WHY_DROPPED, count: number): void {
    if (this.#dropped === 0) {
      log.warning("Messages for peer {peer} are being dropped here: {why}.", {
        peer: this.#peer,
        why: WHY_DROPPED[reason],
      });
    }
    this.#dropped += count;
  }

  /** Logs the number of drops, once no more follow. */
  caughtUp(): void {
    if (this.#dropped === 0) return;
    log.warning(
      "{count} messages for peer {peer} were dropped here meanwhile; another server may have brought them.",
      {
        peer: this.#peer,
        count: this.#dropped,
      },
    );
    this.#dropped = 0;
  }

  /** @param waiting Copies that wait for the peer. */
  stopped(waiting: number): void {
    if (waiting === 0) return;
    log.warning(
      "This server stops while {waiting} messages wait for peer {peer}: it will not bring them.",
      {
        peer: this.#peer,
        waiting,
      },
    );
  }
}
