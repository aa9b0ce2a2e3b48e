/**
 * `aphlict health`.
 *
 * @module
 */

import { setTimeout as pause } from "node:timers/promises";
import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { request } from "../probe/request.ts";
import { RequestError } from "../http/failure.ts";
import type { Endpoint } from "../probe/endpoint.ts";
import { explainRejection } from "../probe/rejection.ts";
import { within } from "../within.ts";
import { adminsOf, firstAnswer, NoAnswerError } from "./admin.ts";
import { secondsIn } from "./args.ts";
import {
  type Command,
  CONFIG_OPTION,
  configPath,
  EXIT,
  JSON_OPTION,
  PROBE_PERMISSIONS,
} from "./command.ts";
import { print, printError, printJson } from "./output.ts";

/** The wait before the service is asked again, in ms. */
const INTERVAL_MS = 100;

/** The longest that `--wait` takes, in seconds. */
const WAIT_LIMIT = 3600;

/** Tells whether the service is ready, for a program that starts it again when it is not. */
export const health: Command = {
  verb: "health",
  synopsis: "Ask whether the service is ready. Exit code 0 when it is, 1 when not.",
  details:
    "Asks the first admin server that answers for /health/ready: whether every server is bound and the " +
    "service is not stopping. For the health check of a container, and the like.",
  options: [CONFIG_OPTION, {
    name: "wait",
    value: "SECONDS",
    help: `Ask again until it is ready, for at most so long: up to ${WAIT_LIMIT} seconds.`,
  }, JSON_OPTION],
  permissions: PROBE_PERMISSIONS,
  async run(invocation) {
    const { options } = invocation;
    const waitMs = secondsIn(options, "wait", 0, WAIT_LIMIT) ?? 0;
    const config = loadConfig(configPath(invocation));
    const reason = await whyNotReady(config, waitMs);
    if (options.has(JSON_OPTION.name)) printJson({ ready: reason === null, reason });
    else if (reason === null) print("ready");
    else printError(`Not ready: ${reason}`);
    return reason === null ? EXIT.done : EXIT.failed;
  },
};

/** Asks until the service is ready or the time is over, and returns why it is not ready; `null`: it is. */
async function whyNotReady(config: Config, waitMs: number): Promise<string | null> {
  const end = performance.now() + waitMs;
  let last = `No admin server has answered within ${waitMs / 1000} s.`;
  for (;;) {
    const looking = look(config);
    // A server that accepts a connection and does not answer must not take longer than the caller has.
    if (waitMs > 0 && !await within(Math.max(0, end - performance.now()), looking)) return last;
    const reason = await looking;
    const left = end - performance.now();
    if (reason === null || left <= 0) return reason;
    last = reason;
    await pause(Math.min(INTERVAL_MS, left));
  }
}

/** Asks once, and returns why the service is not ready; `null`: it is. */
async function look(config: Config): Promise<string | null> {
  try {
    await firstAnswer(config.pidfile, adminsOf(config), requireReady);
    return null;
  } catch (error) {
    if (!(error instanceof NoAnswerError)) throw error;
    return error.explanation;
  }
}

/**
 * Asks a server whether it is ready.
 *
 * @throws {RequestError} If it is not.
 */
async function requireReady(endpoint: Endpoint): Promise<void> {
  const answer = await request(endpoint, { path: "/health/ready" });
  if (answer.status === 503 && answer.body === "not ready\n") {
    throw new RequestError("answer", "is not ready: it starts, or stops");
  }
  if (answer.status !== 200 || answer.body !== "ready\n") throw explainRejection(answer);
}
