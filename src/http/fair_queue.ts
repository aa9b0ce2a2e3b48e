/**
 * Fair queueing (RFC 970): each network has its turn after the others had theirs. So a network that brings a thousand
 * pieces of work delays its own, and each other one by a piece.
 *
 * @module
 */

import { networkOf } from "../config/network.ts";
import { Fifo } from "../fifo.ts";
import { drawKey, KeyedHash } from "../keyed_hash.ts";
import { type Entry, KeyedMap } from "../keyed_map.ts";
import type { Worker, WorkShare } from "../work_queue.ts";

/** A worker that may have nothing to do any more when its turn comes. */
export interface FairWorker extends Worker {
  /** True when nothing is to be done for it any more: it takes no turn. */
  readonly isOver: boolean;
}

/** Heavy work, in rotation of the networks that bring it. */
export class FairQueue {
  readonly #share: WorkShare;
  /** The workers that wait, by network. One of each network is in the work queue, and not here. */
  readonly #waiting = new KeyedMap<Fifo<FairWorker>>(new KeyedHash(drawKey()));

  constructor(share: WorkShare) {
    this.#share = share;
  }

  /** Does a piece of work, when it is its network's turn and the work queue has time. */
  add(address: string, worker: FairWorker): void {
    const network = networkOf(address);
    const waiting = this.#waiting.get(network);
    if (waiting !== undefined) waiting.push(worker);
    else this.#queue(this.#waiting.add(network, new Fifo()), worker);
  }

  #queue(network: Entry<Fifo<FairWorker>>, worker: FairWorker): void {
    const work = () => {
      try {
        worker.work();
      } finally {
        this.#goOn(network);
      }
    };
    this.#share.add({ work }, "heavy");
  }

  #goOn(network: Entry<Fifo<FairWorker>>): void {
    let next = network.value.shift();
    while (next?.isOver) next = network.value.shift();
    if (next === undefined) this.#waiting.delete(network.text);
    else this.#queue(network, next);
  }
}
