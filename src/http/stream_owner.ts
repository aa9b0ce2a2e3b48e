/**
 * Passes the events of streams to their owners. One set of event handlers serves all streams, as closures for each
 * would take more memory than the rest of an idle connection.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import type { Socket as Stream } from "node:net";
import type { StreamOwner } from "./handler.ts";

const OWNER = Symbol("owner");
const ON_CLOSE = Symbol("on close");

type Owned = Stream & {
  [OWNER]?: StreamOwner | undefined;
  [ON_CLOSE]?: (() => void) | undefined;
};

/**
 * Passes the events of a stream to its owner.
 *
 * @param onClose Called when the stream is gone, for any owner.
 */
export function watch(stream: Stream, owner: StreamOwner, onClose: () => void): void {
  tellTo(stream, owner);
  const owned: Owned = stream;
  owned[ON_CLOSE] = onClose;
  stream.on("data", onData).on("drain", onDrain).on("end", onEnd).on("error", onError)
    .on("close", onClosed);
}

/** Passes no more events of a stream, which `onClose` is not called for either. */
export function unwatch(stream: Stream): void {
  stream.off("data", onData).off("drain", onDrain).off("end", onEnd).off("error", onError)
    .off("close", onClosed);
  const owned: Owned = stream;
  owned[OWNER] = undefined;
  owned[ON_CLOSE] = undefined;
}

/** Passes the events of a stream to another owner from now on. */
export function tellTo(stream: Stream, owner: StreamOwner): void {
  const owned: Owned = stream;
  owned[OWNER] = owner;
}

function onData(this: Owned, chunk: Buffer): void {
  this[OWNER]?.data(chunk);
}

function onDrain(this: Owned): void {
  this[OWNER]?.drained();
}

function onEnd(this: Owned): void {
  this[OWNER]?.ended();
}

function onError(this: Owned, error: Error): void {
  this[OWNER]?.failed(error);
}

function onClosed(this: Owned): void {
  this[OWNER]?.closed();
  this[ON_CLOSE]?.();
}
