/**
 * The data that the live page shows beside the snapshot: the last minutes, and the last messages.
 *
 * @module
 */

import type { Publication } from "../hub/hub.ts";
import type { Encoded, Message } from "../hub/message.ts";
import { flatCopy } from "../text.ts";
import { sumOf } from "../metrics/families.ts";
import { between, type Distribution, quantile, SECONDS, together } from "../metrics/histogram.ts";
import type { Snapshot } from "./snapshot.ts";

/** The time between two samples, in ms. */
export const SAMPLE_INTERVAL_MS = 5000;

/** The longest latency that can be told, in ms: JSON has no infinity. */
export const LATENCY_MAX_MS = 1000 * Math.max(...SECONDS);

/** Samples that are kept: 15 minutes. */
const SAMPLES = 180;

/** Messages that are kept. */
const MESSAGES = 50;

/** The longest message whose content is kept, in bytes. */
const CONTENT_LIMIT = 16 * 1024;

/** Characters of a type, and of an instance's name, that are shown. */
const NAME_WIDTH = 80;

/** The service at one moment, and since the moment before. */
export interface Sample {
  /** The time since the epoch, in ms. */
  readonly at: number;
  readonly listeners: number;
  /** Messages taken in, per second. */
  readonly messagesIn: number;
  /** Deliveries per second. */
  readonly messagesOut: number;
  /**
   * The time that half of the deliveries, and 99 of 100, took from queued to written at most, in ms; `null`
   * without any, and {@linkcode LATENCY_MAX_MS} for that and longer times.
   */
  readonly latency50Ms: number | null;
  readonly latency99Ms: number | null;
  readonly backlogBytes: number;
  readonly lagMs: number;
}

/** A message as far as the page shows it: never its content. */
export interface MessageNote {
  /** The message's number, which grows. */
  readonly id: number;
  /** The time since the epoch, in ms. */
  readonly at: number;
  readonly instance: string;
  /** The message's `type`, or `""`. */
  readonly type: string;
  /** PHIDs that it is for. */
  readonly subscribers: number;
  /** Listeners that got it. */
  readonly receivers: number;
  readonly outcome: Publication["outcome"];
  readonly bytes: number;
}

/** The data that the page and `aphlict top` poll. */
export interface ConsoleData {
  readonly now: Snapshot;
  /** The samples, the oldest first. */
  readonly samples: readonly Sample[];
  /** The messages, the newest first. */
  readonly messages: readonly MessageNote[];
  readonly configuration: Settings;
}

/** The settings that the service runs with. */
export interface Settings {
  /** The path of the configuration file. */
  readonly path: string;
  /** The permission flags, for a shell. */
  readonly flags: string;
  /** The validated configuration, with the names of the files of tokens. */
  readonly settings: unknown;
}

/** The source of the console's data. */
export interface View {
  snapshot(): Snapshot;
  settings(): Settings;
  /** Tells whether every server is bound and the service is not stopping. */
  isReady(): boolean;
}

/** The last minutes and the last messages, for the live page. All admin servers share one. */
export class Console {
  readonly #view: View;
  readonly #samples: Sample[] = [];
  /** The messages, with the content of those that are short enough. */
  readonly #messages: { readonly note: MessageNote; readonly encoded: Encoded | null }[] = [];
  #former: Snapshot | null = null;
  #nextId: number;

  /**
   * @param firstId Id of the first message. Ids of two processes differ, as long as neither takes more than
   * 1,000 messages in a ms.
   */
  constructor(view: View, firstId: number = Date.now() * 1000) {
    this.#view = view;
    this.#nextId = firstId;
  }

  /** Takes a sample. Call it each {@linkcode SAMPLE_INTERVAL_MS}. */
  sample(): void {
    const now = this.#view.snapshot();
    // After a stall of the event loop two samples may come at once.
    if (now.uptimeMs === this.#former?.uptimeMs) return;
    if (this.#former !== null) {
      this.#samples.push(sampleOf(this.#former, now));
      if (this.#samples.length > SAMPLES) this.#samples.shift();
    }
    this.#former = now;
  }

  /** Notes a message that was published. */
  note(instance: string, message: Message, { encoded, receivers, outcome }: Publication): void {
    const bytes = encoded.bytes.length;
    const note: MessageNote = {
      id: this.#nextId++,
      at: Date.now(),
      // They are cut out of a request, or of a message of up to 1 MiB, which they would keep alive.
      instance: flatCopy(instance.slice(0, NAME_WIDTH)),
      type: flatCopy(message.type.slice(0, NAME_WIDTH)),
      subscribers: message.subscribers.length,
      receivers,
      outcome,
      bytes,
    };
    this.#messages.push({ note, encoded: bytes > CONTENT_LIMIT ? null : encoded });
    if (this.#messages.length > MESSAGES) this.#messages.shift();
  }

  /** Returns everything that is shown. */
  data(): ConsoleData {
    return {
      now: this.#view.snapshot(),
      samples: this.#samples,
      messages: this.#messages.map(({ note }) => note).reverse(),
      configuration: this.#view.settings(),
    };
  }

  /** Returns the content of a message, as JSON; `null` when it is not kept, or not any more. */
  content(id: number): string | null {
    const found = this.#messages.find(({ note }) => note.id === id);
    return found?.encoded?.text ?? null;
  }
}

function sampleOf(former: Snapshot, { at, uptimeMs, metrics }: Snapshot): Sample {
  const seconds = (uptimeMs - former.uptimeMs) / 1000;
  const rate = (name: "aphlict_messages_total" | "aphlict_deliveries_total") =>
    (sumOf(metrics[name]) - sumOf(former.metrics[name])) / seconds;
  const writing = between(writingOf(former), writingOf({ metrics }));
  return {
    at,
    listeners: sumOf(metrics.aphlict_listeners),
    messagesIn: rate("aphlict_messages_total"),
    messagesOut: rate("aphlict_deliveries_total"),
    latency50Ms: inMs(quantile(0.5, writing)),
    latency99Ms: inMs(quantile(0.99, writing)),
    backlogBytes: sumOf(metrics.aphlict_backlog_bytes),
    lagMs: sumOf(metrics.aphlict_event_loop_lag_seconds) * 1000,
  };
}

function writingOf({ metrics }: Pick<Snapshot, "metrics">): Distribution {
  return together(metrics.aphlict_write_duration_seconds.map(([, each]) => each), SECONDS);
}

function inMs(seconds: number | null): number | null {
  return seconds === null ? null : Math.min(seconds * 1000, LATENCY_MAX_MS);
}
