/**
 * A trial of all that the service opens at its start, in a process with the service's permissions and no others.
 *
 * @module
 */

import type { Config, LogConfig, PeerConfig, ServerConfig } from "../config/config.ts";
import type { Problem } from "../config/error.ts";
import { exists } from "../config/existence.ts";
import { logTarget } from "../config/logs.ts";
import { serviceFlags } from "../config/permissions.ts";
import { denoArguments, type Program } from "../config/program.ts";
import { readToken, TokenError } from "../config/token.ts";
import { tryAddress } from "../http/port.ts";
import { objectOf } from "../json.ts";
import { LogFile } from "../log/file.ts";
import { LogFileError } from "../log/file_error.ts";
import {
  chainWarning,
  daysUntil,
  EXPIRY_WARNING_DAYS,
  judgeTls,
  readAuthority,
  TlsError,
  validityWarning,
} from "../net/tls.ts";
import { explainBindError } from "../server.ts";
import { encode, linesIn, parseUse } from "../supervisor/channel.ts";
import { type Command, EXIT } from "./command.ts";
import { printJson } from "./output.ts";

/** The findings of a trial. */
export interface TrialResult {
  readonly problems: readonly Problem[];
  /** The warnings, in sentences; of no interest while there are problems. */
  readonly warnings: readonly string[];
}

/** Tries the files and addresses of a configuration, for {@linkcode tryAsService}. */
export const trial: Command = {
  verb: "trial",
  synopsis: "Try what the service opens at its start, with its permissions.",
  details:
    "It reads a configuration on standard input, as the service does, and prints what it has found.",
  options: [{
    name: "held",
    value: "INDICES",
    help: "Servers whose addresses are not tried.",
    internal: true,
  }],
  internal: true,
  async run({ options }) {
    const line = (await linesIn(Deno.stdin.readable).next()).value ?? "";
    const use = parseUse(line);
    if (use === null) return EXIT.failed;
    const held = options.get("held")?.split(",").map(Number) ?? [];
    const { config } = use;
    const isHeld = (server: ServerConfig) => held.includes(config.servers.indexOf(server));
    printJson(await tryAll(config, isHeld));
    return EXIT.done;
  },
};

/**
 * Finds out which parts of a configuration the service cannot use: keys, certificates, tokens, logs and addresses. They
 * are tried with the flags of the service, in a process of its own where this one may start one. A compiled executable
 * has these permissions itself.
 *
 * @param isHeld Tells whether the service that is to be started again itself holds the address of a server.
 */
export async function tryAsService(
  config: Config,
  program: Program,
  isHeld: (server: ServerConfig) => boolean,
): Promise<TrialResult> {
  const deno = Deno.execPath();
  if (
    program.kind === "compiled" ||
    Deno.permissions.querySync({ name: "run", command: deno }).state !== "granted"
  ) return await tryAll(config, isHeld);
  const indices = config.servers.flatMap((server, index) => isHeld(server) ? [index] : []);
  const held = indices.length === 0 ? [] : ["--held", indices.join(",")];
  const process = new Deno.Command(deno, {
    args: denoArguments(program, serviceFlags(config), ["trial", ...held]),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = process.stdin.getWriter();
  // A process that has ended says why on standard error.
  await writer.write(encode({ type: "use", number: 0, config })).catch(() => {});
  await writer.close().catch(() => {});
  const { stdout, stderr } = await process.output();
  const found = objectOf(new TextDecoder().decode(stdout));
  if (found !== null) return found as unknown as TrialResult;
  const message = `The service cannot be run: ${new TextDecoder().decode(stderr).trim()}`;
  return { problems: [{ path: "", message }], warnings: [] };
}

/**
 * Finds out which files of peers cannot be used. A running service goes on without such a peer, and reads the files
 * again later. A first start, or a check, fails.
 *
 * @param warnings Receives warnings of what soon will be wrong.
 */
export function tryPeers({ cluster }: Config, warnings: Set<string> = new Set()): Problem[] {
  return cluster.flatMap(({ ca, token }, index) => [
    ...checkAuthority(ca, index, warnings),
    ...checkToken(token, `cluster[${index}]`, warnings),
  ]);
}

async function tryAll(
  config: Config,
  isHeld: (server: ServerConfig) => boolean,
): Promise<TrialResult> {
  const warnings = new Set<string>();
  const tls = await Promise.all(
    config.servers.map((server, index) => checkTls(server, index, config, warnings)),
  );
  const binds = config.servers.map((server, index) =>
    isHeld(server) ? [] : checkBind(server, index)
  );
  const problems = [
    ...tls.flat(),
    ...binds.flat(),
    ...config.servers.flatMap((server, index) =>
      server.type === "admin" ? checkToken(server.token, `servers[${index}]`, warnings) : []
    ),
    ...tryPeers(config, warnings),
    ...config.logs.flatMap((log, index) => checkLog(log, `logs[${index}].path`)),
  ];
  return { problems, warnings: [...warnings] };
}

/** Returns what is wrong with the files that a server speaks TLS with. */
async function checkTls(
  { tls }: ServerConfig,
  index: number,
  { cluster }: Config,
  warnings: Set<string>,
): Promise<Problem[]> {
  if (!tls) return [];
  try {
    const material = await judgeTls(tls);
    const known = cluster.flatMap(({ ca }) => authoritiesIn(ca));
    for (
      const warning of [
        validityWarning(tls.cert, material, Date.now()),
        chainWarning(tls, material, known),
      ]
    ) if (warning !== null) warnings.add(warning);
    return [];
  } catch (error) {
    return tlsProblems(`servers[${index}]`, error);
  }
}

/** Returns the certificates of a peers' authority file; none of an unusable one, which another check reports. */
function authoritiesIn(ca: PeerConfig["ca"]): ReturnType<typeof readAuthority> {
  try {
    return ca === null ? [] : readAuthority(ca);
  } catch (error) {
    if (!(error instanceof TlsError)) throw error;
    return [];
  }
}

/** Returns what is wrong with the certificates that vouch for a peer's. */
function checkAuthority(ca: PeerConfig["ca"], index: number, warnings: Set<string>): Problem[] {
  if (ca === null) return [];
  try {
    for (const { validTo } of readAuthority(ca)) {
      const expires = new Date(validTo);
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

/** Returns what is wrong with the file of a token. */
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

/** Returns what is wrong with files, below the entry that names them. */
function tlsProblems(entry: string, error: unknown): Problem[] {
  if (!(error instanceof TlsError)) throw error;
  return error.problems.map(({ key, message }) => ({ path: `${entry}.${key}`, message }));
}

function checkBind(server: ServerConfig, index: number): Problem[] {
  try {
    const { listen: hostname, port, engine } = server;
    if (engine === "socket") tryAddress(hostname, port);
    else Deno.listen({ hostname, port }).close();
    return [];
  } catch (error) {
    return [{ path: `servers[${index}]`, message: explainBindError(server, index, error) }];
  }
}

/** Returns what is wrong with a log. A missing folder is no problem here: a start makes it. */
function checkLog(log: LogConfig, key: string): Problem[] {
  if (logTarget(log.path) === "console") return [];
  const isThere = exists(log.path);
  try {
    const file = new LogFile(log, () => {});
    file.open();
    file.close();
    if (!isThere) Deno.removeSync(log.path);
    return [];
  } catch (error) {
    if (!(error instanceof LogFileError)) throw error;
    return error.isFolderMissing ? [] : [{ path: key, message: error.message }];
  }
}
