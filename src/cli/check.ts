/**
 * `aphlict check`: the check of a configuration without starting the service.
 *
 * @module
 */

import { peerWarnings } from "../config/peers.ts";
import { type Config, type LogConfig } from "../config/config.ts";
import { formatAddress } from "../config/host_name.ts";
import { ConfigError } from "../config/error.ts";
import { loadConfig } from "../config/load.ts";
import { logFiles, logTarget } from "../config/logs.ts";
import { hostMemory, memoryBudget, memoryWarning } from "../config/memory.ts";
import { judgingFlags } from "../config/permissions.ts";
import {
  type Command,
  CONFIG_OPERAND,
  CONFIG_OPTION,
  configPath,
  EXIT,
  JSON_OPTION,
  MEMORY_OPTION,
} from "./command.ts";
import { requireCovered } from "./compiled.ts";
import { judge, portHolder, warn } from "./judgement.ts";
import { circumstancesIn, JUDGING_OPTIONS } from "./unit.ts";
import { print, printJson, type Verdict } from "./output.ts";
import { warnIfRoot } from "./root.ts";
import { suspicions } from "./suspicions.ts";
import { formatBytes, formatMebibytes } from "../text.ts";

/** Checks a configuration. */
export const check: Command = {
  verb: "check",
  synopsis: "Check the configuration without starting anything.",
  details:
    "Reads and validates the file. Then it tries, as the user and with the permissions of the service, to read tokens, " +
    "keys and certificates, to open the logs, whether TLS works, and to bind each address for a moment, but for those " +
    "that this very Aphlict holds already. It looks at the folders of the logs and the pidfile, and at what a unit " +
    "aphlict.service of systemd takes away. Prints every problem and exits 1, or prints OK and a summary, and warns of " +
    "what is likely to be a mistake, in the list of peers for instance, whose names it looks up.",
  options: [
    CONFIG_OPTION,
    JSON_OPTION,
    {
      name: "as-it-is",
      help: "A missing folder is a problem, as for a reload, which cannot make it.",
    },
    MEMORY_OPTION,
    ...JUDGING_OPTIONS,
  ],
  operands: CONFIG_OPERAND,
  permissions: judgingFlags("$deno"),
  async run(invocation) {
    const { program, options } = invocation;
    const config = loadConfig(configPath(invocation));
    requireCovered(program, config);
    // With the option the supervisor asks, which needs no warning.
    if (!options.has("as-it-is")) warnIfRoot();
    const isHeld = await portHolder(config, program);
    const facts = circumstancesIn(invocation, config);
    const { problems, warnings } = await judge(config, program, {
      isHeld,
      asItIs: options.has("as-it-is"),
      ...facts,
    });
    if (problems.length > 0) throw new ConfigError(config.path, problems);
    const isRunning = config.servers.some(isHeld);
    const host = hostMemory(config, facts.memory);
    const memory = memoryWarning(config, host);
    const doubts = peerWarnings(config);
    const all = [
      ...suspicions(config, isRunning),
      ...warnings,
      ...memory === null ? [] : [`${memory}.`],
      ...doubts.map(({ path, message }) => `${path}: ${message}`),
    ];
    if (options.has(JSON_OPTION.name)) {
      const verdict: Verdict = { ok: true, problems: [], warnings: all };
      printJson(verdict);
      return EXIT.done;
    }
    warn(all);
    print(summary(config, memoryBudget(config, host)));
    return EXIT.done;
  },
};

function summary(config: Config, budget: number): string[] {
  return [
    `OK: ${config.path}`,
    ...config.servers.map((server) =>
      `  ${server.type} server at ${formatAddress(server.listen, server.port)}, ` +
      (server.tls ? "TLS" : "plain text") +
      (server.engine === "serve" ? ", the runtime's engine" : "")
    ),
    ...config.cluster.map(({ host, port, protocol, ca }) =>
      `  peer ${protocol}://${formatAddress(host, port)}/` +
      (ca === null ? "" : `, authority ${ca}`)
    ),
    ...config.logs.map((log) => `  log ${log.links[0] ?? log.path}, ${rotation(log)}`),
    `  pidfile ${config.pidfile}`,
    `  ${formatMebibytes(budget)} of memory for browsers and what they do`,
  ];
}

function rotation(log: LogConfig): string {
  if (logTarget(log.path) === "console") {
    return "the console of run, serve and debug; start has none";
  }
  return logFiles(log).length > 1
    ? `rotated at ${formatBytes(log.rotateSize)}, ${log.rotateKeep} kept`
    : "never rotated";
}
