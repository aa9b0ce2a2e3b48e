/**
 * `aphlict doctor`: an examination of the whole way of a message, step by step.
 *
 * @module
 */

import type { AdminServerConfig, Config } from "../config/config.ts";
import type { Program } from "../config/program.ts";
import {
  type Command,
  CONFIG_OPTION,
  configPath,
  EXIT,
  JSON_OPTION,
  MEMORY_OPTION,
  PROBE_PERMISSIONS,
} from "./command.ts";
import { examineHost, examineOpenFiles } from "./doctor/host.ts";
import { examinePeers } from "./doctor/peers.ts";
import { examineServers } from "./doctor/servers.ts";
import { examineUrl, skipUrl } from "./doctor/url.ts";
import { Findings, screenOf, showFinding, verdict } from "./doctor/findings.ts";
import { circumstancesIn, type HostFacts, JUDGING_OPTIONS } from "./unit.ts";
import { print, printJson } from "./output.ts";
import {
  CA_OPTION,
  INSTANCE_OPTION,
  instanceIn,
  ORIGIN_OPTION,
  originIn,
  type PublicEndpoint,
  publicEndpoint,
  URL_OPTION,
} from "./public.ts";

/** Finds out why notifications do not arrive. */
export const doctor: Command = {
  verb: "doctor",
  synopsis: "Look at the whole way of a message, step by step, and say what is broken.",
  details:
    "The configuration, its files and addresses, the service, its servers, a WebSocket and a message " +
    "through it, the peers and their clocks, and with --url the way that browsers come: the name, the " +
    "certificate, the reverse proxy, the Origin, and a message through all of it. Each step has a mark " +
    "(✓ works, ! should be looked at, ✗ is broken, - was skipped), and what is broken a reason and what " +
    "to do. The message is for a random topic, so nobody else gets it. Exit code 1 when anything is " +
    "broken.",
  options: [
    CONFIG_OPTION,
    URL_OPTION,
    ORIGIN_OPTION,
    CA_OPTION,
    INSTANCE_OPTION,
    MEMORY_OPTION,
    ...JUDGING_OPTIONS,
    {
      ...JSON_OPTION,
      help: "Print a list of objects with step, outcome, detail and hint instead.",
    },
  ],
  // The permissions that a probe and `aphlict check` need.
  permissions: [...PROBE_PERMISSIONS, "--allow-write", "--allow-run=$deno"],
  async run(invocation) {
    const { options } = invocation;
    const way = publicEndpoint(options);
    const instance = instanceIn(options);
    const isJson = options.has(JSON_OPTION.name);
    const screen = screenOf();
    const findings = new Findings((finding) => {
      if (!isJson) showFinding(finding, screen);
    });
    await examine(findings, {
      program: invocation.program,
      path: configPath(invocation),
      way,
      instance,
      origin: originIn(options),
      circumstancesOf: (config) => circumstancesIn(invocation, config),
    });
    if (isJson) printJson(findings.all);
    else print(["", verdict(findings.all)]);
    return findings.all.some(({ outcome }) => outcome === "failed") ? EXIT.failed : EXIT.done;
  },
};

/** The subject of an examination. */
interface Examination {
  readonly program: Program;
  readonly path: string;
  /** The client server as browsers reach it; `null` without --url. */
  readonly way: PublicEndpoint | null;
  readonly instance: string | undefined;
  readonly origin: string | undefined;
  readonly circumstancesOf: (config: Config) => HostFacts;
}

async function examine(
  findings: Findings,
  { program, path, way, instance, origin, circumstancesOf }: Examination,
): Promise<void> {
  const service = await examineHost(findings, path, program, circumstancesOf);
  if (service === null) return findings.skip("the rest", "There is nothing to go by.");
  const { config, whyDown } = service;
  // With --url, --origin is for that URL: the client servers here may be for other pages.
  const test = { config, instance, origin: way === null ? origin : undefined };
  let publisher: AdminServerConfig | null = null;
  if (whyDown === null) publisher = await examineServers(findings, test);
  else {
    for (const step of ["admin server", "client server", "WebSocket", "message"]) {
      findings.skip(step, whyDown);
    }
  }
  if (way === null) skipUrl(findings);
  else await examineUrl(findings, way, { ...test, publisher }, whyDown);
  await examinePeers(findings, config.cluster, service);
  examineOpenFiles(findings, service);
}
