/**
 * A WebSocket of the runtime's, of `Deno.upgradeWebSocket`: what it offers under the engine `serve`.
 * Its limits are in docs/decisions/0005-limits-of-the-serve-engine.md.
 *
 * @module
 */

import type { Account, AccountHolder, Holding } from "../budget.ts";
import { flatCopy } from "../text.ts";
import type { SocketLimits } from "./rules.ts";
import type { EndKind, Socket, SocketCounters, SocketHandlers, TextMessage } from "./socket.ts";

/** The parts that a WebSocket of the runtime's is made of. */
export interface RuntimeSocketOptions {
  readonly remoteAddress: string;
  /** Asked whenever it matters, as they may change. */
  limits(): SocketLimits;
  readonly counters: SocketCounters;
  /** The account that waiting messages are charged to. */
  readonly frames: Account;
  /** Takes over the WebSocket once it is open. */
  accept(socket: RuntimeSocket): SocketHandlers;
  /** Tells whether no more are taken. */
  isRefusing(): boolean;
  /** It is gone, or never came. Called once. */
  left(socket: RuntimeSocket): void;
}

/**
 * Makes a WebSocket of a request, and returns the response.
 *
 * Of the limits it holds, once a message is whole, `messageBytes`; a silent peer is pinged after half of `idleMs`
 * and `pongMs`, and is gone after both.
 *
 * @throws {Error} What `Deno.upgradeWebSocket` throws.
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
  // One that has not answered a ping is closed twice.
  const leave = () => {
    if (isGone) return;
    isGone = true;
    socket.leave();
    options.left(socket);
  };
  // Of a client that is gone before its answer the runtime tells nothing.
  const vanished = setTimeout(leave, limits.handshakeMs);
  Deno.unrefTimer(vanished);
  webSocket.onopen = () => {
    clearTimeout(vanished);
    // Its request came before the stop; the shutdown waits for it. Or its place was given up.
    if (options.isRefusing() || isGone) return socket.close(1001, "");
    const owner = options.accept(socket);
    handlers = owner;
    socket.owner = owner;
    webSocket.onmessage = ({ data }) => receive(data, owner, socket, options.limits().messageBytes);
  };
  let trouble = "";
  webSocket.onerror = (event) => {
    trouble = event instanceof ErrorEvent ? event.message : "";
  };
  webSocket.onclose = ({ wasClean }) => {
    leave();
    const owner = handlers;
    handlers = null;
    owner?.close(socket.endKind(wasClean, trouble), socket.fault);
  };
  return response;
}

/** The runtime's words (Deno 2.9.6) for what ended a connection; whatever else it says, the connection broke. */
const KINDS: readonly (readonly [RegExp, EndKind])[] = [
  [/UTF-8/, "encoding"],
  [/^Frame too large/, "size"],
  [/^No response from ping/, "silent"],
  [/^(Invalid|Reserved|Control frame|Ping frame)/, "protocol"],
];

/** Bytes that wait for a peer from which on it is looked whether they have gone: the runtime does not tell. */
const WATCHED_BYTES = 16 * 1024;

/** The interval of these looks, in ms. */
const WATCH_MS = 50;

/** A WebSocket of the runtime's. */
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
  /** Set when it was ended as memory was short. */
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
      // What the runtime has taken it keeps. It is charged all the same, so that it takes no more.
      if (!this.#holding.set(this.queuedBytes)) this.evict();
      this.#watch ??= setTimeout(() => this.#look(), WATCH_MS);
    }
    return true;
  }

  evict(): void {
    this.#isShort = true;
    this.fault ??= `memory is short, and ${this.queuedBytes} bytes wait for it (1013)`;
    this.end(1013, "");
  }

  /** The connection is gone. */
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

  /** Closes it, whatever its owner has still to say. */
  end(code: number, reason: string): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#isClosing = true;
    this.#socket.close(code, reason);
  }

  /** Why it has ended, as far as the runtime tells. */
  endKind(wasClean: boolean, trouble: string): EndKind {
    if (this.#isShort) return "memory";
    if (this.fault !== null) return "size";
    if (this.#isClosing) return "server";
    if (wasClean) return "client";
    return KINDS.find(([words]) => words.test(trouble))?.[1] ?? "lost";
  }

  abort(code: number, reason: string): void {
    // The runtime keeps what is queued, whatever is asked of it.
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

/** The size of a text in UTF-8, in which a character takes three bytes or less. */
function byteLength(text: string, limit: number): number {
  return text.length * 3 <= limit ? text.length : encoder.encode(text).length;
}
