/**
 * `aphlict listen`.
 *
 * @module
 */

import { UNPRINTABLE } from "../config/error.ts";
import { loadConfig } from "../config/load.ts";
import { formatTime, formatValue } from "../log/format.ts";
import { hintFor } from "./admin.ts";
import { UsageError } from "./args.ts";
import { objectOf } from "../json.ts";
import { type Command, CONFIG_OPTION, configPath, EXIT, type Invocation } from "./command.ts";
import { ReachError } from "../reach/dial.ts";
import { INSTANCE_OPTION, instanceIn } from "./instance.ts";
import { complain, emit } from "./output.ts";
import { firstOf, type Place, placeOf } from "../reach/place.ts";
import {
  CA_OPTION,
  ORIGIN_OPTION,
  originFor,
  originIn,
  publicPlace,
  URL_OPTION,
} from "./public.ts";
import { Subscriber } from "../reach/subscriber.ts";

/** How often Phorge's JavaScript sends a ping, in ms. */
const PING_INTERVAL_MS = 15_000;

/** Characters of a message that a line shows. */
const LINE_LIMIT = 8192;

/** Shows what browsers get. */
export const listen: Command = {
  verb: "listen",
  synopsis: "Connect as a browser does, and print what arrives for topics.",
  details:
    "Connects to the first client server of the configuration, or to --url, subscribes to the " +
    "topics (PHIDs mostly), and prints each message in a line: when it came, its type, and itself. " +
    "Ends with 0 when it is interrupted, and with 1 and the reason when the connection ends.",
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
    { name: "json", help: "Print each message as it is, one JSON object a line." },
  ],
  operands: "TOPIC...",
  async run(invocation) {
    const { options, rest: topics } = invocation;
    const replayMs = secondsIn(options.get("replay"));
    const instance = instanceIn(options);
    const { place, origin, pidfile } = target(invocation, topics);
    try {
      const subscriber = await Subscriber.open(place, { instance, origin });
      subscriber.command("subscribe", topics);
      if (replayMs !== null) subscriber.command("replay", { age: replayMs });
      subscriber.command("ping");
      await follow(subscriber, options.has("json") ? showJson : showText);
      return EXIT.done;
    } catch (error) {
      if (!(error instanceof ReachError)) throw error;
      const hint = pidfile === null ? error.hint : hintFor(error, pidfile);
      complain(`${place.url} ${error.message}. ${hint}`.trimEnd());
      return EXIT.failed;
    }
  },
};

/** Shows what comes until somebody interrupts it. */
async function follow(subscriber: Subscriber, show: (text: string) => boolean): Promise<void> {
  let isInterrupted = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      isInterrupted = true;
      subscriber.close();
    });
  }
  const timer = setInterval(() => {
    if (subscriber.silenceMs > 2 * PING_INTERVAL_MS) {
      subscriber.close(new ReachError("answer", "does not answer any more"));
    }
    subscriber.command("ping");
  }, PING_INTERVAL_MS);
  let isListening = false;
  try {
    for (;;) {
      const text = await subscriber.next();
      if (text === null) {
        // The first answer to a ping: what stood before it, the subscription, has been obeyed.
        if (!isListening) complain("listening");
        isListening = true;
      } else if (!show(text)) return subscriber.close();
    }
  } catch (error) {
    if (!isInterrupted) throw error;
  } finally {
    clearInterval(timer);
  }
}

/** Where to listen, and for which page. */
interface Target {
  readonly place: Place;
  readonly origin: string;
  /** Of the service that has the place; `null` when that was not said. */
  readonly pidfile: string | null;
}

function target(
  invocation: Invocation,
  topics: readonly string[],
): Target {
  const { options } = invocation;
  const elsewhere = publicPlace(options);
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
  const place = placeOf(server);
  return {
    place,
    origin: originIn(options) ?? originFor(place.url, origins),
    pidfile: config.pidfile,
  };
}

function secondsIn(text: string | undefined): number | null {
  if (text === undefined) return null;
  const seconds = Number(text);
  if (!(seconds > 0 && seconds <= 86_400)) {
    throw new UsageError(`"--replay ${text}" is no number of seconds, up to 86400.`);
  }
  return seconds * 1000;
}

/** Each shows a message, and tells whether anybody reads. */
function showText(text: string): boolean {
  const type = objectOf(text)?.["type"];
  const name = typeof type === "string" ? `${formatValue(type, 80)}: ` : "";
  return emit(`[${formatTime(new Date())}] ${name}${formatValue(text, LINE_LIMIT)}`);
}

/** The same JSON in one line, in which nothing can steer a terminal. */
function showJson(text: string): boolean {
  if (objectOf(text) === null) {
    complain(`No JSON object came: ${formatValue(text)}`);
    return true;
  }
  // An Aphlict's is one line already. White space elsewhere than in a text cannot be escaped.
  const line = /[\r\n\t]/.test(text) ? JSON.stringify(JSON.parse(text)) : text;
  return emit(line.replace(UNPRINTABLE, escaped));
}

/** A character as JSON may write it, too. */
function escaped(character: string): string {
  return character.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .join("");
}
