/**
 * `aphlict check`: what can be known about a configuration without starting the service.
 *
 * @module
 */

import { dirname } from "node:path";
import { clusterWarnings } from "../config/cluster.ts";
import {
  type Config,
  formatAddress,
  type LogConfig,
  type PeerConfig,
  type ServerConfig,
} from "../config/config.ts";
import { ConfigError, type Problem } from "../config/error.ts";
import { loadConfig } from "../config/load.ts";
import { logFiles, logTarget } from "../config/logs.ts";
import { hostMemory, memoryBudget, memoryWarning } from "../config/memory.ts";
import type { Program } from "../config/program.ts";
import { readToken, TokenError } from "../config/token.ts";
import {
  daysUntil,
  EXPIRY_WARNING_DAYS,
  judgeTls,
  readAuthority,
  TlsError,
  validityWarning,
} from "../net/tls.ts";
import { portsOf } from "../reach/place.ts";
import { explainBindError } from "../service.ts";
import { holderOf } from "../supervisor/pidfile.ts";
import { readState } from "../supervisor/state.ts";
import {
  type Command,
  CONFIG_OPTION,
  configPath,
  EXIT,
  hostNumber,
  MEMORY_OPTION,
} from "./command.ts";
import { NobodyAnswers } from "./admin.ts";
import { askConsole, listeningIn } from "./console.ts";
import { requireCovered, resolverOf } from "./compiled.ts";
import { complain, print } from "./output.ts";
import { warnIfRoot } from "./root.ts";

/** Checks a configuration. */
export const check: Command = {
  verb: "check",
  synopsis: "Check the configuration without starting anything.",
  details:
    "Reads and validates the file, reads tokens, keys and certificates, tries whether TLS works with " +
    "these, tries to write in the folders of the logs and the pidfile, and binds each address for " +
    "a moment, but for those that this very Aphlict holds already. Prints every problem and exits 1, or " +
    "prints OK and a summary, and warns of what is likely to be a mistake, in the list of peers for " +
    "instance, whose names it looks up.",
  options: [CONFIG_OPTION, {
    name: "as-it-is",
    help: "A missing folder is a problem, as for a reload, which cannot make it.",
  }, MEMORY_OPTION],
  async run(invocation) {
    const { program, options } = invocation;
    const config = loadConfig(configPath(invocation));
    requireCovered(program, config);
    warnIfRoot();
    const isHeld = await portHolder(config, program);
    const { problems, warnings } = await inspect(
      config,
      program,
      isHeld,
      options.has("as-it-is"),
    );
    if (problems.length > 0) throw new ConfigError(config.path, problems);
    warn(warnings);
    const host = hostMemory(config, hostNumber(invocation, MEMORY_OPTION));
    const memory = memoryWarning(config, host);
    if (memory !== null) warn([`${memory}.`]);
    const doubts = await clusterWarnings(config, resolverOf(program));
    warn(doubts.map(({ path, message }) => `${path}: ${message}`));
    print(summary(config, memoryBudget(config, host)));
    return EXIT.done;
  },
};

/** What was found. */
export interface Findings {
  readonly problems: readonly Problem[];
  /** Sentences; of no interest while there are problems. */
  readonly warnings: readonly string[];
}

/**
 * Everything that would keep the service from starting, or from starting again in place of one, and what
 * soon will.
 *
 * @param isHeld Whether this very Aphlict has a port already.
 * @param asItIs Whether nobody will make missing folders.
 */
export async function inspect(
  config: Config,
  program: Program,
  isHeld: (port: number) => boolean,
  asItIs: boolean = false,
): Promise<Findings> {
  // A compiled executable has no overseer, and may look at no folder.
  const isCompiled = program.kind === "compiled";
  const place: Look = isCompiled ? checkNew : (path, key) => checkFolder(path, key, asItIs);
  const warnings = new Set<string>();
  const tls = await Promise.all(
    config.servers.map((server, index) => checkTls(server, index, warnings)),
  );
  const problems = [
    ...tls.flat(),
    ...config.servers.flatMap((server, index) =>
      isHeld(server.port) ? [] : checkBind(server, index)
    ),
    ...config.cluster.flatMap(({ ca }, index) => checkAuthority(ca, index, warnings)),
    ...config.servers.flatMap((server, index) =>
      server.type === "admin" ? checkToken(server.token, `servers[${index}]`, warnings) : []
    ),
    ...config.cluster.flatMap(({ token }, index) =>
      checkToken(token, `cluster[${index}]`, warnings)
    ),
    ...config.logs.flatMap((log, index) => checkLog(log, `logs[${index}].path`, place)),
    ...isCompiled ? [] : place(config.pidfile, "pidfile"),
  ];
  return { problems, warnings: [...warnings] };
}

/** Tells what {@linkcode inspect} warns of. */
export function warn(warnings: readonly string[]): void {
  for (const warning of warnings) complain(`Warning: ${warning}`);
}

/** Whether a port is taken by the very service that is to be started again, or may be. */
export async function portHolder(
  config: Config,
  program: Program,
): Promise<(port: number) => boolean> {
  const { pidfile } = config;
  const isOverseen = program.kind !== "compiled" && holderOf(pidfile) !== null;
  const urls = isOverseen ? readState(pidfile)?.service?.urls : await urlsOfService(config);
  // Nobody knows then: what cannot be bound says so at the start.
  if (urls === undefined) return () => true;
  const ports = portsOf(urls);
  return (port) => ports.has(port);
}

/** Where a service without an overseer listens; nowhere when none answers. */
async function urlsOfService(config: Config): Promise<readonly string[]> {
  try {
    return listeningIn(await askConsole(config));
  } catch (error) {
    if (error instanceof NobodyAnswers) return [];
    throw error;
  }
}

/** What is wrong with the files that a server speaks TLS with. */
async function checkTls(
  { tls }: ServerConfig,
  index: number,
  warnings: Set<string>,
): Promise<Problem[]> {
  if (!tls) return [];
  try {
    const warning = validityWarning(tls.cert, await judgeTls(tls), Date.now());
    if (warning !== null) warnings.add(warning);
    return [];
  } catch (error) {
    return tlsProblems(`servers[${index}]`, error);
  }
}

/** What is wrong with the certificates that vouch for a peer's. */
function checkAuthority(ca: PeerConfig["ca"], index: number, warnings: Set<string>): Problem[] {
  if (ca === null) return [];
  try {
    const certificates = readAuthority(ca).map((certificate) => ({
      isAuthority: certificate.ca,
      expires: new Date(certificate.validTo),
    }));
    // An authority is believed after its end by this runtime, and a former one may stand beside it.
    if (certificates.every(({ isAuthority, expires }) => !isAuthority && daysUntil(expires) < 0)) {
      const last = new Date(Math.max(...certificates.map(({ expires }) => expires.getTime())));
      return [{
        path: `cluster[${index}].ssl.ca`,
        message: `Certificate ${ca} expired on ${last.toISOString()}. Renew it.`,
      }];
    }
    for (const { expires } of certificates) {
      const days = daysUntil(expires);
      if (days >= EXPIRY_WARNING_DAYS) continue;
      const verb = days < 0 ? "expired" : "expires";
      warnings.add(`A certificate in ${ca} ${verb} on ${expires.toISOString()}. Renew it.`);
    }
    return [];
  } catch (error) {
    return tlsProblems(`cluster[${index}]`, error);
  }
}

/** What is wrong with the file of a token. */
function checkToken(path: string | null, entry: string, warnings: Set<string>): Problem[] {
  if (path === null) return [];
  try {
    readToken(path);
    const { mode } = Deno.statSync(path);
    if (mode !== null && (mode & 0o004) !== 0) {
      warnings.add(
        `Every user of this host can read token file ${path}. Keep the others out: chmod o-r ${path}`,
      );
    }
    return [];
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    return [{ path: `${entry}.token.file`, message: error.message }];
  }
}

/** What is wrong with files, below the entry that names them. */
function tlsProblems(entry: string, error: unknown): Problem[] {
  if (!(error instanceof TlsError)) throw error;
  return error.problems.map(({ key, message }) => ({ path: `${entry}.${key}`, message }));
}

function checkBind(server: ServerConfig, index: number): Problem[] {
  try {
    Deno.listen({ hostname: server.listen, port: server.port }).close();
    return [];
  } catch (error) {
    return [{ path: `servers[${index}]`, message: explainBindError(server, index, error) }];
  }
}

/** Whether a file could be made at `path`. */
type Look = (path: string, key: string) => Problem[];

function checkLog(log: LogConfig, key: string, place: Look): Problem[] {
  const { path } = log;
  if (logTarget(path) === "console") return [];
  try {
    // Opening a pipe would wait for somebody to read it.
    if (Deno.statSync(path).isFifo) {
      return [{ path: key, message: `${path} is a pipe. Name a file in a folder of its own.` }];
    }
    Deno.openSync(path, { append: true }).close();
    // Rotation makes files beside it.
    return logFiles(log).length > 1 ? place(path, key) : [];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return place(path, key);
    return [{ path: key, message: unwritable(path, error) }];
  }
}

/** Whether a file could be made at `path`, by making it for a moment. */
function checkNew(path: string, key: string): Problem[] {
  try {
    if (!exists(path)) {
      Deno.openSync(path, { append: true, createNew: true }).close();
      Deno.removeSync(path);
    }
    return [];
  } catch (error) {
    return [{ path: key, message: unwritable(path, error) }];
  }
}

/** Whether a file could be made at `path`, by making another one beside it for a moment. */
function checkFolder(path: string, key: string, asItIs: boolean): Problem[] {
  let folder = dirname(path);
  if (asItIs && !exists(folder)) {
    return [{ path: key, message: `Folder ${folder} does not exist. Make it.` }];
  }
  while (!exists(folder) && dirname(folder) !== folder) folder = dirname(folder);
  try {
    Deno.removeSync(Deno.makeTempFileSync({ dir: folder, prefix: ".aphlict-check-" }));
    return [];
  } catch (error) {
    return [{ path: key, message: unwritable(path, error, folder) }];
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    // Not to be looked at is not to be written either: the attempt will say so.
    return true;
  }
}

function unwritable(path: string, error: unknown, folder?: string): string {
  const reason = error instanceof Deno.errors.PermissionDenied
    ? "this user may not write there"
    : error instanceof Error
    ? error.message
    : String(error);
  const where = folder === undefined ? path : `a file in ${folder}`;
  return `Cannot write ${where}: ${reason}. Change the path, or let this user write there.`;
}

function summary(config: Config, budget: number): string {
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
    ...config.logs.map((log) => `  log ${log.path}, ${rotation(log)}`),
    `  pidfile ${config.pidfile}`,
    `  ${Math.round(budget / 1024 ** 2)} MiB of memory for browsers and what they do`,
  ].join("\n");
}

function rotation(log: LogConfig): string {
  return logFiles(log).length > 1
    ? `rotated at ${formatBytes(log.rotateSize)}, ${log.rotateKeep} kept`
    : "never rotated";
}

function formatBytes(bytes: number): string {
  const mebibytes = bytes / 1024 / 1024;
  return Number.isInteger(mebibytes) ? `${mebibytes} MiB` : `${bytes} bytes`;
}
