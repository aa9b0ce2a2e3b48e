/**
 * One client's connection, from its first byte to its end. The bytes' meaning is the handshake's and
 * the decoder's; here is what to do about them, and when to give up.
 *
 * A connection costs this object, its reader and the runtime's stream, and shares all else: event
 * handlers, the clock, the outbox.
 *
 * @module
 */

import type { Socket as Stream } from "node:net";
import { formatAddress } from "../config/config.ts";
import type { Batch } from "./batch.ts";
import { Decoder, type Incoming, ProtocolError } from "./decoder.ts";
import { closePayload, OPCODE } from "./frame.ts";
import { type Admitted, behind, hostIn, type Refusal } from "./admission.ts";
import { type Handshake, HandshakeReader, refused, timedOut } from "./handshake.ts";
import type { Outbox, Writer } from "./outbox.ts";
import type { RefusalKind, SocketLimits } from "./rules.ts";
import type {
  EndKind,
  PlainAnswer,
  Socket,
  SocketCounters,
  SocketHandlers,
  TextMessage,
} from "./socket.ts";

/** What a connection needs of the server that accepted it. */
export interface Home {
  readonly limits: SocketLimits;
  readonly otherwise: PlainAnswer;
  readonly outbox: Outbox;
  readonly counters: SocketCounters;
  /** A clock in ms. */
  readonly now: number;
  accept(socket: Socket): SocketHandlers;
  refused(remoteAddress: string, kind: RefusalKind, reason: string): void;
  /** The request has had its answer, and is no WebSocket. */
  answered(connection: Connection): void;
  /** The handshake is done: whether it may have its WebSocket. */
  admit(connection: Connection, header: (name: string) => string | null): Admitted | Refusal;
  /**
   * The connection is gone.
   *
   * @param network What it was admitted under; `undefined` when it was not.
   */
  left(connection: Connection, network: Admitted["network"] | undefined): void;
}

/**
 * - `handshake`: the request is awaited.
 * - `open`: messages go both ways.
 * - `closing`: our close frame is on its way, the peer's is awaited.
 * - `ending`: all has been said. What comes is thrown away, because closing a TCP connection with
 *   unread bytes in it would also throw away what the peer has not read yet.
 */
type Phase = "handshake" | "open" | "closing" | "ending";

/** A batch that has grown to this many bytes is written without waiting for the turn to end. */
const WRITE_SIZE = 64 * 1024;

/** What the codes of a {@linkcode ProtocolError} mean. */
const KINDS: Readonly<Record<ProtocolError["code"], EndKind>> = {
  1002: "protocol",
  1007: "encoding",
  1009: "size",
};

const NO_PAYLOAD = new Uint8Array(0);

/** Streams know their connection, so that one handler serves them all. */
const CONNECTION = Symbol("connection");
type Owned = Stream & { [CONNECTION]?: Connection };

/** See the module. */
export class Connection implements Socket, Writer {
  readonly #home: Home;
  readonly #stream: Stream;
  readonly #raw: Stream;
  remoteAddress: string;
  path = "";
  #network: Admitted["network"] | undefined = undefined;
  #phase: Phase = "handshake";
  /** When the phase began or, when it is `open`, when the peer was last heard. */
  #since: number;
  #reader: HandshakeReader | Decoder;
  #handlers: SocketHandlers | null = null;
  #pending: Batch | null = null;
  /** Whether the TLS handshake is done. */
  #isSecured = false;
  /** Whether the outbox will call. */
  #expected = false;
  /** Whether the stream takes no more until it has drained. */
  #blocked = false;
  /** Bytes read since the last tick. */
  #received = 0;
  /** Whether a ping is out that nothing has come after. */
  #pinged = false;

  /** Takes over a stream; `raw` is what lies below its TLS, or the stream itself. */
  constructor(home: Home, stream: Stream, raw: Stream) {
    this.#home = home;
    this.#stream = stream;
    this.#raw = raw;
    // Now, as it cannot be told any more once the peer has reset the connection.
    this.remoteAddress = formatAddress(stream.remoteAddress ?? "unknown", stream.remotePort ?? 0);
    this.#since = this.#home.now;
    this.#reader = new HandshakeReader(home.otherwise);
    const owned: Owned = stream;
    owned[CONNECTION] = this;
    stream.on("data", onData).on("drain", onDrain).on("end", onEnd).on("error", onError)
      .on("close", onClose);
    if (raw !== stream) stream.on("secure", onSecure);
  }

  /** The address of the connection's other end. */
  get remoteHost(): string {
    return hostIn(this.remoteAddress);
  }

  get queuedBytes(): number {
    // Asked for each delivery. A stream that is not blocked holds little, if anything.
    return (this.#pending?.size ?? 0) + (this.#blocked ? this.#stream.writableLength : 0);
  }

  send(message: TextMessage): boolean {
    if (this.#phase !== "open") return false;
    this.#push(OPCODE.text, message.bytes);
    return true;
  }

  close(code: number, reason: string): void {
    if (this.#phase !== "open") return;
    this.#push(OPCODE.close, closePayload(code, reason));
    this.#enter("closing");
  }

  abort(code: number, reason: string): void {
    if (this.#phase !== "open") return;
    this.#pending = null;
    this.#push(OPCODE.close, closePayload(code, reason));
    this.#end("server", null);
  }

  /** Gives up on the connection at once. */
  drop(): void {
    // It has been told why; its end is no other reason.
    if (this.#phase === "handshake") this.#enter("ending");
    this.#stream.destroy();
  }

  /** Looks at the clock. Called about once a second. */
  tick(): void {
    this.#received = 0;
    const { limits, now } = this.#home;
    const passed = now - this.#since;
    switch (this.#phase) {
      case "handshake":
        if (passed < limits.handshakeMs) return;
        this.#home.refused(
          this.remoteAddress,
          "timeout",
          `It sent no whole request in ${limits.handshakeMs} ms`,
        );
        // One that has sent nothing may be half-way into TLS, where nothing can be said.
        if (this.#reader instanceof HandshakeReader && this.#reader.isEmpty) return this.drop();
        return this.#finish(timedOut());
      case "open":
        if (passed >= limits.silenceMs && !this.#pinged) {
          this.#pinged = true;
          this.#push(OPCODE.ping, NO_PAYLOAD);
        } else if (passed >= limits.silenceMs + limits.answerMs) {
          this.#over(
            "silent",
            `it has been silent for ${Math.round(passed)} ms, in spite of a ping`,
          );
          this.drop();
        }
        return;
      case "closing":
      case "ending":
        if (passed >= limits.closeMs) this.drop();
    }
  }

  /** The outbox's turn. */
  write(): void {
    this.#expected = false;
    this.#flush();
  }

  /** @internal The stream has brought something. */
  data(chunk: Uint8Array): void {
    this.#home.counters.bytesIn += chunk.length;
    this.#hear(chunk);
  }

  #hear(chunk: Uint8Array): void {
    const { bytesPerSecond } = this.#home.limits;
    // The head of a request has a limit of its own.
    if (this.#phase !== "handshake") this.#received += chunk.length;
    if (this.#received > bytesPerSecond) {
      // It has had its answer, and sends on.
      if (this.#phase === "ending") return this.drop();
      this.#received = 0;
      return this.#fail("rate", 1008, `it sent more than ${bytesPerSecond} bytes in a second`);
    }
    if (this.#reader instanceof HandshakeReader) {
      if (this.#phase !== "handshake") return;
      const handshake = this.#reader.read(chunk);
      if (handshake !== null) this.#answer(handshake);
      return;
    }
    if (this.#phase === "open") {
      this.#since = this.#home.now;
      this.#pinged = false;
    }
    try {
      for (const incoming of this.#reader.decode(chunk)) {
        if (this.#phase === "ending") return;
        this.#take(incoming);
      }
    } catch (error) {
      if (error instanceof ProtocolError) {
        return this.#fail(KINDS[error.code], error.code, error.message);
      }
      // A mistake of ours; the connection could not be read any further.
      reportError(error);
      this.#fail("failed", 1011, "the server failed");
    }
  }

  /** @internal TLS is there. */
  secured(): void {
    this.#isSecured = true;
  }

  /** @internal The stream takes more. */
  drained(): void {
    this.#blocked = false;
    this.#flush();
  }

  /** @internal The peer will send no more. */
  ended(): void {
    this.#vanished("it was broken off");
    if (this.#phase === "ending") return;
    this.#end(this.#phase === "closing" ? "server" : "lost", null);
  }

  /** @internal The stream has failed; it closes next. */
  failed(error: Error): void {
    this.#vanished(error.message);
  }

  /** @internal The stream is gone. */
  closed(): void {
    this.#vanished("it was broken off");
    this.#over(this.#phase === "closing" ? "server" : "lost", null);
    this.#enter("ending");
    this.#home.left(this, this.#network);
  }

  /** Who connects and says nothing, as health checks do, is not worth a word. */
  #vanished(reason: string): void {
    if (this.#phase !== "handshake") return;
    this.#enter("ending");
    if (this.#raw !== this.#stream && !this.#isSecured && this.#raw.bytesRead > 0) {
      this.#home.refused(this.remoteAddress, "tls", `The TLS handshake failed: ${reason}`);
    }
  }

  #answer(handshake: Handshake): void {
    if (handshake.type === "answered") {
      if (handshake.fault !== null) {
        this.#home.refused(this.remoteAddress, "malformed", handshake.fault);
      }
      return this.#finish(handshake.response);
    }
    const admission = this.#home.admit(this, handshake.header);
    this.remoteAddress = behind(admission.address, this.remoteAddress);
    if ("kind" in admission) {
      this.#home.refused(this.remoteAddress, admission.kind, admission.reason);
      return this.#finish(refused(admission.status));
    }
    this.#network = admission.network;
    this.path = handshake.path;
    this.#reader = new Decoder(() => this.#home.limits.messageBytes);
    this.#enter("open");
    if (!this.#stream.write(handshake.response)) this.#blocked = true;
    this.#handlers = this.#home.accept(this);
    if (handshake.rest.length > 0) this.#hear(handshake.rest);
  }

  #finish(response: string): void {
    this.#enter("ending");
    this.#home.answered(this);
    this.#stream.end(response);
  }

  /** Fails the connection (section 7.1.7). */
  #fail(kind: EndKind, code: number, fault: string): void {
    if (this.#phase === "open") this.#push(OPCODE.close, closePayload(code, ""));
    this.#end(kind, `${fault} (${code})`);
  }

  #take(incoming: Incoming): void {
    switch (incoming.type) {
      case "message":
        if (this.#phase === "open") this.#handlers?.message(incoming.text);
        return;
      case "ping":
        if (this.#phase === "open") this.#pong(incoming.payload);
        return;
      case "close": {
        const kind = this.#phase === "open" ? "client" : "server";
        if (this.#phase === "open") {
          const payload = incoming.code === null ? NO_PAYLOAD : closePayload(incoming.code, "");
          this.#push(OPCODE.close, payload);
        }
        this.#hangUp(kind);
      }
    }
  }

  /** To a peer that does not read, pings are not answered: nothing may pile up (section 5.5.3). */
  #pong(payload: Uint8Array): void {
    if (!this.#blocked) this.#push(OPCODE.pong, payload.slice());
  }

  #push(opcode: number, payload: Uint8Array): void {
    this.#pending = this.#pending?.with(opcode, payload) ??
      this.#home.outbox.first(opcode, payload);
    if (this.#blocked) return;
    if (this.#pending.size >= WRITE_SIZE) {
      this.#flush();
    } else if (!this.#expected) {
      this.#expected = true;
      this.#home.outbox.add(this);
    }
  }

  #flush(): void {
    if (this.#pending === null || this.#blocked) return;
    const { bytes } = this.#pending;
    this.#pending = null;
    this.#home.counters.bytesOut += bytes.length;
    this.#blocked = !this.#stream.write(bytes);
  }

  /** Says the last that there is to say, and waits for the peer to hang up. */
  #end(kind: EndKind, fault: string | null): void {
    const last = this.#pending;
    this.#pending = null;
    this.#enter("ending");
    if (last === null) this.#stream.end();
    else {
      this.#home.counters.bytesOut += last.size;
      this.#stream.end(last.bytes);
    }
    this.#over(kind, fault);
  }

  /** Ends a connection on which both sides have said goodbye: nothing is left to be said. */
  #hangUp(kind: EndKind): void {
    this.#flush();
    // TLS has a goodbye of its own, which `end` says.
    const isPlain = this.#raw === this.#stream;
    if (isPlain && this.#pending === null && this.#stream.writableLength === 0) {
      this.#enter("ending");
      this.#over(kind, null);
      this.#stream.destroy();
    } else {
      this.#end(kind, null);
      this.#stream.destroySoon();
    }
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    this.#since = this.#home.now;
  }

  /** Tells the owner, once. */
  #over(kind: EndKind, fault: string | null): void {
    const handlers = this.#handlers;
    this.#handlers = null;
    handlers?.close(kind, fault);
  }
}

function onData(this: Owned, chunk: Uint8Array): void {
  this[CONNECTION]?.data(chunk);
}

function onSecure(this: Owned): void {
  this[CONNECTION]?.secured();
}

function onDrain(this: Owned): void {
  this[CONNECTION]?.drained();
}

function onEnd(this: Owned): void {
  this[CONNECTION]?.ended();
}

function onError(this: Owned, error: Error): void {
  this[CONNECTION]?.failed(error);
}

function onClose(this: Owned): void {
  this[CONNECTION]?.closed();
}
