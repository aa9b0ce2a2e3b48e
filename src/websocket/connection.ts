/**
 * One client's connection, from its first byte to its end. The bytes' meaning is the handshake's and
 * the decoder's; here is what to do about them, and when to give up.
 *
 * A connection costs this object, its reader and the runtime's stream, and shares all else: event
 * handlers, the clock, the outbox. All of it is charged to the accounts of memory, as it is taken.
 *
 * @module
 */

import type { Socket as Stream } from "node:net";
import { freeBytes } from "../bytes.ts";
import type { Account, AccountName, Holding } from "../budget.ts";
import { formatAddress } from "../config/config.ts";
import { CONNECTION_BYTES } from "../config/memory.ts";
import type { LaneName, Worker, WorkQueue } from "../work_queue.ts";
import { Batch } from "./batch.ts";
import { Decoder, type Incoming, ProtocolError } from "./decoder.ts";
import { flatCopy } from "../text.ts";
import { closePayload, OPCODE } from "./frame.ts";
import { FrameQueue } from "./frame_queue.ts";
import { type Admitted, behind, hostIn, type Refusal } from "./admission.ts";
import { failed, type Handshake, HandshakeReader, refused, timedOut } from "./handshake.ts";
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
  readonly accounts: Accounts;
  readonly workQueue: WorkQueue;
  /** A clock in ms. */
  readonly now: number;
  accept(socket: Socket, path: string): SocketHandlers;
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

/** What connections are charged to. */
export type Accounts = Readonly<
  Record<"requests" | "connections" | "messages" | "frames", Account>
>;

/**
 * - `handshake`: the request is awaited.
 * - `open`: messages go both ways.
 * - `closing`: our close frame is on its way, the peer's is awaited.
 * - `ending`: all has been said. What comes is thrown away, because closing a TCP connection with
 *   unread bytes in it would also throw away what the peer has not read yet.
 */
type Phase = "handshake" | "open" | "closing" | "ending";

/** Bytes that are written at a time: a batch that has grown to as many does not wait for the turn to end. */
const WRITE_SIZE = 64 * 1024;

/** What the codes of a {@linkcode ProtocolError} mean. */
const KINDS: Readonly<Record<ProtocolError["code"], EndKind>> = {
  1002: "protocol",
  1007: "encoding",
  1009: "size",
};

const NO_PAYLOAD = new Uint8Array(0);

/** A chunk of this many bytes may hold a message that takes long. Most of a browser's commands are smaller. */
const HEAVY_BYTES = 256;

/** Bytes of memory that a chunk which waits for its turn takes beside its own, at most. */
const CHUNK_BYTES = 512;

/**
 * Bytes that a chunk counts for at least, in the limit of bytes in a second: each takes a turn of its own, and over
 * TLS the peer says how small they are.
 */
const LEAST_BYTES = 64;

/** Streams know their connection, so that one handler serves them all. */
const CONNECTION = Symbol("connection");
type Owned = Stream & { [CONNECTION]?: Connection };

/** See the module. */
export class Connection implements Socket, Writer, Worker {
  readonly #home: Home;
  readonly #stream: Stream;
  readonly #raw: Stream;
  remoteAddress: string;
  #network: Admitted["network"] | undefined = undefined;
  #phase: Phase = "handshake";
  /** When the phase began or, when it is `open`, when the peer was last heard. */
  #since: number;
  #reader: HandshakeReader | Decoder;
  #handlers: SocketHandlers | null = null;
  /** What was queued in this turn; shared with the sockets that are sent the same. */
  #batch: Batch | null = null;
  /** What is queued while the stream takes no more; made when that happens first. */
  #waiting: FrameQueue | null = null;
  /** The payload of the last ping that is not answered: the others need no answer (section 5.5.3). */
  #pong: Uint8Array | null = null;
  /** The payload of our close frame, until it is written: the last of all frames. */
  #farewell: Uint8Array | null = null;
  /** Whether the TLS handshake is done. */
  #isSecured = false;
  /** Whether the outbox will call. */
  #expected = false;
  /** Whether the stream takes no more until it has drained. */
  #blocked = false;
  /** Whether the stream is to be closed once all is written, without waiting for the peer. */
  #isHangingUp = false;
  /** Chunks that wait for their turn, from `#nextUnread` on; `null`: none ever did. */
  #unread: (Uint8Array | null)[] | null = null;
  #nextUnread = 0;
  /** Bytes of memory that they take. */
  #unreadBytes = 0;
  /** Bytes that have come since the last tick. */
  #received = 0;
  /** Whether a ping is out that nothing has come after. */
  #pinged = false;
  /** How it is closed when its owner has finished, and since when that is awaited. */
  #closing: { readonly since: number; close(): void } | null = null;
  /** When the message began that has not come whole; `null` between messages. */
  #messageSince: number | null = null;
  /** What it has of each account; `null` before it had anything of it. */
  #request: Holding | null;
  #message: Holding | null = null;
  #frames: Holding | null = null;

  /** Takes over a stream; `raw` is what lies below its TLS, or the stream itself. */
  constructor(home: Home, stream: Stream, raw: Stream) {
    this.#home = home;
    this.#stream = stream;
    this.#raw = raw;
    // Now, as it cannot be told any more once the peer has reset the connection.
    this.remoteAddress = formatAddress(stream.remoteAddress ?? "unknown", stream.remotePort ?? 0);
    this.#since = this.#home.now;
    this.#reader = new HandshakeReader(home.otherwise);
    this.#request = home.accounts.requests.open(this);
    const owned: Owned = stream;
    owned[CONNECTION] = this;
    stream.on("data", onData).on("drain", onDrain).on("end", onEnd).on("error", onError)
      .on("close", onClose);
    if (raw !== stream) stream.on("secure", onSecure);
  }

  /** Takes the memory that it needs, or answers that there is none. Called once, when it has been made. */
  begin(): void {
    if (this.#chargeRequest(0)) return;
    this.#refuseForMemory();
  }

  /** The address of the connection's other end. */
  get remoteHost(): string {
    return hostIn(this.remoteAddress);
  }

  get queuedBytes(): number {
    // Asked for each delivery. A stream that is not blocked holds little, if anything.
    if (!this.#blocked) return this.#batch?.size ?? 0;
    return (this.#waiting?.bytes ?? 0) + this.#stream.writableLength;
  }

  send(message: TextMessage): boolean {
    if (this.#phase !== "open") return false;
    if (!this.#blocked) {
      this.#batch = this.#batch?.with(OPCODE.text, message.bytes) ??
        this.#home.outbox.first(OPCODE.text, message.bytes);
      if (this.#batch.size >= WRITE_SIZE) this.#flush();
      else this.#schedule();
      return true;
    }
    this.#waiting ??= new FrameQueue();
    this.#waiting.push(message.bytes);
    if (this.#chargeFrames()) return true;
    this.#endForMemory("frames");
    return false;
  }

  close(code: number, reason: string): void {
    if (this.#phase !== "open" || this.#closing !== null) return;
    const close = () => {
      if (this.#phase !== "open") return;
      this.#farewell = closePayload(code, reason);
      this.#enter("closing");
      this.#schedule();
    };
    this.#closing = { since: this.#home.now, close };
    if (this.#handlers === null) close();
    else this.#handlers.finish(close);
  }

  abort(code: number, reason: string): void {
    if (this.#phase !== "open") return;
    this.#forgetQueued();
    this.#farewell = closePayload(code, reason);
    this.#end("server", null);
  }

  /** See {@linkcode Holder}: it holds the most of an account. */
  evict(account: AccountName): void {
    if (account !== "requests") return this.#endForMemory(account);
    if (this.#phase === "handshake") {
      this.#home.refused(this.remoteAddress, "memory", "It was the largest when memory was short");
    }
    this.drop();
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
        if (this.#closing !== null && now - this.#closing.since >= limits.closeMs) {
          return this.#closing.close();
        }
        // What is on its way in the stream is looked at here, as it is not worth it for each write.
        if (!this.#chargeFrames()) return this.#endForMemory("frames");
        if (this.#messageSince !== null && now - this.#messageSince >= limits.messageMs) {
          const fault = `it did not finish a message in ${limits.messageMs} ms`;
          return this.#fail("unfinished", 1008, fault);
        }
        if (passed >= limits.silenceMs && !this.#pinged) {
          this.#pinged = true;
          this.#batch = this.#batch?.with(OPCODE.ping, NO_PAYLOAD) ??
            this.#home.outbox.first(OPCODE.ping, NO_PAYLOAD);
          this.#schedule();
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
    if (this.#reader instanceof HandshakeReader) this.#readHead(this.#reader, chunk);
    else this.#receive(this.#reader, chunk);
  }

  /** The work queue's turn: reads a chunk. */
  work(): void {
    const chunk = this.#unread?.[this.#nextUnread];
    if (!this.#unread || !chunk || this.#reader instanceof HandshakeReader) return;
    this.#unread[this.#nextUnread++] = null;
    if (this.#nextUnread === this.#unread.length) {
      this.#unread.length = 0;
      this.#nextUnread = 0;
    }
    this.#unreadBytes -= chunk.length + CHUNK_BYTES;
    this.#hear(this.#reader, chunk);
    freeBytes(chunk);
    const next = this.#unread?.[this.#nextUnread];
    if (next) this.#home.workQueue.add(this, laneOf(next));
    else if (this.#stream.isPaused()) this.#stream.resume();
  }

  #readHead(reader: HandshakeReader, chunk: Uint8Array): void {
    if (this.#phase === "ending") return this.#countBytes(chunk);
    try {
      const handshake = reader.read(chunk);
      if (handshake !== null) this.#answer(handshake);
      else if (!this.#chargeRequest(reader.heldBytes)) this.#refuseForMemory();
    } catch (error) {
      // A mistake of ours. It may be a WebSocket by now.
      reportError(error);
      if (this.#reader === reader) this.#finish(failed());
      else this.#fail("failed", 1011, "the server failed");
    }
  }

  #receive(decoder: Decoder, chunk: Uint8Array): void {
    this.#countBytes(chunk);
    if (this.#phase === "ending") return;
    const isFirst = this.#unreadBytes === 0;
    this.#unread ??= [];
    this.#unread.push(chunk);
    this.#unreadBytes += chunk.length + CHUNK_BYTES;
    if (!isFirst) return this.#chargeMessage(decoder);
    this.#home.workQueue.add(this, laneOf(chunk));
    if (this.#unreadBytes === 0) return;
    // It has to wait for its turn, so the peer waits as well. TLS reads on, to the limit of bytes in a second.
    this.#stream.pause();
    this.#chargeMessage(decoder);
  }

  /** Ends a connection that sends too much. The head of a request has a limit of its own. */
  #countBytes(chunk: Uint8Array): void {
    const { bytesPerSecond } = this.#home.limits;
    this.#received += Math.max(chunk.length, LEAST_BYTES);
    if (this.#received <= bytesPerSecond) return;
    // It has had its answer, and sends on.
    if (this.#phase === "ending") return this.drop();
    this.#received = 0;
    this.#fail("rate", 1008, `it sent more than ${bytesPerSecond} bytes in a second`);
  }

  #hear(decoder: Decoder, chunk: Uint8Array): void {
    if (this.#phase === "open") {
      this.#since = this.#home.now;
      this.#pinged = false;
    }
    try {
      for (const incoming of decoder.decode(chunk)) {
        this.#take(incoming);
        if (this.#phase === "ending") return;
      }
      this.#watchMessage(decoder);
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
    if (!this.#chargeFrames()) return this.#endForMemory("frames");
    if (!this.#blocked) this.#handlers?.drained();
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
    this.#forgetQueued();
    this.#farewell = null;
    for (const holding of [this.#request, this.#message, this.#frames]) holding?.close();
    if (this.#network !== undefined) this.#home.accounts.connections.adjust(-this.#ownBytes);
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
    const { connections } = this.#home.accounts;
    if (!connections.hold(this.#ownBytes, this)) return this.#refuseForMemory();
    const admission = this.#home.admit(this, handshake.header);
    // The address may have been cut out of the request, and would keep it.
    this.remoteAddress = flatCopy(behind(admission.address, this.remoteAddress));
    if ("kind" in admission) {
      connections.adjust(-this.#ownBytes);
      this.#home.refused(this.remoteAddress, admission.kind, admission.reason);
      return this.#finish(refused(admission.status));
    }
    this.#network = admission.network;
    // What it took as a request it takes as a WebSocket.
    this.#request?.close();
    this.#request = null;
    const decoder = new Decoder(() => this.#home.limits.messageBytes);
    this.#reader = decoder;
    this.#enter("open");
    if (!this.#stream.write(handshake.response)) this.#blocked = true;
    this.#handlers = this.#home.accept(this, handshake.path);
    if (handshake.rest.length > 0) this.#receive(decoder, handshake.rest);
  }

  #finish(response: string): void {
    this.#enter("ending");
    this.#home.answered(this);
    this.#stream.end(response);
  }

  /** Fails the connection (section 7.1.7). */
  #fail(kind: EndKind, code: number, fault: string): void {
    if (this.#phase === "open") this.#farewell = closePayload(code, "");
    this.#end(kind, `${fault} (${code})`);
  }

  /** There is no memory for it. */
  #refuseForMemory(): void {
    this.#home.refused(this.remoteAddress, "memory", "There is no memory for it");
    // TLS may not be there yet, and would take more.
    if (this.#raw !== this.#stream && !this.#isSecured) this.drop();
    else this.#finish(refused(503));
  }

  #endForMemory(account: AccountName): void {
    if (this.#phase === "ending") {
      this.#stream.destroy();
      return;
    }
    const fault = `memory is short, and it holds much of it: ${account}`;
    this.#forgetQueued();
    if (!this.#blocked) return this.#fail("memory", 1013, fault);
    // It does not read, so it cannot be told, and what the stream has for it is to be freed.
    this.#over("memory", `${fault} (1013)`);
    this.#enter("ending");
    this.#stream.destroy();
  }

  #take(incoming: Incoming): void {
    switch (incoming.type) {
      case "message":
        this.#messageSince = null;
        if (this.#phase === "open") this.#handlers?.message(incoming.text);
        return;
      case "ping":
        if (this.#phase === "open") {
          this.#pong = new Uint8Array(incoming.payload);
          this.#schedule();
        }
        return this.#handlers?.frame();
      case "pong":
      case "fragment":
        return this.#handlers?.frame();
      case "close": {
        const kind = this.#phase === "open" ? "client" : "server";
        if (this.#phase === "open") {
          this.#farewell = incoming.code === null ? NO_PAYLOAD : closePayload(incoming.code, "");
        }
        this.#hangUp(kind);
      }
    }
  }

  /** Notes since when a message has not come whole, and charges it. */
  #watchMessage(decoder: Decoder): void {
    if (decoder.isUnfinished) this.#messageSince ??= this.#home.now;
    else this.#messageSince = null;
    this.#chargeMessage(decoder);
  }

  /** Charges what has come and could not be made a message yet. */
  #chargeMessage(decoder: Decoder): void {
    const bytes = decoder.heldBytes + this.#unreadBytes;
    if (bytes === 0 && this.#message === null) return;
    this.#message ??= this.#home.accounts.messages.open(this);
    if (!this.#message.set(bytes)) this.#endForMemory("messages");
  }

  /** @returns Whether there is memory for it. */
  #chargeRequest(head: number): boolean {
    return this.#request?.set(this.#ownBytes + head) ?? true;
  }

  /** @returns Whether there is memory for what waits to be written. */
  #chargeFrames(): boolean {
    const bytes = (this.#waiting?.bytes ?? 0) + this.#stream.writableLength;
    if (bytes === 0 && this.#frames === null) return true;
    this.#frames ??= this.#home.accounts.frames.open(this);
    return this.#frames.set(bytes);
  }

  get #ownBytes(): number {
    return this.#raw === this.#stream ? CONNECTION_BYTES.plain : CONNECTION_BYTES.tls;
  }

  #schedule(): void {
    if (this.#blocked || this.#expected) return;
    this.#expected = true;
    this.#home.outbox.add(this);
  }

  /** Writes what is queued, as far as the stream takes it. */
  #flush(): void {
    while (!this.#blocked) {
      const bytes = this.#next();
      if (bytes === null) break;
      this.#home.counters.bytesOut += bytes.length;
      this.#blocked = !this.#stream.write(bytes);
    }
    if (this.#phase === "ending" && !this.#hasQueued) this.#finishWriting();
  }

  /** What is to be written next: what has waited, then what was queued in this turn, with all control frames. */
  #next(): Uint8Array | null {
    if (this.#waiting !== null) {
      const bytes = this.#waiting.take(WRITE_SIZE);
      if (bytes !== null) return bytes;
      this.#waiting = null;
    }
    let batch = this.#batch;
    for (
      const [opcode, payload] of [
        [OPCODE.pong, this.#pong],
        [OPCODE.close, this.#farewell],
      ] as const
    ) {
      if (payload !== null) batch = new Batch(opcode, payload, batch);
    }
    this.#batch = null;
    this.#pong = null;
    this.#farewell = null;
    return batch?.bytes ?? null;
  }

  get #hasQueued(): boolean {
    return this.#batch !== null || this.#waiting !== null || this.#farewell !== null;
  }

  /** Drops what is queued, but for the rest of a frame that has begun. */
  #forgetQueued(): void {
    this.#batch = null;
    this.#pong = null;
    this.#waiting?.clear();
    if (this.#waiting?.isEmpty) this.#waiting = null;
  }

  /** Says the last that there is to say, and waits for the peer to hang up. */
  #end(kind: EndKind, fault: string | null): void {
    if (this.#phase !== "ending") this.#enter("ending");
    this.#flush();
    this.#over(kind, fault);
  }

  #finishWriting(): void {
    if (this.#isHangingUp) this.#stream.destroySoon();
    else this.#stream.end();
  }

  /** Ends a connection on which both sides have said goodbye: nothing is left to be said. */
  #hangUp(kind: EndKind): void {
    this.#flush();
    // TLS has a goodbye of its own, which `end` says.
    const isPlain = this.#raw === this.#stream;
    if (isPlain && !this.#hasQueued && this.#stream.writableLength === 0) {
      this.#enter("ending");
      this.#over(kind, null);
      this.#stream.destroy();
    } else {
      this.#isHangingUp = true;
      this.#end(kind, null);
    }
  }

  #enter(phase: Phase): void {
    if (phase === "ending") this.#forgetRead();
    this.#phase = phase;
    this.#since = this.#home.now;
  }

  /** Gives back what came and is not made a message any more. */
  #forgetRead(): void {
    if (this.#reader instanceof Decoder) this.#reader.free();
    this.#message?.close();
    if (this.#unreadBytes === 0) return;
    for (const chunk of this.#unread ?? []) if (chunk !== null) freeBytes(chunk);
    this.#unread = null;
    this.#nextUnread = 0;
    this.#unreadBytes = 0;
    // What comes is thrown away: closing a connection with unread bytes in it would do so with what we have sent.
    this.#stream.resume();
  }

  /** Tells the owner, once. */
  #over(kind: EndKind, fault: string | null): void {
    const handlers = this.#handlers;
    this.#handlers = null;
    handlers?.close(kind, fault);
  }
}

function laneOf({ length }: Uint8Array): LaneName {
  return length < HEAVY_BYTES ? "light" : "heavy";
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
