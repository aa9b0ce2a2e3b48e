/**
 * `aphlict send`.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import { loadConfig } from "../config/load.ts";
import { asFingerprint } from "../hub/fingerprint.ts";
import { RECEIPT_HEADER } from "../hub/headers.ts";
import { InvalidMessage, parseMessage } from "../hub/message.ts";
import type { AdminServerConfig } from "../config/config.ts";
import { UsageError } from "./args.ts";
import { request } from "../probe/request.ts";
import { objectOf } from "../json.ts";
import { formatValue } from "../log/format.ts";
import type { PeerReceipt } from "../metrics/peer_status.ts";
import { formatCount, withoutEnd } from "../text.ts";
import { type Command, CONFIG_OPTION, configPath, EXIT, PROBE_PERMISSIONS } from "./command.ts";
import { RequestError } from "../http/failure.ts";
import { print, printError } from "./output.ts";
import { INSTANCE_OPTION, instanceIn } from "./public.ts";
import { endpointOf } from "../probe/endpoint.ts";
import { firstAnswer, NoAnswerError, publishersOf } from "./admin.ts";
import { explainRejection } from "../probe/rejection.ts";

/** The operand for standard input. */
const STDIN = "-";

/** The most bytes that are read from standard input. No admin server accepts as many. */
const STDIN_LIMIT = 64 * 1024 * 1024;

/** Publishes a message. */
export const send: Command = {
  verb: "send",
  synopsis: "Publish a message, as Phorge does.",
  details:
    "Posts a message to the first admin server of the configuration that takes it, with the token where " +
    "that has one. Whoever is subscribed to one of the topics gets it: `aphlict listen TOPIC` shows that. " +
    'MESSAGE is a JSON object whose keys the message has, or another text, which becomes {"type":"test",' +
    '"text":MESSAGE}, or - for what standard input says; without it, it is {"type":"test"}. A uniqueID is ' +
    "added where there is none. Prints the server's fingerprint, which is its receipt, and how many browsers " +
    "got it, here and at each peer that tells within a second.",
  options: [CONFIG_OPTION, INSTANCE_OPTION, {
    name: "to",
    value: "TOPIC[,TOPIC...]",
    help: 'Who gets it, PHIDs mostly, beside the "subscribers" of the JSON.',
  }],
  operands: "[MESSAGE]",
  permissions: PROBE_PERMISSIONS,
  async run(invocation) {
    const { options, rest: [operand] } = invocation;
    const instance = instanceIn(options);
    const text = operand === STDIN ? await standardInput() : operand;
    const message = compose(text, topicsIn(options.get("to")));
    const config = loadConfig(configPath(invocation));
    try {
      // A server accepts the message once even if it is sent twice, because it has a uniqueID.
      const receipt = await firstAnswer(
        config.pidfile,
        publishersOf(config),
        ({ server }) => post(server, instance, message, { isDetailed: true }),
      );
      print([
        `Sent to ${message.subscribers.join(", ")}: received by server ${receipt.fingerprint}.`,
        ...receipt.details === null ? [] : tellDetails(receipt.details),
      ]);
      return EXIT.done;
    } catch (error) {
      if (!(error instanceof NoAnswerError)) throw error;
      printError([`Cannot send: ${error.explanation}`]);
      return EXIT.failed;
    }
  },
};

/** A message to be posted. */
export interface Outgoing {
  readonly subscribers: readonly string[];
  readonly [key: string]: unknown;
}

/** The answer of an admin server to a message. */
export interface Receipt {
  readonly fingerprint: string;
  /** The details; `null`: they were not asked for, or the server does not know them, as the original. */
  readonly details: ReceiptDetails | null;
}

/** The outcome of a message. */
interface ReceiptDetails {
  readonly outcome: string;
  /** The number of browsers that got it from this server. */
  readonly receivers: number;
  readonly peers: readonly PeerReceipt[];
}

/**
 * Posts a message to an admin server.
 *
 * @throws {RequestError} If the server does not accept it.
 * @throws {TokenError} If there is no token to send.
 */
export async function post(
  server: AdminServerConfig,
  instance: string | undefined,
  message: Outgoing,
  { isDetailed = false }: { readonly isDetailed?: boolean } = {},
): Promise<Receipt> {
  const endpoint = endpointOf(server);
  const query = instance === undefined ? "" : `?instance=${encodeURIComponent(instance)}`;
  const answer = await request(endpoint, {
    method: "POST",
    path: `${endpoint.url.pathname}${query}`,
    headers: {
      "content-type": "application/json",
      ...isDetailed ? { [RECEIPT_HEADER]: "1" } : {},
    },
    isAuthorized: true,
    body: JSON.stringify(message),
  });
  if (answer.status !== 200) throw explainRejection(answer);
  const receipt = objectOf(answer.body);
  const fingerprint = asFingerprint(receipt?.["fingerprint"]);
  if (fingerprint === null) {
    throw new RequestError("answer", "gives no receipt, as the admin port of an Aphlict does");
  }
  return { fingerprint, details: isDetails(receipt) ? receipt : null };
}

function isDetails(receipt: object | null): receipt is ReceiptDetails {
  const { outcome, receivers, peers } = (receipt ?? {}) as Partial<ReceiptDetails>;
  return typeof outcome === "string" && typeof receivers === "number" && Array.isArray(peers) &&
    peers.every((each) => typeof each === "object" && each !== null);
}

/** Returns how many browsers got a message, here and at each peer, a line each. */
function tellDetails({ outcome, receivers, peers }: ReceiptDetails): string[] {
  if (outcome !== "published") {
    return [
      outcome === "duplicate"
        ? "No browser got it: the server has had a message with this uniqueID in the last two minutes."
        : 'No browser got it: "touched" names this server.',
    ];
  }
  return [
    `Here ${gotIt(receivers)}.`,
    ...peers.map(({ peer, state, receivers }) => {
      const name = `Peer ${formatValue(peer)}`;
      return receivers !== null
        ? `At ${formatValue(peer)} ${gotIt(receivers)}.`
        : state === "up"
        ? `${name} has not said how many browsers got it.`
        : `${name} is not up: the message waits for it, for a minute at most.`;
    }),
  ];
}

function gotIt(receivers: number): string {
  return receivers === 0 ? "no browser got it" : `${formatCount(receivers, "browser")} got it`;
}

/** Reads the whole of standard input. */
async function standardInput(): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for await (const chunk of Deno.stdin.readable) {
    size += chunk.length;
    if (size > STDIN_LIMIT) {
      throw new UsageError("Standard input has more than a message may have.");
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return withoutEnd(text + decoder.decode(), "\n");
}

/**
 * Returns the message that was typed.
 *
 * @param text JSON, if it begins as an object or a list does; `undefined` for a test.
 * @throws {UsageError} If it is no message.
 */
export function compose(text: string | undefined, topics: readonly string[]): Outgoing {
  const value = text === undefined
    ? { type: "test" }
    : /^\s*[{[]/.test(text)
    ? parse(text)
    : { type: "test", text };
  const { subscribers = [], ...rest } = value as Readonly<Record<string, unknown>>;
  try {
    const { subscribers: named } = parseMessage(JSON.stringify({ subscribers }));
    const all = [...new Set([...named, ...topics])];
    if (all.length === 0) throw new UsageError('"send" needs somebody to send to: --to TOPIC.');
    // Phorge's have as many characters.
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
