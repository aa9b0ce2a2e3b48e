import { Hub, type HubOptions, type Publication } from "../../src/hub/hub.ts";
import type { Listener, ReplayResult, Sink } from "../../src/hub/listener.ts";
import { Encoded, parseMessage } from "../../src/hub/message.ts";
import { CLIENT_LIMITS } from "../entries.ts";

/** A clock that stands until it is told to move. */
export class Clock {
  #ms = 1000;

  now = (): number => this.#ms;

  advance(ms: number): void {
    this.#ms += ms;
  }
}

/** A message as it is posted, or as a listener has received it. */
export type Json = Readonly<Record<string, unknown>>;

/** A listener and what it received, as parsed JSON. */
export interface Ear {
  readonly listener: Listener;
  readonly heard: Json[];
}

/** A hub with a fixed fingerprint and a clock of its own. */
export function makeHub(options: Partial<HubOptions> = {}): { hub: Hub; clock: Clock } {
  const clock = new Clock();
  return { hub: new Hub({ fingerprint: "OURS", now: clock.now, ...options }), clock };
}

/** A sink that takes everything, but for what is given. */
export function makeSink(sink: Partial<Sink> = {}): Sink {
  return { deliver: () => true, hasRoom: () => true, holder: { evict() {} }, ...sink };
}

/** Joins an instance that has room. */
export function join(hub: Hub, sink: Sink, instance = "default"): Listener {
  const listener = hub.join(instance, sink);
  if (listener === null) throw new Error("There is no room");
  return listener;
}

/** Joins an instance and subscribes to topics. */
export function listen(hub: Hub, topics: readonly string[], instance = "default"): Ear {
  const heard: Json[] = [];
  const deliver = ({ text }: Encoded) => heard.push(JSON.parse(text)) > 0;
  const listener = join(hub, makeSink({ deliver }), instance);
  listener.subscribe(topics, CLIENT_LIMITS);
  return { listener, heard };
}

/** Publishes a message, as JSON or as what is to become JSON. */
export function post(
  hub: Hub,
  instance: string,
  message: Json | string,
): Publication {
  const text = typeof message === "string" ? message : JSON.stringify(message);
  return hub.publish(instance, parseMessage(text));
}

/** A message as it goes over the wire. */
export function encode(message: Json): Encoded {
  const { members, touched } = parseMessage(JSON.stringify(message));
  return new Encoded(members, touched);
}

/** Replays, and returns how many messages came at once. */
export function replay(listener: Listener, ageMs: number): number {
  let result: ReplayResult = { delivered: 0, missed: 0 };
  listener.replay(ageMs);
  listener.resume((end) => result = end);
  return result.delivered;
}
