/**
 * The choice of the admin server that a command talks to: the first of the configuration that answers it. A server that
 * refuses this host, or has another token, may stand before one that does not.
 *
 * @module
 */

import type { AdminServerConfig, Config } from "../config/config.ts";
import { TokenError } from "../config/token.ts";
import { RequestError, type RequestStage, sentenceAbout } from "../http/failure.ts";
import { type Endpoint, endpointOf, tokenOf } from "../probe/endpoint.ts";
import { supervisorSeen } from "./pidfile_owner.ts";

/** The advice about a service that runs and does not answer. */
export const TIMEOUT_HINT =
  "It has stopped, or is busy: look at its log and at what it takes of the CPU. " +
  "`aphlict restart` starts another, where a supervisor runs.";

/** An admin server of the configuration, and its endpoint. */
export interface AdminEndpoint extends Endpoint {
  readonly server: AdminServerConfig;
}

/** Returns the admin servers of a configuration, in its order. */
export function adminsOf({ servers }: Config): AdminEndpoint[] {
  return servers.flatMap((server) =>
    server.type === "admin" ? [{ ...endpointOf(server), server }] : []
  );
}

/** Returns the same, those first whose messages this user can sign: the token can be read, or none is needed. */
export function publishersOf(config: Config): AdminEndpoint[] {
  const all = adminsOf(config);
  const canSend = all.filter(({ server }) => hasReadableToken(server));
  return [...canSend, ...all.filter((each) => !canSend.includes(each))];
}

/** Tells whether a server needs no token, or this user can read it. */
export function hasReadableToken(server: AdminServerConfig): boolean {
  return server.token === null || tokenOf(server) !== null;
}

/** The error when no server answers as it should. The message has a sentence for each, the hint says what to do. */
export class NoAnswerError extends Error {
  override readonly name = "NoAnswerError";
  readonly hint: string;
  /** The server that has accepted a connection and does not answer; `null` when there was none. */
  readonly silent: URL | null;
  readonly #stages: ReadonlySet<RequestStage>;

  constructor(
    sentences: readonly string[],
    hint: string,
    stages: ReadonlySet<RequestStage>,
    silent: URL | null,
  ) {
    super(sentences.join(" "));
    this.hint = hint;
    this.silent = silent;
    this.#stages = stages;
  }

  /** Returns the message, and what to do. */
  get explanation(): string {
    return `${this.message} ${this.hint}`.trimEnd();
  }

  /** Tells whether a server has accepted a connection and does not answer. */
  get hasTimedOut(): boolean {
    return this.silent !== null;
  }

  /** Tells whether no process listens at any of the servers. */
  get isGone(): boolean {
    return this.#stages.size === 1 && this.#stages.has("refusal");
  }
}

/**
 * Returns the answer of the first server with which an attempt succeeds. After a timeout no other is tried: the servers
 * are one process, and each would take as long.
 *
 * @param pidfile Pidfile of the supervisor that should run the servers.
 * @throws {NoAnswerError} If no attempt succeeds.
 */
export async function firstAnswer<P extends { readonly url: URL }, T>(
  pidfile: string,
  endpoints: readonly P[],
  attempt: (endpoint: P) => Promise<T>,
): Promise<T> {
  const sentences: string[] = [];
  const hints = new Set<string>();
  const stages = new Set<RequestStage>();
  let silent: URL | null = null;
  for (const endpoint of endpoints) {
    try {
      return await attempt(endpoint);
    } catch (error) {
      if (!(error instanceof RequestError || error instanceof TokenError)) throw error;
      if (error instanceof TokenError) {
        sentences.push(error.message);
        continue;
      }
      sentences.push(sentenceAbout(endpoint.url, error));
      stages.add(error.stage);
      hints.add(hintFor(error, pidfile));
      if (error.stage !== "timeout") continue;
      silent = endpoint.url;
      break;
    }
  }
  const hint = [...hints].filter((each) => each !== "").join(" ");
  throw new NoAnswerError(sentences, hint, stages, silent);
}

/** Returns what to do about a server of this host's own service, in sentences. */
export function hintFor({ stage, hint }: RequestError, pidfile: string): string {
  if (stage === "timeout") return TIMEOUT_HINT;
  if (stage !== "refusal") return hint;
  const supervisor = supervisorSeen(pidfile);
  return supervisor === null
    ? ""
    : `Its supervisor (${supervisor.pid}) runs: the service stops or starts. \`aphlict status\` tells; try it again ` +
      "in a moment.";
}
