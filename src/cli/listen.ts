/**
 * `aphlict listen`.
 *
 * @module
 */

import { loadConfig } from "../config/load.ts";
import { formatTime, formatValue } from "../log/format.ts";
import { hintFor } from "./admin.ts";
import { Backoff } from "../backoff.ts";
import { secondsIn, UsageError } from "./args.ts";
import { objectOf } from "../json.ts";
import { printableJson } from "../text.ts";
import {
  type Command,
  CONFIG_OPTION,
  configPath,
  EXIT,
  type Invocation,
  JSON_OPTION,
  PROBE_PERMISSIONS,
} from "./command.ts";
import { RequestError, sentenceAbout } from "../http/failure.ts";
import { emit, printError } from "./output.ts";
import { type Endpoint, endpointOf, firstOf } from "../probe/endpoint.ts";
import {
  CA_OPTION,
  INSTANCE_OPTION,
  instanceIn,
  ORIGIN_OPTION,
  originFor,
  originIn,
  publicEndpoint,
  URL_OPTION,
} from "./public.ts";
import { Subscriber } from "../probe/subscriber.ts";
import { within } from "../within.ts";
import { ShownMessages } from "./shown.ts";

/** The interval at which Phorge's JavaScript sends a ping, in ms. */
const PING_INTERVAL_MS = 15_000;

/** The characters of a message that a line shows. */
const LINE_LIMIT = 8192;

/** The time that a replay covers beyond the missed one, in ms, for messages on their way when a connection broke. */
const MARGIN_MS = 10_000;

/** The age from which a connection counts as good, in ms: the next wait is the first again. */
const WELL_MS = 15_000;

/** Shows the messages that browsers get. */
export const listen: Command = {
  verb: "listen",
  synopsis: "Connect as a browser does, and print what arrives for topics.",
  details:
    "Connects to the first client server of the configuration, or to --url, subscribes to the " +
    "topics (PHIDs mostly), and prints each message in a line: when it came, its type, and itself. " +
    "When the connection ends it says so on standard error, connects again, and prints what it has missed, as " +
    "far as the server remembers it, each message once. Ends with 0 when it is interrupted, and with 1 and " +
    "the reason when it cannot connect in the first endpoint.",
  options: [
    CONFIG_OPTION,
    URL_OPTION,
    ORIGIN_OPTION,
    CA_OPTION,
    INSTANCE_OPTION,
    {
      name: "replay",
      value: "SECONDS",
      help: "Print first what has come in the last seconds, as far as it is remembered.",
    },
    { ...JSON_OPTION, help: "Print each message as it is, one JSON object a line." },
  ],
  operands: "TOPIC...",
  permissions: PROBE_PERMISSIONS,
  async run(invocation) {
    const { options, rest: topics } = invocation;
    const replayMs = secondsIn(options, "replay", 0.1, 86_400);
    const instance = instanceIn(options);
    const show = options.has(JSON_OPTION.name) ? showJson : showText;
    const target = targetOf(invocation, topics);
    using interrupt = new Interrupt();
    const listening = new Listening({ ...target, instance, topics, show, interrupt });
    try {
      await listening.connect(replayMs);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      printError([
        `${sentenceAbout(target.endpoint.url, error)} ${hintOf(error, target)}`.trimEnd(),
      ]);
      return EXIT.failed;
    }
    await listening.follow();
    return EXIT.done;
  },
};

/** The signals by which a person ends the command. */
class Interrupt implements Disposable {
  readonly #interrupted = Promise.withResolvers<true>();
  readonly #listener = () => this.#interrupted.resolve(true);
  readonly #signals = ["SIGINT", "SIGTERM"] as const;

  constructor() {
    for (const signal of this.#signals) Deno.addSignalListener(signal, this.#listener);
  }

  /** Resolves when one has come. */
  get came(): Promise<true> {
    return this.#interrupted.promise;
  }

  /** Waits, and tells whether a signal came meanwhile. */
  async during(ms: number): Promise<boolean> {
    return await within(ms, this.came);
  }

  [Symbol.dispose](): void {
    for (const signal of this.#signals) Deno.removeSignalListener(signal, this.#listener);
  }
}

/** The settings of a {@linkcode Listening}. */
interface ListeningOptions extends Target {
  readonly instance: string | undefined;
  readonly topics: readonly string[];
  /** Shows a message, and tells whether its reader is still there. */
  readonly show: (text: string) => boolean;
  readonly interrupt: Interrupt;
}

/** The connections of the command, one after the other. */
class Listening {
  readonly #options: ListeningOptions;
  readonly #backoff = new Backoff({ firstMs: 250, longestMs: 15_000, jitter: Math.random });
  readonly #shown = new ShownMessages();
  #subscriber: Subscriber | null = null;
  /** The last time that a working connection was heard; `null`: there was none. */
  #heardAt: number | null = null;
  /** True if nobody wants to see more. */
  #isOver = false;

  constructor(options: ListeningOptions) {
    this.#options = options;
    void options.interrupt.came.then(() => this.#end());
  }

  /**
   * Connects, and subscribes.
   *
   * @param replayMs The time that is to be replayed; `null`: none.
   * @throws {RequestError} If the connection cannot be made.
   */
  async connect(replayMs: number | null): Promise<void> {
    const { endpoint, instance, origin, topics } = this.#options;
    const subscriber = await Subscriber.open(endpoint, { instance, origin });
    this.#subscriber = subscriber;
    subscriber.command("subscribe", topics);
    if (replayMs !== null) {
      const now = performance.now();
      this.#shown.expectReplay(now - replayMs, now);
      subscriber.command("replay", { age: Math.ceil(replayMs) });
    }
    subscriber.command("ping");
    if (this.#isOver) this.#end();
  }

  /** Shows each message, over as many connections as needed, until nobody wants to see more. */
  async follow(): Promise<void> {
    const { endpoint } = this.#options;
    while (!this.#isOver) {
      const why = await this.#receive();
      if (this.#isOver) return;
      printError([
        `Disconnected: ${sentenceAbout(endpoint.url, why)} ${hintOf(why, this.#options)}`.trimEnd(),
        "Connecting again.",
      ]);
      await this.#reconnect(why.message);
    }
  }

  /**
   * Connects again, with backoff.
   *
   * @param told The reason that was printed last.
   */
  async #reconnect(told: string): Promise<void> {
    const { endpoint, interrupt } = this.#options;
    const since = this.#heardAt ?? performance.now();
    while (!await interrupt.during(this.#backoff.next())) {
      try {
        return await this.connect(performance.now() - since + MARGIN_MS);
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        const { message } = error;
        if (message !== told) {
          printError([
            `Still disconnected: ${sentenceAbout(endpoint.url, error)} ${
              hintOf(error, this.#options)
            }`
              .trimEnd(),
          ]);
        }
        told = message;
      }
    }
  }

  /** Shows the messages of one connection, and returns why it has ended. */
  async #receive(): Promise<RequestError> {
    const subscriber = this.#subscriber;
    if (subscriber === null) throw new Error("There is no connection to receive from.");
    const began = performance.now();
    const timer = setInterval(() => {
      if (subscriber.idleMs > 2 * PING_INTERVAL_MS) {
        subscriber.close(new RequestError("answer", "does not answer any more"));
      }
      subscriber.command("ping");
    }, PING_INTERVAL_MS);
    let isAnswered = false;
    try {
      for (;;) {
        const text = await subscriber.next();
        const now = performance.now();
        if (text === null) {
          // With the first answer to a ping, the subscription before it has been carried out.
          if (!isAnswered) this.#tellConnected(now);
          isAnswered = true;
        } else if (this.#shown.isNew(text, now) && !this.#options.show(text)) this.#end();
      }
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      if (isAnswered) this.#heardAt = performance.now() - subscriber.idleMs;
      if (performance.now() - began >= WELL_MS) this.#backoff.reset();
      return error;
    } finally {
      clearInterval(timer);
    }
  }

  #tellConnected(now: number): void {
    if (this.#heardAt === null) return printError(["listening"]);
    const seconds = ((now - this.#heardAt) / 1000).toFixed(1);
    printError([
      `Connected again after ${seconds} s. What the server remembers of that time follows.`,
    ]);
  }

  #end(): void {
    this.#isOver = true;
    this.#subscriber?.close();
  }
}

/** Returns what to do about a connection that cannot be made. */
function hintOf(error: RequestError, { pidfile }: Target): string {
  return pidfile === null ? error.hint : hintFor(error, pidfile);
}

/** The endpoint to listen at, and the page to do it for. */
interface Target {
  readonly endpoint: Endpoint;
  readonly origin: string;
  /** The pidfile of the service that has the endpoint; `null` with --url. */
  readonly pidfile: string | null;
}

function targetOf(invocation: Invocation, topics: readonly string[]): Target {
  const { options } = invocation;
  const elsewhere = publicEndpoint(options);
  if (elsewhere !== null) return { ...elsewhere, pidfile: null };
  const config = loadConfig(configPath(invocation));
  const server = firstOf(config, "client");
  const { origins, limits } = server;
  const long = topics.find((topic) => topic.length > limits.topic);
  if (long !== undefined) {
    throw new UsageError(
      `A topic has ${long.length} characters, and the server takes ${limits.topic} ("limit.topic").`,
    );
  }
  const endpoint = endpointOf(server);
  return {
    endpoint,
    origin: originIn(options) ?? originFor(endpoint.url, origins),
    pidfile: config.pidfile,
  };
}

/** Shows a message as text, and tells whether its reader is still there. */
function showText(text: string): boolean {
  const type = objectOf(text)?.["type"];
  const name = typeof type === "string" ? `${formatValue(type, 80)}: ` : "";
  return emit(`[${formatTime(new Date())}] ${name}${formatValue(text, LINE_LIMIT)}`);
}

/** Shows the same JSON in one line, in which no text can steer a terminal. */
function showJson(text: string): boolean {
  if (objectOf(text) === null) {
    printError(`No JSON object came: ${formatValue(text)}`);
    return true;
  }
  // A message of Aphlict is one line already. White space outside of strings cannot be escaped.
  const line = /[\r\n\t]/.test(text) ? JSON.stringify(JSON.parse(text)) : text;
  return emit(printableJson(line));
}
