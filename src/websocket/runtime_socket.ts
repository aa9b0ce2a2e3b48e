/**
 * A WebSocket of the runtime, made by `Deno.upgradeWebSocket`, for the engine `serve`. Its limits are in
 * docs/decisions/0005-limits-of-the-serve-engine.md.
 *
 * @module
 */

import type { Account, AccountHolder, Holding } from "../budget.ts";
import { flatCopy } from "../text.ts";
import type { SocketLimits } from "./rules.ts";
import type { EndKind, Socket, SocketCounters, SocketHandlers, TextMessage } from "./socket.ts";

/** The parts that a WebSocket of the runtime is made of. */
export interface RuntimeSocketOptions {
  readonly remoteAddress: string;
  /** Returns the limits. Called for each use, as they may change. */
  limits(): SocketLimits;
  readonly counters: SocketCounters;
  /** The account that waiting messages are charged to. */
  readonly frames: Account;
  /** Takes over the WebSocket once it is open. */
  accept(socket: RuntimeSocket): SocketHandlers;
  /** Tells whether no more WebSockets are accepted. */
  isRefusing(): boolean;
  /** Reports that the WebSocket is gone, or never came. Called once. */
  left(socket: RuntimeSocket): void;
}

/**
 * Makes a WebSocket of a request, and returns the response.
 *
 * It enforces `messageBytes`, once a message is whole. A peer that sends nothing is pinged after half of `idleMs` and
 * `pongMs`, and is dropped after both.
 *
 * @throws {Error} The error of `Deno.upgradeWebSocket`.
 */
export function openOnRuntime(request: Request, options: RuntimeSocketOptions): Response {
  const { counters, frames } = options;
  const limits = options.limits();
  const idleTimeout = Math.round((limits.idleMs + limits.pongMs) / 1000);
  const { socket: webSocket, response } = Deno.upgradeWebSocket(request, { idleTimeout });
  const remoteAddress = flatCopy(options.remoteAddress);
  const socket = new RuntimeSocket(webSocket, remoteAddress, counters, frames, limits.closeMs);
  webSocket.binaryType = "arraybuffer";
  let handlers: SocketHandlers | null = null;
  let isGone = false;
  // A socket that has not answered a ping is closed twice.
  const leave = () => {
    if (isGone) return;
    isGone = true;
    socket.leave();
    options.left(socket);
  };
  // The runtime reports nothing about a client that leaves before its answer.
  const vanished = setTimeout(leave, limits.handshakeMs);
  Deno.unrefTimer(vanished);
  webSocket.onopen = () => {
    clearTimeout(vanished);
    // Either its request came before the stop, and the shutdown waits for it, or `leave` was called already.
    if (options.isRefusing() || isGone) return socket.close(1001, "");
    const owner = options.accept(socket);
    handlers = owner;
    socket.owner = owner;
    webSocket.onmessage = ({ data }) => receive(data, owner, socket, options.limits().messageBytes);
  };
  let reason = "";
  webSocket.onerror = (event) => {
    reason = event instanceof ErrorEvent ? event.message : "";
  };
  webSocket.onclose = ({ wasClean }) => {
    leave();
    const owner = handlers;
    handlers = null;
    owner?.close(socket.endKind(wasClean, reason), socket.fault);
  };
  return response;
}

/** The runtime's messages (Deno 2.9.6) for each end kind; any other message means that the connection broke. */
const KINDS: readonly (readonly [RegExp, EndKind])[] = [
  [/UTF-8/, "encoding"],
  [/^Frame too large/, "size"],
  [/^No response from ping/, "silent"],
  [/^(Invalid|Reserved|Control frame|Ping frame)/, "protocol"],
];

/** The queued bytes from which the socket is polled until they have gone, because the runtime does not report it. */
const WATCHED_BYTES = 16 * 1024;

/** The interval of this polling, in ms. */
const WATCH_MS = 50;

/** A WebSocket of the runtime. */
export class RuntimeSocket implements Socket, AccountHolder {
  readonly remoteAddress: string;
  readonly #socket: WebSocket;
  readonly counters: SocketCounters;
  /** The peer's fault, once there is one. */
  fault: string | null = null;
  owner: SocketHandlers | null = null;
  readonly #holding: Holding;
  readonly #closeMs: number;
  #isClosing = false;
  /** True if it was ended because memory was short. */
  #isShort = false;
  #watch: ReturnType<typeof setTimeout> | undefined;

  constructor(
    socket: WebSocket,
    remoteAddress: string,
    counters: SocketCounters,
    frames: Account,
    closeMs: number,
  ) {
    this.#closeMs = closeMs;
    this.#holding = frames.open(this);
    this.#socket = socket;
    this.counters = counters;
    this.remoteAddress = remoteAddress;
  }

  get queuedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  send(message: TextMessage): boolean {
    if (this.#socket.readyState !== WebSocket.OPEN || this.#isShort) return false;
    this.counters.bytesOut += message.bytes.length;
    this.#socket.send(message.text);
    if (this.queuedBytes >= WATCHED_BYTES) {
      // The runtime keeps the bytes that it has taken. They are charged all the same, so that it takes no more.
      if (!this.#holding.set(this.queuedBytes)) this.evict();
      this.#watch ??= setTimeout(() => this.#look(), WATCH_MS);
    }
    return true;
  }

  /** Returns `false`, as the runtime sends no ping of ours. */
  confirm(): boolean {
    return false;
  }

  evict(): void {
    this.#isShort = true;
    this.fault ??= `memory is short, and ${this.queuedBytes} bytes wait for it (1013)`;
    this.end(1013, "");
  }

  /** Stops the polling and frees the holding, as the connection is gone. */
  leave(): void {
    clearTimeout(this.#watch);
    this.#holding.close();
  }

  #look(): void {
    this.#watch = undefined;
    if (this.#isShort) return;
    this.#holding.set(this.queuedBytes);
    if (this.queuedBytes < WATCHED_BYTES) this.owner?.drained();
    else this.#watch = setTimeout(() => this.#look(), WATCH_MS);
  }

  close(code: number, reason: string): void {
    if (this.owner === null) return this.end(code, reason);
    const late = setTimeout(() => this.end(code, reason), this.#closeMs);
    Deno.unrefTimer(late);
    this.owner.finish(() => {
      clearTimeout(late);
      this.end(code, reason);
    });
  }

  /** Closes the socket at once, without waiting for its owner. */
  end(code: number, reason: string): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#isClosing = true;
    this.#socket.close(code, reason);
  }

  /** Returns why it has ended, as far as the runtime reports it. */
  endKind(wasClean: boolean, reason: string): EndKind {
    if (this.#isShort) return "memory";
    if (this.fault !== null) return "size";
    if (this.#isClosing) return "server";
    if (wasClean) return "client";
    return KINDS.find(([words]) => words.test(reason))?.[1] ?? "lost";
  }

  abort(code: number, reason: string): void {
    // The runtime always keeps the queued bytes.
    this.end(code, reason);
  }
}

function receive(
  data: string | ArrayBuffer,
  handlers: SocketHandlers,
  socket: RuntimeSocket,
  limit: number,
): void {
  if (socket.fault !== null) return;
  const size = typeof data === "string" ? byteLength(data, limit) : data.byteLength;
  socket.counters.bytesIn += size;
  if (size > limit) {
    socket.fault = `it sent a message of ${size} bytes, over ${limit} (1009)`;
    socket.end(1009, "");
    return;
  }
  handlers.message(typeof data === "string" ? data : decoder.decode(data));
}

const encoder = new TextEncoder();
// A byte order mark is kept: before JSON it makes the message invalid, as with the original.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Returns the size of a text in UTF-8; its length, if it cannot exceed `limit`: a character takes at most three bytes.
 */
function byteLength(text: string, limit: number): number {
  return text.length * 3 <= limit ? text.length : encoder.encode(text).length;
}
