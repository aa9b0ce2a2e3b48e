/**
 * `aphlict send`.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import { loadConfig } from "../config/load.ts";
import { readToken } from "../config/token.ts";
import { asFingerprint } from "../hub/fingerprint.ts";
import { InvalidMessage, parseMessage } from "../hub/message.ts";
import type { AdminServerConfig } from "../config/config.ts";
import { UsageError } from "./args.ts";
import { ask } from "../reach/ask.ts";
import { objectOf } from "../json.ts";
import { type Command, CONFIG_OPTION, configPath, EXIT } from "./command.ts";
import { ReachError } from "../reach/dial.ts";
import { INSTANCE_OPTION, instanceIn } from "./instance.ts";
import { complain, print } from "./output.ts";
import { placeOf } from "../reach/place.ts";
import { firstAnswer, NobodyAnswers, publishersOf } from "./admin.ts";
import { explainDenial } from "../reach/refusal.ts";

/** Publishes a message. */
export const send: Command = {
  verb: "send",
  synopsis: "Publish a message, as Phorge does.",
  details:
    "Posts a message to the first admin server of the configuration that takes it, with the token where " +
    "that has one. Whoever is subscribed to one of the topics gets it: `aphlict listen TOPIC` shows that. " +
    'JSON is an object whose keys the message has; without it, it is {"type":"test"}. A uniqueID is ' +
    "added where there is none. Prints the server's fingerprint, which is its receipt.",
  options: [CONFIG_OPTION, INSTANCE_OPTION, {
    name: "to",
    value: "TOPIC[,TOPIC...]",
    help: 'Who gets it, PHIDs mostly, beside the "subscribers" of the JSON.',
  }],
  operands: "[JSON]",
  async run(invocation) {
    const { options, rest: [json] } = invocation;
    const instance = instanceIn(options);
    const message = compose(json, topicsIn(options.get("to")));
    const config = loadConfig(configPath(invocation));
    try {
      // Sent twice it would be taken once: it has its uniqueID.
      const fingerprint = await firstAnswer(
        config.pidfile,
        publishersOf(config),
        ({ server }) => post(server, instance, message),
      );
      print(`Sent to ${message.subscribers.join(", ")}: received by server ${fingerprint}.`);
      return EXIT.done;
    } catch (error) {
      if (!(error instanceof NobodyAnswers)) throw error;
      complain(`Cannot send: ${error.message} ${error.hint}`.trimEnd());
      return EXIT.failed;
    }
  },
};

/** A message to be posted. */
export interface Outgoing {
  readonly subscribers: readonly string[];
  readonly [key: string]: unknown;
}

/**
 * Posts a message to an admin server, and returns its fingerprint.
 *
 * @throws {ReachError} If it does not take it.
 * @throws {TokenError} If there is no token to send.
 */
export async function post(
  server: AdminServerConfig,
  instance: string | undefined,
  message: Outgoing,
): Promise<string> {
  const place = placeOf(server);
  const query = instance === undefined ? "" : `?instance=${encodeURIComponent(instance)}`;
  const answer = await ask(place, {
    method: "POST",
    path: `${place.url.pathname}${query}`,
    headers: {
      "content-type": "application/json",
      ...server.token === null ? {} : { authorization: readToken(server.token).header },
    },
    body: JSON.stringify(message),
  });
  if (answer.status !== 200) throw explainDenial(answer);
  const fingerprint = asFingerprint(objectOf(answer.text)?.["fingerprint"]);
  if (fingerprint === null) {
    throw new ReachError("answer", "gives no receipt, as the admin port of an Aphlict does");
  }
  return fingerprint;
}

/**
 * The message that was typed.
 *
 * @param json What it says; `undefined` for a test.
 * @throws {UsageError} If it is none.
 */
export function compose(json: string | undefined, topics: readonly string[]): Outgoing {
  const value = json === undefined ? { type: "test" } : parse(json);
  const { subscribers = [], ...rest } = value as Readonly<Record<string, unknown>>;
  try {
    const { subscribers: named } = parseMessage(JSON.stringify({ subscribers }));
    const all = [...new Set([...named, ...topics])];
    if (all.length === 0) throw new UsageError('"send" needs somebody to send to: --to TOPIC.');
    // As many characters as Phorge's have.
    const uniqueID = rest["uniqueID"] ?? randomBytes(16).toString("hex");
    const message = { ...rest, uniqueID, subscribers: all };
    parseMessage(JSON.stringify(message));
    return message;
  } catch (error) {
    if (error instanceof InvalidMessage) throw new UsageError(`${error.message}.`);
    throw error;
  }
}

function parse(json: string): object {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new UsageError(`The message is not JSON: ${error.message}. Quote it for the shell.`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new UsageError('A message is a JSON object, such as {"type":"test"}.');
  }
  return value;
}

function topicsIn(list: string | undefined): string[] {
  return (list ?? "").split(",").map((topic) => topic.trim()).filter((topic) => topic !== "");
}
