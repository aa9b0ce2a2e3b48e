/**
 * The engine on `Deno.serve` and `Deno.upgradeWebSocket`.
 *
 * @module
 */

import { formatAddress } from "../config/config.ts";
import type { Socket, SocketServer, SocketServerOptions, TextMessage } from "./socket.ts";

/**
 * Binds a server and accepts WebSockets on it.
 *
 * It binds before it returns and serves nothing before the caller's turn of the event loop ends, so
 * several servers can be bound together or not at all.
 *
 * @throws {Error} What `Deno.serve` throws when it cannot bind or the certificate is no good.
 */
export function listen(options: SocketServerOptions): SocketServer {
  const otherwise = new TextEncoder().encode(options.otherwise.body);
  const server = Deno.serve(
    {
      hostname: options.hostname,
      port: options.port,
      ...(options.tls ? { key: options.tls.key, cert: options.tls.cert } : {}),
      onListen() {},
    },
    (request, { remoteAddr }) => {
      // Bytes, not a string, because a string would add a Content-Type.
      if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
        return new Response(otherwise, { status: options.otherwise.status });
      }
      const remoteAddress = formatAddress(remoteAddr.hostname, remoteAddr.port);
      // Read before the upgrade: the request is gone after it.
      const path = pathOf(request.url);
      const fault = handshakeFault(request);
      if (fault !== null) {
        options.refused(remoteAddress, fault);
        return new Response(null, { status: 400 });
      }
      let upgrade: Deno.WebSocketUpgrade;
      try {
        upgrade = Deno.upgradeWebSocket(request, { idleTimeout: IDLE_TIMEOUT_S });
      } catch (error) {
        options.refused(remoteAddress, error instanceof Error ? error.message : String(error));
        return new Response(null, { status: 400 });
      }
      const socket = new ServeSocket(upgrade.socket, remoteAddress, path);
      upgrade.socket.binaryType = "arraybuffer";
      upgrade.socket.onopen = () => {
        const handlers = options.accept(socket);
        upgrade.socket.onmessage = ({ data }) => handlers.message(textOf(data));
        upgrade.socket.onclose = () => handlers.close();
      };
      return upgrade.response;
    },
  );
  return {
    finished: server.finished,
    // It closes every socket with 1001, behind what is queued for it.
    shutdown: () => server.shutdown(),
  };
}

/**
 * The runtime pings a silent connection after half of these seconds and drops it after all of them.
 * Not while bytes wait to be written: a peer that reads nothing stays until it goes by itself.
 */
const IDLE_TIMEOUT_S = 30;

/** What the runtime does not look at: RFC 6455, section 4.1. `null` when it is right. */
function handshakeFault({ method, headers }: Request): string | null {
  if (method !== "GET") return `The method is ${method}, not GET`;
  if (headers.get("sec-websocket-version") !== "13") return "The version is not 13";
  const key = headers.get("sec-websocket-key") ?? "";
  return /^[A-Za-z0-9+/]{22}==$/.test(key) ? null : "The key does not have 16 bytes";
}

class ServeSocket implements Socket {
  readonly remoteAddress: string;
  readonly path: string;
  readonly #socket: WebSocket;

  constructor(socket: WebSocket, remoteAddress: string, path: string) {
    this.#socket = socket;
    this.remoteAddress = remoteAddress;
    this.path = path;
  }

  get queuedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  send(message: TextMessage): boolean {
    if (this.#socket.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(message.text);
    return true;
  }

  close(code: number, reason: string): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.close(code, reason);
  }
}

// A byte order mark is kept: before JSON it makes the message invalid, as with the original.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function textOf(data: string | ArrayBuffer): string {
  return typeof data === "string" ? data : decoder.decode(data);
}

/**
 * The path of a request's URL as the client sent it. `URL` would resolve `..` and escape
 * characters, and throws on the targets and `Host` headers that a hostile client sends.
 */
export function pathOf(url: string): string {
  return /^[a-z]+:\/\/[^/?#]*([^?#]*)/i.exec(url)?.[1] ?? "";
}
