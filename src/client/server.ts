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
 * Replays that one listener may ask for at once; each second allows one more. A replay looks at all
 * that is remembered, which no other command does.
 */
export const REPLAY_LIMIT = 10;

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
  /** Replays asked for, less those of the seconds that have passed; when that was. */
  #replays = 0;
  #replaysAt = 0;
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
      return;
    }
    this.#obey(command);
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
      this.#ended = true;
      this.#info("Ended its connection: {bytes} bytes wait for it, more than {limit}.", {
        bytes,
        limit,
      });
      this.#listener.leave();
      this.#socket.abort(1013, "Too slow");
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
    const now = performance.now();
    this.#replays = Math.max(0, this.#replays - (now - this.#replaysAt) / 1000);
    this.#replaysAt = now;
    if (this.#replays > REPLAY_LIMIT - 1) {
      this.#refuse("Refused to replay: it has asked {limit} times in a moment.", {
        limit: REPLAY_LIMIT,
      });
      return;
    }
    this.#replays++;
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
