/**
 * The client server: each browser's WebSocket becomes a listener of the hub.
 *
 * @module
 */

import { BURST, type ClientLimits } from "../config/limits.ts";
import type { Hub } from "../hub/hub.ts";
import type { Listener } from "../hub/listener.ts";
import type { Encoded } from "../hub/message.ts";
import type { Allowances } from "../log/allowance.ts";
import { logger } from "../log/log.ts";
import { Tally } from "../metrics/tally.ts";
import {
  type EndKind,
  ENDS,
  type Socket,
  type SocketHandlers,
  type TextMessage,
} from "../websocket/socket.ts";
import { type Command, InvalidCommand, parseCommand } from "./command.ts";
import { instanceOf } from "./instance.ts";

/** Commands refused by one listener that are logged one by one; the rest are counted. */
export const REFUSAL_LOG_LIMIT = 10;

const PONG_TEXT = '{"type":"pong"}';
const PONG: TextMessage = { text: PONG_TEXT, bytes: new TextEncoder().encode(PONG_TEXT) };

const log = logger("client");

/** Why a listener is gone: its socket has ended, or this server has ended it for what it did. */
export type ListenerEnd = typeof LISTENER_ENDS[number];

/** What of a browser's commands was refused, while it stayed. */
const IGNORED = ["invalid", "subscriptions", "replay"] as const;

/** Codes and reasons of the connections that are ended here: too many commands, too much that waits. */
const CODES = {
  commands: [1008, "Too many commands"],
  backlog: [1013, "Too slow"],
} as const;

const LISTENER_ENDS = [...ENDS, "commands", "backlog"] as const;

/** What lines about browsers are about. */
export const COMPLAINTS = [...LISTENER_ENDS, ...IGNORED] as const;

/** What the browsers of a server have done. */
export class ClientCounters {
  opened = 0;
  /** Messages that came from them. */
  messages = 0;
  readonly ended = new Tally<ListenerEnd>(LISTENER_ENDS);
  readonly ignored = new Tally(IGNORED);
}

/** What a client server does with browsers. */
export interface ClientOptions {
  /** Asked whenever it matters, as they may change. */
  limits(): ClientLimits;
  readonly counters: ClientCounters;
  /** Lines about browsers, of all servers together: each reason has its own. */
  readonly complaints: Allowances<typeof COMPLAINTS[number]>;
}

/** What takes over each new connection of a browser. */
export function acceptClients(
  hub: Hub,
  options: ClientOptions,
): (socket: Socket) => SocketHandlers {
  return (socket) => new Client(hub, socket, options);
}

class Client implements SocketHandlers {
  readonly #socket: Socket;
  readonly #listener: Listener;
  readonly #options: ClientOptions;
  #replaying = false;
  /** What of the budget was spent, and when. */
  #spent = 0;
  #spentAt = 0;
  /** Allowed on top of the backlog's limit, until the backlog has been below it. */
  #replayedBytes = 0;
  #refusals = 0;
  /** Why this server has ended it. */
  #endedFor: keyof typeof CODES | null = null;
  // Asked once, because deliveries are what this program does most.
  readonly #tracing = log.isEnabledFor("trace");

  constructor(hub: Hub, socket: Socket, options: ClientOptions) {
    this.#socket = socket;
    this.#options = options;
    options.counters.opened++;
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
    if (this.#endedFor !== null) return;
    this.#options.counters.messages++;
    this.#trace("Received message: {text}", { text });
    let command: Command;
    try {
      command = parseCommand(text);
    } catch (error) {
      if (!(error instanceof InvalidCommand)) throw error;
      this.#refuse("invalid", "Ignored its message: {reason}: {text}", {
        reason: error.message,
        text,
      });
      this.#spend(1);
      return;
    }
    if (this.#spend(costOf(command, this.#options.limits()))) this.#obey(command);
  }

  close(kind: EndKind, fault: string | null): void {
    this.#options.counters.ended.add(this.#endedFor ?? kind);
    this.#listener.leave();
    if (fault !== null) this.#info(kind, "Ended its connection: {fault}.", { fault });
    this.#trace("Disconnected.", {});
    if (this.#refusals > REFUSAL_LOG_LIMIT) {
      this.#info("invalid", "{count} of its commands were refused in all.", {
        count: this.#refusals,
      });
    }
  }

  #obey(command: Command): void {
    switch (command.command) {
      case "subscribe": {
        const refused = this.#listener.subscribe(command.topics, this.#options.limits());
        this.#trace("Subscribed to: {topics}", { topics: command.topics });
        if (refused > 0) {
          this.#refuse(
            "subscriptions",
            "Refused {refused} of {count} subscriptions: over the limit.",
            {
              refused,
              count: command.topics.length,
            },
          );
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
    const { backlog } = this.#options.limits();
    if (bytes <= backlog) this.#replayedBytes = 0;
    const limit = backlog + this.#replayedBytes;
    if (bytes > limit && !this.#replaying) {
      this.#end("backlog", "{bytes} bytes wait for it, more than {limit}", { bytes, limit });
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
    if (bytes > this.#options.limits().backlog) {
      this.#refuse("replay", "Refused to replay: {bytes} bytes wait for it already.", { bytes });
      return;
    }
    this.#replaying = true;
    const delivered = this.#listener.replay(ageMs);
    this.#replaying = false;
    this.#replayedBytes = this.#socket.queuedBytes - bytes;
    this.#trace("Replayed {delivered} messages of the last {ageMs} ms.", { delivered, ageMs });
  }

  /** Whether `limit.commands` allows for one more command; if not, the connection is ended. */
  #spend(cost: number): boolean {
    const { commands } = this.#options.limits();
    const now = performance.now();
    const back = (now - this.#spentAt) / 1000 * commands;
    this.#spent = Math.max(0, this.#spent - back) + cost;
    this.#spentAt = now;
    const limit = commands * BURST;
    if (this.#spent <= limit) return true;
    this.#end("commands", "its commands counted for more than {limit} in a moment", { limit });
    return false;
  }

  #end(kind: keyof typeof CODES, why: string, values: Record<string, unknown>): void {
    this.#endedFor = kind;
    this.#info(kind, `Ended its connection: ${why}.`, values);
    this.#listener.leave();
    const [code, reason] = CODES[kind];
    this.#socket.abort(code, reason);
  }

  #refuse(
    kind: typeof IGNORED[number],
    text: string,
    values: Record<string, unknown>,
  ): void {
    this.#options.counters.ignored.add(kind);
    this.#refusals++;
    if (this.#refusals <= REFUSAL_LOG_LIMIT) this.#info(kind, text, values);
    if (this.#refusals === REFUSAL_LOG_LIMIT) {
      this.#info(kind, "What more it gets wrong is counted, not logged.", {});
    }
  }

  #info(
    kind: typeof COMPLAINTS[number],
    text: string,
    values: Record<string, unknown>,
  ): void {
    if (!this.#options.complaints.take(kind)) return;
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

/**
 * For how many commands one counts: a replay looks at all that is remembered, a subscription at each of its
 * topics. 40 topics count for one, or more where all that a listener may have would come to more than a
 * second's commands.
 */
function costOf(command: Command, { subscriptions, commands }: ClientLimits): number {
  switch (command.command) {
    case "replay":
      return 10;
    case "ping":
      return 1;
    default:
      return 1 + command.topics.length * Math.min(1 / 40, commands / subscriptions);
  }
}
