/**
 * `aphlict health`.
 *
 * @module
 */

import { loadConfig } from "../config/load.ts";
import { ask } from "../reach/ask.ts";
import { ReachError } from "../reach/dial.ts";
import type { Place } from "../reach/place.ts";
import { explainDenial } from "../reach/refusal.ts";
import { adminsOf, firstAnswer, NobodyAnswers } from "./admin.ts";
import { type Command, CONFIG_OPTION, configPath, EXIT } from "./command.ts";
import { complain, print } from "./output.ts";

/** Tells whether the service is ready, for what starts it again when it is not. */
export const health: Command = {
  verb: "health",
  synopsis: "Ask whether the service is ready. Exit code 0 when it is, 1 when not.",
  details:
    "Asks the first admin server that answers for /health/ready: whether every server is bound and the " +
    "service is not stopping. For the health check of a container, and the like.",
  options: [CONFIG_OPTION],
  async run(invocation) {
    const config = loadConfig(configPath(invocation));
    try {
      print(await firstAnswer(config.pidfile, adminsOf(config), readiness));
      return EXIT.done;
    } catch (error) {
      if (!(error instanceof NobodyAnswers)) throw error;
      complain(`Not ready: ${error.message} ${error.hint}`.trimEnd());
      return EXIT.failed;
    }
  },
};

async function readiness(place: Place): Promise<string> {
  const answer = await ask(place, { path: "/health/ready" });
  if (answer.status === 503 && answer.text === "not ready\n") {
    throw new ReachError("answer", "is not ready: it starts, or stops");
  }
  if (answer.status !== 200) throw explainDenial(answer);
  return answer.text.trim();
}
