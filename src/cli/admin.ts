/**
 * Which admin server a command talks to: the first of the configuration that answers it. One that refuses
 * this host, or has another token, may stand before one that does not.
 *
 * @module
 */

import type { AdminServerConfig, Config } from "../config/config.ts";
import { TokenError } from "../config/token.ts";
import { RequestError, type RequestStage, sentenceAbout } from "../http/failure.ts";
import { type Endpoint, endpointOf, tokenOf } from "../probe/endpoint.ts";
import { supervisorSeen } from "./pidfile_owner.ts";

/** What to do about a service that runs and says nothing. */
export const TIMEOUT_HINT =
  "It has stopped, or is busy: look at its log and at what it takes of the CPU. " +
  "`aphlict restart` starts another, where a supervisor runs.";

/** An admin server of the configuration, and where it is. */
export interface AdminEndpoint extends Endpoint {
  readonly server: AdminServerConfig;
}

/** The admin servers of a configuration, in its order. */
export function adminsOf({ servers }: Config): AdminEndpoint[] {
  return servers.flatMap((server) =>
    server.type === "admin" ? [{ ...endpointOf(server), server }] : []
  );
}

/** The same, those first whose messages this user can sign: the token can be read, or none is needed. */
export function publishersOf(config: Config): AdminEndpoint[] {
  const all = adminsOf(config);
  const canSend = all.filter(({ server }) => hasReadableToken(server));
  return [...canSend, ...all.filter((each) => !canSend.includes(each))];
}

/** Whether there is no token to be sent, or this user can read it. */
export function hasReadableToken(server: AdminServerConfig): boolean {
  return server.token === null || tokenOf(server) !== null;
}

/** No server answers as it should. The message has a sentence for each, what to do is beside it. */
export class NoAnswerError extends Error {
  override readonly name = "NoAnswerError";
  readonly hint: string;
  /** The server that has taken a connection and says nothing; `null` when there was none. */
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

  /** The message, and what to do. */
  get explanation(): string {
    return `${this.message} ${this.hint}`.trimEnd();
  }

  /** Whether a server has taken a connection and says nothing. */
  get hasTimedOut(): boolean {
    return this.silent !== null;
  }

  /** Whether nothing listens at any of them. */
  get isGone(): boolean {
    return this.#stages.size === 1 && this.#stages.has("refusal");
  }
}

/**
 * What the first server answers with which an attempt succeeds. After a silence no other is tried: they
 * are one process, and each would take as long.
 *
 * @param pidfile Of the supervisor that should run the servers.
 * @throws {NoAnswerError} If there is none.
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

/** What to do about a server of this host's own service. */
export function hintFor({ stage, hint }: RequestError, pidfile: string): string {
  if (stage === "timeout") return TIMEOUT_HINT;
  if (stage !== "refusal") return hint;
  const supervisor = supervisorSeen(pidfile);
  return supervisor === null
    ? ""
    : `Its supervisor (${supervisor.pid}) runs: the service stops or starts. \`aphlict status\` tells; try it again ` +
      "in a moment.";
}
