import { CLIENT_LIMITS } from "../../src/config/limits.ts";
import { Hub, type HubOptions } from "../../src/hub/hub.ts";
import type { Listener } from "../../src/hub/listener.ts";
import type { Message } from "../../src/hub/message.ts";

/** A clock that stands until it is told to move. */
export class Clock {
  #ms = 1000;

  now = (): number => this.#ms;

  advance(ms: number): void {
    this.#ms += ms;
  }
}

/** A listener and what it received, as parsed JSON. */
export interface Ear {
  readonly listener: Listener;
  readonly heard: Message[];
}

/** A hub with a fixed fingerprint and a clock of its own. */
export function makeHub(options: Partial<HubOptions> = {}): { hub: Hub; clock: Clock } {
  const clock = new Clock();
  return { hub: new Hub({ fingerprint: "OURS", now: clock.now, ...options }), clock };
}

/** Joins an instance and subscribes to topics. */
export function listen(hub: Hub, topics: readonly string[], instance = "default"): Ear {
  const heard: Message[] = [];
  const listener = hub.join(instance, {
    deliver({ text }) {
      heard.push(JSON.parse(text));
      return true;
    },
  });
  listener.subscribe(topics, CLIENT_LIMITS);
  return { listener, heard };
}
