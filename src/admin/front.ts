/**
 * An admin server of the configuration, wherever and however often it is bound: who is answered, and what
 * was.
 *
 * @module
 */

import type { AdminServerConfig, Engine } from "../config/config.ts";
import { ENGINES } from "../http/engines.ts";
import { Networks } from "../config/network.ts";
import { readToken } from "../config/token.ts";
import type { AdminFigures } from "../metrics/servers.ts";
import { AdminCounters, type DeskOptions } from "./desk.ts";
import { type AdminServer, type AdminServerOptions, listenAdmin } from "./server.ts";

/** What all admin servers have in common. */
export type Surroundings =
  & Omit<DeskOptions, "rules" | "counters">
  & Pick<AdminServerOptions, "files" | "workQueue">;

/** Whom it answers, and how much. */
export type Rules = ReturnType<DeskOptions["rules"]>;

/** See the module. */
export class AdminFront {
  readonly #surroundings: Surroundings;
  readonly #counters = new AdminCounters();
  readonly #engine: Engine;
  #rules: Rules;

  constructor(engine: Engine, rules: Rules, surroundings: Surroundings) {
    this.#surroundings = surroundings;
    this.#engine = engine;
    this.#rules = rules;
  }

  /** Holds everybody to other rules from the next request on. */
  adopt(rules: Rules): void {
    this.#rules = rules;
  }

  /** See `Front`. */
  listen(address: Pick<AdminServerOptions, "hostname" | "port" | "tls">): Promise<AdminServer> {
    const { files, workQueue, ...shared } = this.#surroundings;
    const desk = { ...shared, rules: () => this.#rules, counters: this.#counters };
    return listenAdmin(desk, {
      ...address,
      engine: ENGINES[this.#engine],
      files,
      workQueue,
    });
  }

  /** What it has answered. */
  figures(): AdminFigures {
    const { requests, bytesIn, refused, publishing } = this.#counters;
    return {
      type: "admin",
      refused: refused.counts,
      requests,
      requestLimit: this.#rules.limits.requests,
      bytesIn,
      publishing: publishing.distribution,
    };
  }
}

/**
 * What an entry of `servers` says, with the token that its file holds now.
 *
 * @throws {TokenError} If the file holds none.
 */
export function readRules({ allow, token, limits }: AdminServerConfig): Rules {
  return {
    gate: {
      allow: allow && new Networks(allow),
      token: token === null ? null : readToken(token),
    },
    limits,
  };
}
