/**
 * One client's WebSocket, from the handshake to its end. The decoder knows the meaning of the bytes; the connection
 * acts on it, and decides when to give up.
 *
 * A connection costs this object, its decoder and the runtime's stream. It shares all else: event handlers, the clock,
 * the outbox. All its memory is charged to the accounts of memory when it is taken.
 *
 * @module
 */

import type { Socket as Stream } from "node:net";
import { freeBytes } from "../bytes.ts";
import type { Account, AccountName, Holding } from "../budget.ts";
import { CONNECTION_BYTES } from "../config/memory.ts";
import type { StreamOwner, Taken } from "../http/handler.ts";
import { ChunkQueue } from "../net/chunk_queue.ts";
import type { LaneName, Worker, WorkShare } from "../work_queue.ts";
import { Batch } from "./batch.ts";
import { Decoder, type Incoming, ProtocolError } from "./decoder.ts";
import { flatCopy } from "../text.ts";
import { closePayload, OPCODE } from "./frame.ts";
import { FrameQueue } from "./frame_queue.ts";
import type { Admitted } from "./admission.ts";
import type { FrameWriter, Outbox } from "./outbox.ts";
import type { SocketLimits } from "./rules.ts";
import type { EndKind, Socket, SocketCounters, SocketHandlers, TextMessage } from "./socket.ts";

/** The parts of the server that an accepted connection uses. */
export interface ConnectionHost {
  readonly limits: SocketLimits;
  readonly outbox: Outbox;
  readonly counters: SocketCounters;
  readonly accounts: Accounts;
  readonly workQueue: WorkShare;
  /** A clock in ms. */
  readonly now: number;
  accept(socket: Socket, path: string): SocketHandlers;
  /**
   * Reports that the connection is gone.
   *
   * @param network The count that it was admitted under.
   */
  left(connection: Connection, network: Admitted["network"]): void;
}

/** The accounts that connections are charged to. */
export type Accounts = Readonly<
  Record<"connections" | "messages" | "frames", Account>
>;

/**
 * The phase of a connection:
 * - `open`: messages go both ways.
 * - `closing`: this side's close frame is on its way, and the peer's is awaited.
 * - `ending`: nothing more is queued. Received bytes are thrown away, because closing a TCP connection with unread
 *   bytes would also throw away bytes that the peer has not read yet.
 */
type Phase = "open" | "closing" | "ending";

/** The bytes of one write. A batch of this size does not wait for the end of the turn. */
const WRITE_SIZE = 64 * 1024;

/** The end kind for each code of a {@linkcode ProtocolError}. */
const KINDS: Readonly<Record<ProtocolError["code"], EndKind>> = {
  1002: "protocol",
  1007: "encoding",
  1009: "size",
};

const NO_PAYLOAD = new Uint8Array(0);

/** The size of the payload of a ping that asks whether all was read. */
const QUESTION_BYTES = 8;

/** The size from which a chunk may hold a slow message, in bytes. Most commands of a browser are smaller. */
const HEAVY_BYTES = 256;

/**
 * The fewest bytes that a chunk counts for in the limit of bytes per second, because each chunk takes a turn of its
 * own. Over TLS the peer decides how small they are.
 */
const LEAST_BYTES = 64;

/** One client's WebSocket on a stream of the engine `socket`. */
export class Connection implements Socket, FrameWriter, Worker, StreamOwner {
  readonly #home: ConnectionHost;
  readonly #stream: Stream;
  readonly #isTls: boolean;
  readonly remoteAddress: string;
  readonly #network: Admitted["network"];
  #phase: Phase = "open";
  /** The time when the phase began or, when it is `open`, when the peer last sent bytes. */
  #since: number;
  readonly #decoder: Decoder;
  #handlers: SocketHandlers | null = null;
  /** The frames queued in this turn; shared with the sockets that are sent the same. */
  #batch: Batch | null = null;
  /** The messages queued while the stream is blocked; made when that happens first. */
  #waiting: FrameQueue | null = null;
  /** The payload of the last unanswered ping: earlier pings need no answer (section 5.5.3). */
  #pong: Uint8Array | null = null;
  /** The payload of this side's close frame, until it is written: the last of all frames. */
  #farewell: Uint8Array | null = null;
  /** True if the outbox will call {@linkcode write}. */
  #expected = false;
  /** True if the stream takes no more until it has drained. */
  #blocked: boolean;
  /** True if the stream is to be closed once all is written, without waiting for the peer. */
  #isHangingUp = false;
  /** The chunks that wait for their turn; `null` if none ever did. */
  #unread: ChunkQueue | null = null;
  /** The bytes received since the last tick. */
  #received = 0;
  /** The payload of the ping that asks whether all was read, and the time of it; `null`: nothing is asked. */
  #question: { readonly payload: Uint8Array; readonly since: number } | null = null;
  /** True if a ping was sent and nothing has come since. */
  #pinged = false;
  /** The close that waits for the owner to finish, and since when it waits. */
  #closing: { readonly since: number; close(): void } | null = null;
  /** The time when an unfinished message began; `null` between messages. */
  #messageSince: number | null = null;
  /** The holding in each account; `null` before there was one. */
  #message: Holding | null = null;
  #frames: Holding | null = null;

  /** Takes over a connection whose handshake has been answered. */
  constructor(
    home: ConnectionHost,
    { stream, isTls }: Taken,
    remoteAddress: string,
    network: Admitted["network"],
  ) {
    this.#home = home;
    this.#stream = stream;
    this.#isTls = isTls;
    // A part of the request would keep the whole request alive.
    this.remoteAddress = flatCopy(remoteAddress);
    this.#network = network;
    this.#since = home.now;
    this.#decoder = new Decoder(() => this.#home.limits.messageBytes);
    // The answer to the handshake may not be written yet.
    this.#blocked = stream.writableNeedDrain;
  }

  /** Gives the connection to its owner. Called once, after construction. */
  begin(path: string): void {
    try {
      this.#handlers = this.#home.accept(this, path);
    } catch (error) {
      // A bug of this server. No HTTP is spoken any more.
      reportError(error);
      this.#fail("failed", 1011, "the server failed");
    }
  }

  /** Returns the bytes of memory of the connection itself. */
  get ownBytes(): number {
    return this.#isTls ? CONNECTION_BYTES.tls : CONNECTION_BYTES.plain;
  }

  get queuedBytes(): number {
    // Called for each delivery. A stream that is not blocked holds few bytes, if any.
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

  confirm(): boolean {
    if (this.#phase !== "open") return false;
    // Who has not read it cannot guess it.
    const payload = crypto.getRandomValues(new Uint8Array(QUESTION_BYTES));
    this.#question = { payload, since: this.#home.now };
    this.#ping(payload);
    return true;
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

  /** Ends the connection that holds the most of an account, see {@linkcode AccountHolder}. */
  evict(account: AccountName): void {
    this.#endForMemory(account);
  }

  /** Destroys the stream at once. */
  drop(): void {
    this.#stream.destroy();
  }

  /** Checks the timeouts. Called about once a second. */
  tick(): void {
    this.#received = 0;
    const { limits, now } = this.#home;
    const passed = now - this.#since;
    switch (this.#phase) {
      case "open":
        if (this.#closing !== null && now - this.#closing.since >= limits.closeMs) {
          return this.#closing.close();
        }
        // The bytes in the stream are charged here, as it is not worth it for each write.
        if (!this.#chargeFrames()) return this.#endForMemory("frames");
        if (this.#messageSince !== null && now - this.#messageSince >= limits.messageMs) {
          const fault = `it did not finish a message in ${limits.messageMs} ms`;
          return this.#fail("unfinished", 1008, fault);
        }
        if (
          this.#question !== null && now - this.#question.since >= limits.idleMs + limits.pongMs
        ) {
          const silence = Math.round(now - this.#question.since);
          this.#over("silent", `it has not shown for ${silence} ms that it reads its replay`);
          this.drop();
        } else if (passed >= limits.idleMs && !this.#pinged) {
          this.#pinged = true;
          // Of several pings only the last one may be answered (section 5.5.3).
          this.#ping(this.#question?.payload ?? NO_PAYLOAD);
        } else if (passed >= limits.idleMs + limits.pongMs) {
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

  /** Writes the queued frames, when the outbox calls. */
  write(): void {
    this.#expected = false;
    this.#flush();
  }

  /** Queues received bytes. */
  data(chunk: Uint8Array): void {
    this.#home.counters.bytesIn += chunk.length;
    this.#countBytes(chunk);
    if (this.#phase === "ending") return;
    this.#unread ??= new ChunkQueue();
    this.#unread.push(chunk);
    if (this.#unread.size > 1) return this.#chargeMessage();
    this.#home.workQueue.add(this, laneOf(chunk));
    if (this.#unreadBytes === 0) return;
    // The chunk has to wait for its turn, so the peer waits as well. TLS reads on, up to the limit of bytes per second.
    this.#stream.pause();
    this.#chargeMessage();
  }

  /** Reads one chunk, when the work queue calls. */
  work(): void {
    const chunk = this.#unread?.shift();
    if (!chunk) return;
    this.#hear(chunk);
    freeBytes(chunk);
    const next = this.#unread?.first;
    if (next) this.#home.workQueue.add(this, laneOf(next));
    else if (this.#stream.isPaused()) this.#stream.resume();
  }

  /** Returns the bytes of memory that waiting chunks take. */
  get #unreadBytes(): number {
    return this.#unread?.bytes ?? 0;
  }

  /** Ends a connection that sends too much. */
  #countBytes(chunk: Uint8Array): void {
    const { bytesPerSecond } = this.#home.limits;
    this.#received += Math.max(chunk.length, LEAST_BYTES);
    if (this.#received <= bytesPerSecond) return;
    // The peer has had its answer, and continues to send.
    if (this.#phase === "ending") return this.drop();
    this.#received = 0;
    this.#fail("rate", 1008, `it sent more than ${bytesPerSecond} bytes in a second`);
  }

  #hear(chunk: Uint8Array): void {
    if (this.#phase === "open") {
      this.#since = this.#home.now;
      this.#pinged = false;
    }
    try {
      for (const incoming of this.#decoder.decode(chunk)) {
        this.#take(incoming);
        if (this.#phase === "ending") return;
      }
      this.#watchMessage();
    } catch (error) {
      if (error instanceof ProtocolError) {
        return this.#fail(KINDS[error.code], error.code, error.message);
      }
      // A bug of this server; the connection could not be read any further.
      reportError(error);
      this.#fail("failed", 1011, "the server failed");
    }
  }

  /** Continues to write, as the stream takes more. */
  drained(): void {
    this.#blocked = false;
    this.#flush();
    if (!this.#chargeFrames()) return this.#endForMemory("frames");
    if (!this.#blocked) this.#handlers?.drained();
  }

  /** Handles the end of the peer's bytes. */
  ended(): void {
    if (this.#phase === "ending") return;
    this.#end(this.#phase === "closing" ? "server" : "lost", null);
  }

  /** Does nothing on an error of the stream, because it closes next. */
  failed(): void {}

  /** Handles the close of the stream. */
  closed(): void {
    this.#over(this.#phase === "closing" ? "server" : "lost", null);
    this.#enter("ending");
    this.#forgetQueued();
    this.#farewell = null;
    this.#message?.close();
    this.#frames?.close();
    this.#home.left(this, this.#network);
  }

  /** Fails the connection (section 7.1.7). */
  #fail(kind: EndKind, code: number, fault: string): void {
    if (this.#phase === "open") this.#farewell = closePayload(code, "");
    this.#end(kind, `${fault} (${code})`);
  }

  #endForMemory(account: AccountName): void {
    if (this.#phase === "ending") {
      this.#stream.destroy();
      return;
    }
    const fault = `memory is short, and it holds much of it: ${account}`;
    this.#forgetQueued();
    if (!this.#blocked) return this.#fail("memory", 1013, fault);
    // The peer does not read, so it cannot be told, and the bytes in the stream are to be freed.
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
        if (!this.#isAnswer(incoming.payload)) return this.#handlers?.frame();
        this.#question = null;
        return this.#handlers?.confirmed();
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

  #isAnswer(payload: Uint8Array): boolean {
    const question = this.#question?.payload;
    return payload.length === question?.length &&
      payload.every((byte, index) => byte === question[index]);
  }

  #ping(payload: Uint8Array): void {
    this.#batch = this.#batch?.with(OPCODE.ping, payload) ??
      this.#home.outbox.first(OPCODE.ping, payload);
    this.#schedule();
  }

  /** Notes the time when an unfinished message began, and charges it. */
  #watchMessage(): void {
    if (this.#decoder.isUnfinished) this.#messageSince ??= this.#home.now;
    else this.#messageSince = null;
    this.#chargeMessage();
  }

  /** Charges the received bytes that are not a message yet. */
  #chargeMessage(): void {
    const bytes = this.#decoder.heldBytes + this.#unreadBytes;
    if (bytes === 0 && this.#message === null) return;
    this.#message ??= this.#home.accounts.messages.open(this);
    if (!this.#message.set(bytes)) this.#endForMemory("messages");
  }

  /** @returns True if there is memory for the frames that wait. */
  #chargeFrames(): boolean {
    const bytes = (this.#waiting?.bytes ?? 0) + this.#stream.writableLength;
    if (bytes === 0 && this.#frames === null) return true;
    this.#frames ??= this.#home.accounts.frames.open(this);
    return this.#frames.set(bytes);
  }

  #schedule(): void {
    if (this.#blocked || this.#expected) return;
    this.#expected = true;
    this.#home.outbox.add(this);
  }

  /** Writes the queued frames, as far as the stream takes them. */
  #flush(): void {
    while (!this.#blocked) {
      const bytes = this.#next();
      if (bytes === null) break;
      this.#home.counters.bytesOut += bytes.length;
      this.#blocked = !this.#stream.write(bytes);
    }
    if (this.#phase === "ending" && !this.#hasQueued) this.#finishWriting();
  }

  /**
   * Returns the next bytes to write: first the waiting ones, then those queued in this turn, with all control frames.
   */
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

  /** Drops the queued frames, except the rest of a frame that has begun. */
  #forgetQueued(): void {
    this.#batch = null;
    this.#pong = null;
    this.#waiting?.clear();
    if (this.#waiting?.isEmpty) this.#waiting = null;
  }

  /** Writes the last frames, and waits for the peer to close. */
  #end(kind: EndKind, fault: string | null): void {
    if (this.#phase !== "ending") this.#enter("ending");
    this.#flush();
    this.#over(kind, fault);
  }

  #finishWriting(): void {
    if (this.#isHangingUp) this.#stream.destroySoon();
    else this.#stream.end();
  }

  /** Ends a connection on which both sides have sent a close frame. */
  #hangUp(kind: EndKind): void {
    this.#flush();
    // TLS has a close message of its own, which `end` sends.
    if (!this.#isTls && !this.#hasQueued && this.#stream.writableLength === 0) {
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

  /** Frees received bytes that do not become a message any more. */
  #forgetRead(): void {
    this.#decoder.free();
    this.#message?.close();
    if (this.#unreadBytes === 0) return;
    this.#unread?.takeAll().forEach(freeBytes);
    this.#unread = null;
    // Received bytes are thrown away: closing a connection with unread bytes would throw away sent bytes as well.
    this.#stream.resume();
  }

  /** Tells the owner about the end, once. */
  #over(kind: EndKind, fault: string | null): void {
    const handlers = this.#handlers;
    this.#handlers = null;
    handlers?.close(kind, fault);
  }
}

function laneOf({ length }: Uint8Array): LaneName {
  return length < HEAVY_BYTES ? "light" : "heavy";
}
