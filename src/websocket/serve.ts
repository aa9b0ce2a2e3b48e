/**
 * The engine on `Deno.serve` and `Deno.upgradeWebSocket`, for who prefers the runtime's own WebSocket.
 * What it cannot bound is in docs/decisions/0005.
 *
 * @module
 */

import type { Account, Holder, Holding } from "../budget.ts";
import { formatAddress } from "../config/config.ts";
import { CONNECTION_BYTES } from "../config/memory.ts";
import { flatCopy } from "../text.ts";
import { within } from "../within.ts";
import { behind } from "./admission.ts";
import { drain } from "./drain.ts";
import { isKey, pathOf } from "./handshake.ts";
import { portReleased } from "./port.ts";
import type { RefusalKind } from "./rules.ts";
import type {
  EndKind,
  Socket,
  SocketCounters,
  SocketHandlers,
  SocketServer,
  SocketServerOptions,
  TextMessage,
} from "./socket.ts";

/**
 * Binds a server and accepts WebSockets on it.
 *
 * Of the limits it holds `connections`, `address` and, once a message is whole, `messageBytes`; a silent
 * peer is pinged after half of `silenceMs` and `answerMs`, and is gone after both.
 *
 * @throws {Error} What `Deno.serve` throws when it cannot bind or the certificate is no good.
 */
// deno-lint-ignore require-await -- what is thrown becomes the promise's, as with every engine
export async function listen(options: SocketServerOptions): Promise<SocketServer> {
  const otherwise = encoder.encode(options.otherwise.body);
  const sockets = new Set<ServeSocket>();
  const { admission } = options;
  const connections = options.budget.account("connections");
  const frames = options.budget.account("frames");
  let refusing = false;
  let allGone = () => {};
  const server = Deno.serve(
    {
      hostname: options.hostname,
      port: options.port,
      ...(options.tls ? { key: options.tls.key, cert: options.tls.cert } : {}),
      onListen() {},
    },
    (request, { remoteAddr }) => {
      // The port is open for as long as there are sockets: the runtime closes both together.
      if (refusing) {
        return new Response(null, { status: 503, headers: { "retry-after": "10", ...CLOSE } });
      }
      // Bytes, not a string, because a string would add a Content-Type.
      if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
        return new Response(otherwise, { status: options.otherwise.status });
      }
      let remoteAddress = formatAddress(remoteAddr.hostname, remoteAddr.port);
      const refuse = (
        kind: RefusalKind,
        status: number,
        reason: string,
        headers: Record<string, string> = {},
      ) => {
        options.refused(remoteAddress, kind, reason);
        return new Response(null, { status, headers });
      };
      // Read before the upgrade: the request is gone after it.
      const path = flatCopy(pathOf(request.url));
      const fault = handshakeFault(request);
      if (fault !== null) return refuse("malformed", 400, fault);
      if (request.headers.get("sec-websocket-version") !== "13") {
        const headers = { upgrade: "websocket", "sec-websocket-version": "13" };
        return refuse("malformed", 426, "Its WebSocket version is not 13", headers);
      }
      const admitted = admission.admit(
        remoteAddr.hostname,
        (name) => request.headers.get(name),
      );
      remoteAddress = behind(admitted.address, remoteAddress);
      if ("kind" in admitted) {
        const { kind, status, reason } = admitted;
        return refuse(kind, status, reason, status === 403 ? {} : { "retry-after": "10" });
      }
      if (!connections.hold(CONNECTION_BYTES.tls)) {
        admission.leave(admitted.network);
        const headers = { "retry-after": "10" };
        return refuse("memory", 503, "There is no memory for it", headers);
      }
      const giveBack = () => {
        admission.leave(admitted.network);
        connections.adjust(-CONNECTION_BYTES.tls);
      };
      let upgrade: Deno.WebSocketUpgrade;
      try {
        const { silenceMs, answerMs } = options.rules().limits;
        const idleTimeout = Math.round((silenceMs + answerMs) / 1000);
        upgrade = Deno.upgradeWebSocket(request, { idleTimeout });
      } catch (error) {
        giveBack();
        const reason = error instanceof Error ? error.message : String(error);
        return refuse("malformed", 400, reason);
      }
      const socket = new ServeSocket(
        upgrade.socket,
        flatCopy(remoteAddress),
        options.counters,
        frames,
        options.rules().limits.closeMs,
      );
      upgrade.socket.binaryType = "arraybuffer";
      let handlers: SocketHandlers | null = null;
      let isGone = false;
      // One that has not answered a ping is closed twice.
      const leave = () => {
        if (isGone) return;
        isGone = true;
        giveBack();
        socket.leave();
      };
      // Of a client that is gone before its answer the runtime tells nothing.
      const vanished = setTimeout(leave, options.rules().limits.handshakeMs);
      Deno.unrefTimer(vanished);
      upgrade.socket.onopen = () => {
        clearTimeout(vanished);
        // Its request came before the stop; the shutdown waits for it. Or its place was given up.
        if (refusing || isGone) return socket.close(1001, "");
        sockets.add(socket);
        const owner = options.accept(socket, path);
        handlers = owner;
        socket.owner = owner;
        upgrade.socket.onmessage = ({ data }) =>
          receive(data, owner, socket, options.rules().limits.messageBytes);
      };
      let trouble = "";
      upgrade.socket.onerror = (event) => {
        trouble = event instanceof ErrorEvent ? event.message : "";
      };
      upgrade.socket.onclose = ({ wasClean }) => {
        leave();
        sockets.delete(socket);
        const owner = handlers;
        handlers = null;
        owner?.close(socket.endKind(wasClean, trouble), socket.fault);
        if (sockets.size === 0) allGone();
      };
      return upgrade.response;
    },
  );
  // The runtime closes every socket that is left with 1001, behind what is queued for it.
  let ended: Promise<void> | null = null;
  const end = () => ended ??= server.shutdown();
  let drained: Promise<void> | null = null;
  const drainOver = async (ms: number) => {
    refusing = true;
    const gone = Promise.withResolvers<void>();
    const closing = drain([...sockets], ms, (socket) => socket.close(1001, ""));
    allGone = () => {
      closing.cancel();
      gone.resolve();
    };
    await closing.done;
    // Some may have a replay to finish.
    if (sockets.size > 0) await within(options.rules().limits.closeMs, gone.promise);
    await end();
  };
  return {
    finished: server.finished,
    get open() {
      return sockets.size;
    },
    get queuedBytes() {
      return [...sockets].reduce((sum, socket) => sum + socket.queuedBytes, 0);
    },
    async release() {
      refusing = true;
      void end();
      await portReleased(options.hostname, options.port);
    },
    refuse() {
      refusing = true;
    },
    shutdown: (drainMs) => drained ??= drainOver(drainMs),
  };
}

/** How the runtime (Deno 2.9.6) words what ended a connection; whatever else it says, the connection broke. */
const KINDS: readonly (readonly [RegExp, EndKind])[] = [
  [/UTF-8/, "encoding"],
  [/^Frame too large/, "size"],
  [/^No response from ping/, "silent"],
  [/^(Invalid|Reserved|Control frame|Ping frame)/, "protocol"],
];

/** For a connection that has nothing more to ask for. */
const CLOSE = { connection: "close" } as const;

/** What the runtime does not look at: RFC 6455, section 4.1. `null` when it is right. */
function handshakeFault({ method, headers }: Request): string | null {
  if (method !== "GET") return `Its method is ${method}, not GET`;
  return isKey(headers.get("sec-websocket-key") ?? "")
    ? null
    : "It does not have one key of 16 bytes";
}

/** Bytes that wait for a peer from which on it is looked whether they have gone: the runtime does not tell. */
const WATCHED_BYTES = 16 * 1024;

/** How often it is looked, in ms. */
const WATCH_MS = 50;

class ServeSocket implements Socket, Holder {
  readonly remoteAddress: string;
  readonly #socket: WebSocket;
  readonly counters: SocketCounters;
  /** What the peer did wrong, once it has. */
  fault: string | null = null;
  owner: SocketHandlers | null = null;
  readonly #holding: Holding;
  readonly #closeMs: number;
  #isClosing = false;
  /** Whether it was ended as memory was short. */
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
  socket: ServeSocket,
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
