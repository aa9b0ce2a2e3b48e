/**
 * The hub: it delivers each message to the right listeners. It knows nothing of sockets, HTTP or files.
 *
 * Publishing costs the number of topics in the message plus the number of listeners that receive
 * it, however many are connected. Memory grows with listeners and their subscriptions, and with the
 * history up to its limits.
 *
 * @module
 */

import { type Account, Budget } from "../budget.ts";
import { drawKey, KeyedHash } from "../keyed_hash.ts";
import { KeyedMap } from "../keyed_map.ts";
import { flatCopy } from "../text.ts";
import { type Metrics, single, sumOf } from "../metrics/families.ts";
import { Histogram, RECEIVERS } from "../metrics/histogram.ts";
import { LabelledCounter } from "../metrics/labelled_counter.ts";
import { DEFAULT_HISTORY_LIMITS, History, type HistoryLimits, HistoryStore } from "./history.ts";
import { Listener, type ListenerHost, type Sink } from "./listener.ts";
import { Encoded, type Message } from "./message.ts";
import { Seen } from "./seen.ts";
import { type Topic, TopicIndex } from "./topics.ts";

/** The instance where none is named. */
export const DEFAULT_INSTANCE = "default";

/** Characters of an instance's name at most, on the client port as on the admin port. */
export const INSTANCE_LIMIT = 256;

/** Options of a hub. */
export interface HubOptions {
  /** This server's fingerprint, see `generateFingerprint`. */
  readonly fingerprint: string;
  /** A clock in ms that never goes back, such as `performance.now`. */
  readonly now: () => number;
  /** @default {DEFAULT_HISTORY_LIMITS} */
  readonly history?: HistoryLimits;
  /** The budget for all that browsers and Phorge make it hold. @default {} Without a bound. */
  readonly budget?: Budget;
  /** Called with an error that a listener's sink has thrown: the others get the message all the same. */
  readonly onFault?: (error: unknown) => void;
}

/** Outcome of a published message. */
export interface Publication {
  /**
   * - `published`: new here; delivered, remembered, to be relayed.
   * - `touched`: this server's fingerprint is already on it; it goes no further.
   * - `duplicate`: its `uniqueID` is remembered; it goes no further.
   */
  readonly outcome: "published" | "touched" | "duplicate";
  /** The servers that have handled it, this one among them, or that get it from one of those. */
  readonly touched: readonly string[];
  readonly encoded: Encoded;
  /** Listeners that it was delivered to. */
  readonly receivers: number;
}

/** Numbers about the hub, and about one instance of it. */
export interface Status {
  readonly instance: string;
  /** This server's fingerprint. */
  readonly fingerprint: string;
  /** The time since the hub was made. */
  readonly uptimeMs: number;
  /** Listeners of the instance now. */
  readonly active: number;
  /**
   * Listeners that the instance ever had. An instance other than the default one starts again from 0 after it had
   * neither listeners nor history.
   */
  readonly total: number;
  /** Valid messages received, of all instances. */
  readonly messagesIn: number;
  /** Deliveries to listeners, of all instances, replays not counted. */
  readonly messagesOut: number;
  /** Messages that the instance remembers. */
  readonly historySize: number;
  /** Age of the oldest of them; `null` when there is none. */
  readonly historyAgeMs: number | null;
}

/**
 * The number of instances that metrics tell apart by name. Browsers make names up, so an instance counts only when
 * Phorge has posted for it.
 */
const NAMED_LIMIT = 100;

/** Bytes of memory that an instance takes beside its name, its topics and its history, at most. */
export const INSTANCE_BYTES = 1024;

class Instance implements ListenerHost {
  readonly name: string;
  readonly topics: TopicIndex<Listener>;
  readonly history: History;
  readonly account: Account;
  readonly now: () => number;
  readonly #onEmpty: (instance: Instance) => void;
  active = 0;
  total = 0;

  constructor(
    name: string,
    { hash, store, account, now, onEmpty }: {
      readonly hash: KeyedHash;
      readonly store: HistoryStore;
      readonly account: Account;
      readonly now: () => number;
      readonly onEmpty: (instance: Instance) => void;
    },
  ) {
    this.name = name;
    this.topics = new TopicIndex(hash);
    this.account = account;
    this.now = now;
    this.#onEmpty = onEmpty;
    this.history = new History(store, () => this.#check());
  }

  left(): void {
    this.active--;
    this.#check();
  }

  #check(): void {
    if (this.active === 0 && this.history.size === 0) this.#onEmpty(this);
  }
}

/** The hub itself. */
export class Hub {
  readonly fingerprint: string;
  readonly #now: () => number;
  readonly #started: number;
  readonly #hash = new KeyedHash(drawKey());
  readonly #store: HistoryStore;
  readonly #seen = new Seen(this.#hash);
  readonly #instances = new KeyedMap<Instance>(this.#hash);
  readonly #named = new KeyedMap<string>(this.#hash);
  /** The account of subscriptions, and of the instances that listeners name. */
  readonly #account: Account;
  readonly #onFault: (error: unknown) => void;
  #nextId = 1;
  #publications = 0;
  readonly #published = new LabelledCounter<Publication["outcome"]>([
    "published",
    "touched",
    "duplicate",
  ]);
  readonly #fanOut = new Histogram(RECEIVERS);
  #messagesOut = 0;

  constructor(options: HubOptions) {
    this.fingerprint = options.fingerprint;
    this.#now = options.now;
    this.#started = options.now();
    const budget = options.budget ?? new Budget(Number.MAX_SAFE_INTEGER);
    this.#account = budget.account("subscriptions");
    this.#store = new HistoryStore(
      options.history ?? DEFAULT_HISTORY_LIMITS,
      budget.account("history"),
    );
    this.#onFault = options.onFault ?? reportError;
    this.#named.set(DEFAULT_INSTANCE, DEFAULT_INSTANCE);
  }

  /** Returns the number of instances that have listeners or history, or are the default one. */
  get instances(): number {
    return this.#instances.size;
  }

  /** Adds a listener to an instance, which is made if it does not exist. `null`: there is no room for one more. */
  join(name: string, sink: Sink): Listener | null {
    const instance = this.#instances.get(name) ?? this.#make(name, 0);
    instance.active++;
    instance.total++;
    const listener = new Listener(this.#nextId++, instance, sink);
    // Each listener that names an instance is charged for it, so that connections with made-up names can be ended.
    if (name === DEFAULT_INSTANCE || listener.hold(INSTANCE_BYTES + 2 * name.length)) {
      return listener;
    }
    listener.leave();
    return null;
  }

  /** Delivers a message to each listener of the instance that wants it, and remembers it. */
  publish(name: string, message: Message): Publication {
    this.expire();
    const { subscribers, uniqueID } = message;
    const isTouched = message.touched.includes(this.fingerprint);
    const touched = isTouched ? message.touched : [...message.touched, this.fingerprint];
    const encoded = new Encoded(message.members, touched);
    const outcome = isTouched
      ? "touched"
      : this.#seen.has(name, uniqueID)
      ? "duplicate"
      : "published";
    this.#published.add(outcome);
    if (outcome !== "published") return { outcome, touched, encoded, receivers: 0 };
    if (this.#named.size < NAMED_LIMIT) {
      const named = this.#named.add(name, "");
      named.value = named.text;
    }
    const at = this.#now();
    this.#seen.add(name, uniqueID, at);
    const { topics, history } = this.#instances.get(name) ??
      this.#make(name, INSTANCE_BYTES + 2 * name.length);
    const hashes = new Int32Array(2 * subscribers.length);
    // A message may name a topic more than once.
    const wanted = new Set<Topic<Listener>>();
    for (const [index, subscriber] of subscribers.entries()) {
      this.#hash.digest(subscriber);
      const { low, high } = this.#hash;
      hashes[2 * index] = low;
      hashes[2 * index + 1] = high;
      const topic = topics.findByHash(low, high, subscriber);
      if (topic !== undefined) wanted.add(topic);
    }
    history.add({ encoded, topics: hashes, at });
    const receivers = this.#deliver(encoded, wanted);
    this.#messagesOut += receivers;
    this.#fanOut.observe(receivers);
    return { outcome, touched, encoded, receivers };
  }

  /** Returns the status of an instance, without making it. */
  status(name: string): Status {
    this.expire();
    const now = this.#now();
    const instance = this.#instances.get(name);
    const oldest = instance?.history.oldest;
    return {
      instance: name,
      fingerprint: this.fingerprint,
      uptimeMs: now - this.#started,
      active: instance?.active ?? 0,
      total: instance?.total ?? 0,
      messagesIn: this.#published.total,
      messagesOut: this.#messagesOut,
      historySize: instance?.history.size ?? 0,
      historyAgeMs: oldest ? now - oldest.at : null,
    };
  }

  /**
   * Returns the number of listeners of an instance that are subscribed to a topic. Costs the same however many
   * there are, and makes no instance.
   */
  subscribers(name: string, topic: string): number {
    return this.#instances.get(name)?.topics.count(topic) ?? 0;
  }

  /** Returns the families of the hub. Costs a look at each instance. */
  metrics(): Partial<Metrics> {
    this.expire();
    let [listeners, subscriptions] = [0, 0];
    for (const { active, topics } of this.#instances.values()) {
      listeners += active;
      subscriptions += topics.subscriptions;
    }
    const named = [...this.#named.values()].map((name) =>
      [{ phorge_instance: name }, this.#instances.get(name)?.active ?? 0] as const
    );
    return {
      aphlict_listeners: [...named, [{ phorge_instance: "" }, listeners - sumOf(named)]],
      aphlict_instances: single(this.#instances.size),
      aphlict_subscriptions: single(subscriptions),
      aphlict_messages_total: this.#published.samples("outcome"),
      aphlict_deliveries_total: single(this.#messagesOut),
      aphlict_fan_out: single(this.#fanOut.distribution),
      aphlict_history_messages: single(this.#store.size),
      aphlict_history_bytes: single(this.#store.bytes),
    };
  }

  /**
   * Forgets what is too old. Publishing and {@linkcode status} do it too. Call it now and then, so that a quiet
   * server gives memory back.
   */
  expire(): void {
    this.#store.expire(this.#now());
    this.#seen.expire(this.#now());
  }

  /** Delivers a message to each listener of the topics, once. */
  #deliver(message: Encoded, topics: ReadonlySet<Topic<Listener>>): number {
    const publication = ++this.#publications;
    let receivers = 0;
    const hand = (listener: Listener) => {
      if (listener.handed === publication) return;
      listener.handed = publication;
      try {
        if (listener.sink.deliver(message)) receivers++;
      } catch (error) {
        this.#onFault(error);
      }
    };
    for (const { value } of topics) {
      if (!(value instanceof Set)) hand(value);
      else for (const listener of value) hand(listener);
    }
    return receivers;
  }

  /** @param bytes The bytes that are charged to no listener, as Phorge names the instance. */
  #make(name: string, bytes: number): Instance {
    this.#account.adjust(bytes);
    const instance = new Instance(flatCopy(name), {
      hash: this.#hash,
      store: this.#store,
      account: this.#account,
      now: this.#now,
      onEmpty: (empty) => {
        // Anybody can make up instance names, so an empty instance must leave nothing behind. The default one is
        // kept, so that its counters stand: it is one only.
        if (empty.name === DEFAULT_INSTANCE) return;
        this.#instances.delete(empty.name);
        this.#account.adjust(-bytes);
      },
    });
    this.#instances.set(name, instance);
    return instance;
  }
}
