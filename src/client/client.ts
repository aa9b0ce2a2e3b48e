/**
 * A browser's connection: it becomes a listener of the hub.
 *
 * @module
 */

import type { AccountHolder } from "../budget.ts";
import type { ClientLimits } from "../config/config.ts";
import { DEFAULT_INSTANCE, type Hub, INSTANCE_LIMIT } from "../hub/hub.ts";
import type { Listener, ReplayResult, Sink } from "../hub/listener.ts";
import type { Encoded } from "../hub/message.ts";
import { isTracing, logger } from "../log/log.ts";
import { type LimitedLog, LoggedCounter } from "../log/rate_limiter.ts";
import { type Metrics, single } from "../metrics/families.ts";
import {
  type EndKind,
  ENDS,
  type Socket,
  type SocketHandlers,
  type TextMessage,
} from "../websocket/socket.ts";
import type { Worker, WorkShare } from "../work_queue.ts";
import { type ClientCommand, InvalidCommand, parseCommand } from "./client_command.ts";

/** Refused commands of one listener that are logged one by one; the rest are counted. */
export const REFUSAL_LOG_LIMIT = 10;

/** The seconds' worth of `limit.commands` that an idle listener may send at once. */
const BURST = 2;

const PONG_TEXT = '{"type":"pong"}';
const PONG: TextMessage = { text: PONG_TEXT, bytes: new TextEncoder().encode(PONG_TEXT) };

const log = logger("client");

/** The reason why a listener is gone: its socket has ended, or this server has ended it for what it did. */
export type ListenerEnd = typeof LISTENER_ENDS[number];

/** Reasons to refuse a browser's command, in whole or in part, while its connection stays. */
const IGNORED = ["invalid", "subscriptions", "memory", "replay"] as const;

/** Codes and reasons of the connections that are ended here. */
const CODES = {
  // The browser sent too many commands.
  commands: [1008, "Too many commands"],
  // Its backlog is too large.
  backlog: [1013, "Too slow"],
  // Its connection held the most when memory was short, or there was no memory for it.
  memory: [1013, "Out of memory"],
  // The name of its instance is too long.
  instance: [1008, "The instance has too long a name"],
} as const;

const LISTENER_ENDS = [...ENDS, "commands", "backlog", "instance"] as const;

/** Bytes that a replay keeps queued: it goes on as they are read. */
const REPLAY_AHEAD = 64 * 1024;

/**
 * Bytes of replays after which a browser has to show that it has read them. What it has not read lies in the kernel,
 * which keeps up to 4 MiB for each connection (`net.ipv4.tcp_wmem`).
 */
const REPLAY_WINDOW = 256 * 1024;

/** Reasons of the log lines about browsers. */
export const CLIENT_REASONS = [...LISTENER_ENDS, ...IGNORED] as const;

type ClientLog = LimitedLog<typeof CLIENT_REASONS[number]>;

/** The counters of a server's browsers. */
export class ClientCounters {
  opened = 0;
  /** Messages that came from browsers. */
  messages = 0;
  readonly ended: LoggedCounter<ListenerEnd>;
  readonly ignored: LoggedCounter<typeof IGNORED[number]>;

  constructor(log: ClientLog) {
    this.ended = new LoggedCounter(LISTENER_ENDS, log);
    this.ignored = new LoggedCounter(IGNORED, log);
  }

  /** Returns the families of one server. */
  metrics(): Partial<Metrics> {
    return {
      aphlict_connects_total: single(this.opened),
      aphlict_disconnects_total: this.ended.samples(),
      aphlict_commands_total: single(this.messages),
      aphlict_ignored_commands_total: this.ignored.samples(),
    };
  }
}

/** The options of a client server for its browsers. */
export interface ClientOptions {
  /** Returns the limits. It is called at each use, as they may change. */
  limits(): ClientLimits;
  readonly counters: ClientCounters;
  /** The queue in which replays wait for their turn. */
  readonly workQueue: WorkShare;
  /** The log of the browsers of all servers. */
  readonly log: ClientLog;
}

/** Returns a function that takes over each new connection of a browser. */
export function acceptClients(
  hub: Hub,
  options: ClientOptions,
): (socket: Socket, path: string) => SocketHandlers {
  return (socket, path) => new Client(hub, socket, path, options);
}

class Client implements SocketHandlers, Sink, Worker {
  readonly #socket: Socket;
  /** The listener in the hub; `null`: there was no room for one more. */
  readonly #listener: Listener | null;
  readonly #options: ClientOptions;
  /** True if the work queue will call for a replay. */
  #isQueued = false;
  /** The bytes that were sent during replays since the browser was last asked whether it has read all. */
  #replayedBytes = 0;
  /** True if it has not answered that yet. */
  #isAsked = false;
  /** The function to call when no replay goes on any more. */
  #onReplayed = () => {};
  /** The part of the budget that was spent, and the time of that. */
  #spent = 0;
  #spentAt = 0;
  #refusals = 0;
  /** The reason why this server has ended it. */
  #endedFor: keyof typeof CODES | null = null;

  constructor(hub: Hub, socket: Socket, path: string, options: ClientOptions) {
    this.#socket = socket;
    this.#options = options;
    options.counters.opened++;
    const instance = instanceOf(path);
    this.#listener = instance === null ? null : hub.join(instance, this);
    if (instance === null) {
      const limit = INSTANCE_LIMIT;
      this.#end("instance", "its instance's name has more than {limit} characters", { limit });
    } else if (this.#listener === null) this.#end("memory", "there is no memory for it", {});
    this.#trace("Connected from {remote}.", { remote: socket.remoteAddress });
  }

  /** Sends a message to the browser. Returns `false` if it cannot be sent. */
  deliver(message: Encoded): boolean {
    if (this.#endedFor !== null || !this.#send(message)) return false;
    if (this.#listener?.isReplaying === true) this.#countReplayed(message.bytes.length);
    if (isTracing()) this.#trace("Wrote message: {message}", { message: message.text });
    return true;
  }

  /** Tells whether a replay may queue one more message. */
  hasRoom(): boolean {
    return !this.#isAsked && this.#socket.queuedBytes < REPLAY_AHEAD;
  }

  get holder(): AccountHolder {
    return this.#socket;
  }

  frame(): void {
    if (this.#endedFor === null) this.#spend(1);
  }

  drained(): void {
    if (this.#isQueued || this.#listener?.isReplaying !== true) return;
    this.#isQueued = true;
    this.#options.workQueue.add(this, "heavy");
  }

  confirmed(): void {
    this.#isAsked = false;
    this.drained();
  }

  #countReplayed(bytes: number): void {
    this.#replayedBytes += bytes;
    if (this.#replayedBytes < REPLAY_WINDOW || this.#isAsked) return;
    this.#replayedBytes = 0;
    this.#isAsked = this.#socket.confirm();
  }

  /** Calls `done` after the end of a replay: the server that the browser goes to may not have the rest of it. */
  finish(done: () => void): void {
    if (this.#isQueued || this.#listener?.isReplaying === true) this.#onReplayed = done;
    else done();
  }

  /** Goes on with a replay when it is its turn in the work queue. */
  work(): void {
    this.#isQueued = false;
    const state = this.#listener?.resume((result) => this.#replayed(result));
    if (state === "busy") {
      this.#isQueued = true;
      this.#options.workQueue.add(this, "heavy");
    } else if (state !== "full") this.#onReplayed();
  }

  message(text: string): void {
    if (this.#endedFor !== null) return;
    this.#options.counters.messages++;
    this.#trace("Received message: {text}", { text });
    let command: ClientCommand;
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
    if (this.#spend(costOf(command, this.#options.limits()))) this.#carryOut(command);
  }

  close(kind: EndKind, fault: string | null): void {
    const { ended } = this.#options.counters;
    const reason = this.#endedFor ?? kind;
    this.#listener?.leave();
    if (fault === null) ended.add(reason);
    else ended.report(reason, ...this.#line("Ended its connection: {fault}.", { fault }));
    this.#trace("Disconnected.", {});
    if (this.#refusals > REFUSAL_LOG_LIMIT) {
      const count = this.#refusals;
      this.#log("invalid", "{count} of its commands were refused in all.", { count });
    }
  }

  #carryOut(command: ClientCommand): void {
    switch (command.command) {
      case "subscribe": {
        const limits = this.#options.limits();
        const refused = this.#listener?.subscribe(command.topics, limits);
        this.#trace("Subscribed to: {topics}", { topics: command.topics });
        this.#refuseTopics("subscriptions", "over the limit", refused?.limit ?? 0, command);
        this.#refuseTopics("memory", "memory is short", refused?.memory ?? 0, command);
        break;
      }
      case "unsubscribe":
        this.#listener?.unsubscribe(command.topics);
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

  #refuseTopics(
    kind: "subscriptions" | "memory",
    why: string,
    refused: number,
    { topics }: { readonly topics: readonly string[] },
  ): void {
    if (refused === 0) return;
    this.#refuse(kind, "Refused {refused} of {count} subscriptions: {why}.", {
      refused,
      count: topics.length,
      why,
    });
  }

  #send(message: TextMessage): boolean {
    const bytes = this.#socket.queuedBytes;
    const { backlog: limit } = this.#options.limits();
    if (bytes > limit) {
      this.#end("backlog", "{bytes} bytes wait for it, more than {limit}", { bytes, limit });
      return false;
    }
    return this.#socket.send(message);
  }

  #replay(ageMs: number): void {
    this.#listener?.replay(ageMs);
    if (this.#isQueued) return;
    this.#isQueued = true;
    this.#options.workQueue.add(this, "heavy");
  }

  #replayed({ delivered, missed }: ReplayResult): void {
    this.#trace("Replayed {delivered} messages.", { delivered });
    if (missed === 0) return;
    const text =
      "Its replay may have gaps: {missed} messages of its instance were forgotten before their turn.";
    // It is no mistake of the browser's.
    this.#options.counters.ignored.report("replay", ...this.#line(text, { missed }));
  }

  /** Tells whether `limit.commands` allows for one more command; if not, the connection is ended. */
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
    this.#log(kind, `Ended its connection: ${why}.`, values);
    this.#listener?.leave();
    const [code, reason] = CODES[kind];
    this.#socket.abort(code, reason);
  }

  #refuse(
    kind: typeof IGNORED[number],
    text: string,
    values: Record<string, unknown>,
  ): void {
    const { ignored } = this.#options.counters;
    this.#refusals++;
    if (this.#refusals > REFUSAL_LOG_LIMIT) return ignored.add(kind);
    ignored.report(kind, ...this.#line(text, values));
    if (this.#refusals === REFUSAL_LOG_LIMIT) {
      this.#log(kind, "Its further mistakes are counted, and not logged.", {});
    }
  }

  #log(
    kind: typeof CLIENT_REASONS[number],
    text: string,
    values: Record<string, unknown>,
  ): void {
    this.#options.log.write(kind, ...this.#line(text, values));
  }

  /** Returns the text and the values of a line about this browser. */
  #line(text: string, values: Record<string, unknown>): [string, Record<string, unknown>] {
    const remote = this.#socket.remoteAddress;
    return [`<{listener} {remote}> ${text}`, { listener: this.#name, remote, ...values }];
  }

  get #name(): string {
    return `${this.#listener ?? "Listener"}`;
  }

  #trace(text: string, values: Record<string, unknown>): void {
    if (!isTracing()) return;
    log.trace(`<{listener}> ${text}`, { listener: this.#name, ...values });
  }
}

/**
 * Returns the number of commands that one counts for: a replay looks at all that is remembered, a subscription
 * at each of its topics. 40 topics count for one, or more of them if all topics that a listener may have would
 * come to more than a second's commands.
 */
function costOf(command: ClientCommand, { subscriptions, commands }: ClientLimits): number {
  switch (command.command) {
    case "replay":
      return 10;
    case "ping":
      return 1;
    default:
      return 1 + command.topics.length * Math.min(1 / 40, commands / subscriptions);
  }
}

/**
 * Returns the instance in a request's path: the text between the first `~` and the next, without slashes,
 * whatever a reverse proxy put before it (Phorge's `AphlictClientServer.js`).
 *
 * @returns `null` if it has more characters than the name of an instance may have.
 */
export function instanceOf(path: string): string | null {
  const name = path.split("~", 2)[1]?.replaceAll("/", "") || DEFAULT_INSTANCE;
  return name.length > INSTANCE_LIMIT ? null : name;
}
