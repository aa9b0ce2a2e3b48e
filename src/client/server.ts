/**
 * The client server: each browser's WebSocket becomes a listener of the hub.
 *
 * @module
 */

import type { Hub } from "../hub/hub.ts";
import type { Listener } from "../hub/listener.ts";
import type { Encoded } from "../hub/message.ts";
import { Allowance } from "../log/allowance.ts";
import { logger } from "../log/log.ts";
import type { Socket, SocketHandlers, TextMessage } from "../websocket/socket.ts";
import { type Command, InvalidCommand, parseCommand } from "./command.ts";
import { instanceOf } from "./instance.ts";

/**
 * Bytes that may wait for one slow listener; above it the connection is ended with 1013, and the
 * browser is expected to reconnect and replay.
 */
export const BACKLOG_LIMIT = 1024 * 1024;

/**
 * What one listener's commands may cost in a moment, see {@linkcode costOf}; more ends the connection
 * with 1008. A page of Phorge subscribes to a few topics, replays once, and pings every 15 s.
 */
export const COMMAND_BUDGET = 128;

/** How much of the budget comes back in a second. */
const BUDGET_PER_SECOND = 10;

/** Commands refused by one listener that are logged one by one; the rest are counted. */
export const REFUSAL_LOG_LIMIT = 10;

/** What Phorge's health check expects of a request that is no WebSocket: exactly status 501. */
export const NOT_A_WEBSOCKET = { status: 501, body: "HTTP/501 Use Websockets\n" } as const;

const PONG_TEXT = '{"type":"pong"}';
const PONG: TextMessage = { text: PONG_TEXT, bytes: new TextEncoder().encode(PONG_TEXT) };

const log = logger("client");

/** What takes over each new connection of a browser. */
export function acceptClients(hub: Hub): (socket: Socket) => SocketHandlers {
  const complaints = new Allowance((count) =>
    log.warning("{count} more lines about browsers were left out in the last minute.", { count })
  );
  return (socket) => new Client(hub, socket, complaints);
}

class Client implements SocketHandlers {
  readonly #socket: Socket;
  readonly #listener: Listener;
  readonly #complaints: Allowance;
  #replaying = false;
  /** What of the budget was spent, and when. */
  #spent = 0;
  #spentAt = 0;
  /** Allowed on top of the backlog's limit, until the backlog has been below it. */
  #replayedBytes = 0;
  #refusals = 0;
  #ended = false;
  // Asked once, because deliveries are what this program does most.
  readonly #tracing = log.isEnabledFor("trace");

  constructor(hub: Hub, socket: Socket, complaints: Allowance) {
    this.#socket = socket;
    this.#complaints = complaints;
    this.#listener = hub.join(instanceOf(socket.path), this);
    this.#trace("Connected from {remote}.", { remote: socket.remoteAddress });
  }

  /** See `Sink`. */
  deliver(message: Encoded): boolean {
    if (!this.#send(message)) return false;
    if (this.#tracing) this.#trace("Wrote message: {message}", { message: message.text });
    return true;
  }

  message(text: string): void {
    if (this.#ended) return;
    this.#trace("Received message: {text}", { text });
    let command: Command;
    try {
      command = parseCommand(text);
    } catch (error) {
      if (!(error instanceof InvalidCommand)) throw error;
      this.#refuse("Ignored its message: {reason}: {text}", { reason: error.message, text });
      this.#spend(1);
      return;
    }
    if (this.#spend(costOf(command))) this.#obey(command);
  }

  close(fault: string | null): void {
    this.#listener.leave();
    if (fault !== null) this.#info("Ended its connection: {fault}.", { fault });
    this.#trace("Disconnected.", {});
    if (this.#refusals > REFUSAL_LOG_LIMIT) {
      this.#info("{count} of its commands were refused in all.", { count: this.#refusals });
    }
  }

  #obey(command: Command): void {
    switch (command.command) {
      case "subscribe": {
        const refused = this.#listener.subscribe(command.topics);
        this.#trace("Subscribed to: {topics}", { topics: command.topics });
        if (refused > 0) {
          this.#refuse("Refused {refused} of {count} subscriptions: over the limit.", {
            refused,
            count: command.topics.length,
          });
        }
        break;
      }
      case "unsubscribe":
        this.#listener.unsubscribe(command.topics);
        this.#trace("Unsubscribed from: {topics}", { topics: command.topics });
        break;
      case "replay":
        this.#replay(command.ageMs);
        break;
      case "ping":
        this.#send(PONG);
        break;
    }
  }

  #send(message: TextMessage): boolean {
    const bytes = this.#socket.queuedBytes;
    if (bytes <= BACKLOG_LIMIT) this.#replayedBytes = 0;
    const limit = BACKLOG_LIMIT + this.#replayedBytes;
    if (bytes > limit && !this.#replaying) {
      this.#end(1013, "Too slow", "{bytes} bytes wait for it, more than {limit}", { bytes, limit });
      return false;
    }
    return this.#socket.send(message);
  }

  /**
   * What a replay queues at once is no sign of slowness, and ending the connection for it would
   * only bring the browser back for another replay. So the replay's own bytes are allowed on top
   * of the limit; they are bounded by the history's.
   */
  #replay(ageMs: number): void {
    const bytes = this.#socket.queuedBytes;
    if (bytes > BACKLOG_LIMIT) {
      this.#refuse("Refused to replay: {bytes} bytes wait for it already.", { bytes });
      return;
    }
    this.#replaying = true;
    const delivered = this.#listener.replay(ageMs);
    this.#replaying = false;
    this.#replayedBytes = this.#socket.queuedBytes - bytes;
    this.#trace("Replayed {delivered} messages of the last {ageMs} ms.", { delivered, ageMs });
  }

  /** Whether the budget allows for one more command; if not, the connection is ended. */
  #spend(cost: number): boolean {
    const now = performance.now();
    const back = (now - this.#spentAt) / 1000 * BUDGET_PER_SECOND;
    this.#spent = Math.max(0, this.#spent - back) + cost;
    this.#spentAt = now;
    if (this.#spent <= COMMAND_BUDGET) return true;
    this.#end(1008, "Too many commands", "its commands cost more than {budget} in a moment", {
      budget: COMMAND_BUDGET,
    });
    return false;
  }

  #end(code: number, reason: string, why: string, values: Record<string, unknown>): void {
    this.#ended = true;
    this.#info(`Ended its connection: ${why}.`, values);
    this.#listener.leave();
    this.#socket.abort(code, reason);
  }

  #refuse(text: string, values: Record<string, unknown>): void {
    this.#refusals++;
    if (this.#refusals <= REFUSAL_LOG_LIMIT) this.#info(text, values);
    if (this.#refusals === REFUSAL_LOG_LIMIT) {
      this.#info("What more it gets wrong is counted, not logged.", {});
    }
  }

  #info(text: string, values: Record<string, unknown>): void {
    if (!this.#complaints.take()) return;
    log.info(`<{listener} {remote}> ${text}`, {
      listener: `${this.#listener}`,
      remote: this.#socket.remoteAddress,
      ...values,
    });
  }

  #trace(text: string, values: Record<string, unknown>): void {
    if (!this.#tracing) return;
    log.trace(`<{listener}> ${text}`, { listener: `${this.#listener}`, ...values });
  }
}

/** A replay looks at all that is remembered, a subscription at each of its topics. */
function costOf(command: Command): number {
  switch (command.command) {
    case "replay":
      return 10;
    case "ping":
      return 1;
    default:
      return 1 + command.topics.length / 10;
  }
}
