/**
 * `aphlict launch`: the shell code that bin/aphlict asks for before it becomes another process.
 *
 * @module
 */

import { join } from "node:path";
import type { Config } from "../config/config.ts";
import { ConfigError } from "../config/error.ts";
import { loadConfig, loadPidfile, type NamedPidfile } from "../config/load.ts";
import { consoleLog } from "../config/logs.ts";
import { serviceFlags, shellQuote, supervisorFlags } from "../config/permissions.ts";
import { denoArguments, scriptOf } from "../config/program.ts";
import { isBelow } from "../config/files.ts";
import { FORMATS } from "../log/formats.ts";
import { withoutEnd } from "../text.ts";
import {
  AS_ROOT_OPTION,
  type Command,
  CONFIG_OPTION,
  configPath,
  EXIT,
  findCommand,
  givenWords,
  type Invocation,
  JSON_OPTION,
} from "./command.ts";
import { FolderError, foldersOf, whyNotForRoot } from "./folders.ts";
import { identityFor, identityOfOwner, ownerOfConfig, type UserIdentity } from "./identity.ts";
import { printCode, printError } from "./output.ts";
import { logFaultForRoot, pidfileFault, requireSafe } from "./pidfile_owner.ts";
import { isRoot, refusesRoot, warnIfRoot } from "./root.ts";
import { follow, resolvedPath } from "./trust.ts";
import { circumstancesIn, MADE_OPTION, type Unit, UNIT_OPTION } from "./unit.ts";

/** Prints the shell code for a verb. */
export const launch: Command = {
  verb: "launch",
  synopsis: "Print the shell code by which bin/aphlict becomes what a verb runs.",
  details: "bin/aphlict evaluates it, with the arguments after the verb as the shell's parameters.",
  options: [CONFIG_OPTION, AS_ROOT_OPTION, UNIT_OPTION, JSON_OPTION],
  operands: "VERB",
  internal: true,
  async run(invocation) {
    const command = await findCommand(invocation.commands, invocation.rest[0] ?? "");
    const path = configPath(invocation);
    if (isRoot() && !invocation.options.has(AS_ROOT_OPTION.name)) {
      const code = becoming(path, command, invocation);
      if (code === "refused") return EXIT.failed;
      if (code !== null) {
        printCode(code);
        return EXIT.done;
      }
    }
    switch (command.permissions) {
      case "service": {
        const config = loadConfig(path);
        requireSafe(logFaultForRoot(config));
        warnIfRoot((warning) => printError(asLogged(config, warning)));
        printCode(becomeDeno(config, serviceFlags(config), command, invocation));
        return EXIT.done;
      }
      case "supervisor": {
        const config = loadConfig(path);
        requireSafe(logFaultForRoot(config) ?? pidfileFault(config.pidfile));
        const flags = supervisorFlags(config, Deno.execPath(), resolvedPath(config.pidfile));
        printCode(becomeDeno(config, flags, command, invocation));
        return EXIT.done;
      }
      default:
        // The script runs the verb itself.
        return EXIT.done;
    }
  },
};

/** Returns shell code by which root becomes the user that runs Aphlict; `null`: it stays root. */
function becoming(
  path: string,
  command: Command,
  invocation: Invocation,
): string | "refused" | null {
  const isStarting = command.options.includes(AS_ROOT_OPTION);
  const isJudging = command.options.includes(MADE_OPTION);
  // The owner is looked up before the file is read: the owner can change it until the command reads it.
  const owner = ownerOfConfig(path);
  let named: NamedPidfile;
  try {
    named = loadPidfile(path);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    // The command itself reports the error.
    const identity = identityOfOwner(owner);
    return identity && becomeUser(identity, [], command);
  }
  const { pidfile, config, error } = named;
  if (error !== null && isStarting) throw error;
  // Without a user in the configuration, a check is for the unit that runs it.
  const unit = config === null ? null : circumstancesIn(invocation, config).unit;
  const user = config?.user ?? unit?.user ?? null;
  if (user === null && isStarting) {
    return refusesRoot(invocation) ? "refused" : null;
  }
  const isForRunning = !isStarting && !isJudging;
  const identity = identityFor(path, owner, { user, pidfile, isForRunning });
  if (identity === null) return null;
  // The folders of another user's configuration are made by that user.
  const folders = config !== null && owner === null ? foldersOf(config).filter(isForRoot) : [];
  // The user makes the folders below one that is given to it: root could be led elsewhere there.
  return becomeUser(
    identity,
    folders.filter((each) => !isBelow(each, folders.filter((other) => other !== each))),
    command,
    isJudging && unit?.user === identity.user ? unit : null,
  );
}

/** Returns a text as the console of the launched service shows it: a reader of JSON gets nothing else. */
function asLogged({ logs }: Config, text: string): string {
  return withoutEnd(FORMATS[consoleLog(logs)?.format ?? "text"].foreign(text), "\n");
}

/**
 * Returns shell code that makes missing folders, because the launched process may not. The code then replaces the shell
 * by that process, with the shell's parameters.
 */
function becomeDeno(
  config: Config,
  flags: readonly string[],
  launched: Command,
  { program, options }: Invocation,
): string {
  const script = scriptOf(program);
  const command = [Deno.execPath(), ...denoArguments(script, flags, [launched.verb])];
  // The process may read this file alone, so it cannot look for the default again.
  const chosen = options.has(CONFIG_OPTION.name) ? "" : ` --config ${shellQuote([config.path])}`;
  const folders = foldersOf(config);
  if (isRoot()) {
    const fault = folders.map(whyNotForRoot).find((each) => each !== null);
    if (fault !== undefined) throw new FolderError(fault);
  }
  const noFolder =
    `some folders of the logs and the pidfile in ${config.path} cannot be made, see above. ` +
    "Make them, let this user write there, or name others.";
  return `mkdir -p -- ${shellQuote(folders)} || fail ${shellQuote([noFolder])}\n` +
    `exec=exec\nonly ${shellQuote(command)} ${givenWords(launched).join(" ")} "$@"${chosen}`;
}

/** The group of a user who has none (Debian's `nogroup`): no file is meant for it. */
const NOBODY = 65534;

/**
 * Returns shell code that becomes bin/aphlict, run by another user, who owns the folders made for it.
 *
 * @param unit The unit that gives more to the process than the user has; `null`: none does.
 */
function becomeUser(
  { user, isNamed, owner }: UserIdentity,
  folders: readonly string[],
  { verb, options, makesFolders }: Command,
  unit: Unit | null = null,
): string {
  const name = shellQuote([user]);
  const noHelper =
    `setpriv (of util-linux) is missing, which becomes user ${user}. Install it, or ` +
    "run the command as that user.";
  const noUser = `there is no user ${user}, which "user" names. Make it: ` +
    `useradd --system --create-home ${user}`;
  const isRootUser =
    `user ${user}, which "user" names, is root. Name another one, or remove the key and add ` +
    "--as-root to run as root all the same.";
  const isOther =
    `the configuration belongs to user ${owner}, and names ${user} as its "user". Root acts for ` +
    "neither of them. Give the configuration to root (chown root).";
  return [
    `command -v setpriv >/dev/null || complain ${shellQuote([noHelper])}`,
    `group=$(id -g -- ${name} 2>/dev/null) || ${
      isNamed ? `complain ${shellQuote([noUser])}` : "group="
    }`,
    `[ "$(id -u -- ${name} 2>/dev/null || echo ${name})" != 0 ] || complain ${
      shellQuote([isRootUser])
    }`,
    ...owner === null ? [] : [
      `[ "$(id -u -- ${name} 2>/dev/null || echo ${name})" = ${owner} ] || complain ${
        shellQuote([isOther])
      }`,
    ],
    ...(unit?.groups ?? []).map((group) => {
      const noGroup = `there is no group ${group}, which SupplementaryGroups= of aphlict.service ` +
        `names. Make it (groupadd --system ${group}), or change the unit: systemctl edit aphlict.`;
      return `getent group ${shellQuote([group])} >/dev/null || complain ${shellQuote([noGroup])}`;
    }),
    "give_up",
    ...makesFolders ? folders.flatMap((folder) => making(folder, `${name}:"$group"`)) : [],
    ...options.includes(UNIT_OPTION) ? [`set -- ${UNIT_OPTION.given} "$@"`] : [],
    ...options.includes(MADE_OPTION) && folders.length > 0
      ? [`set -- ${shellQuote([`--${MADE_OPTION.name}`, folders.join(",")])} "$@"`]
      : [],
    `if [ -n "$group" ]; then set -- --regid="$group" ${
      givenBy(unit, name)
    } -- "$self" ${verb} "$@"`,
    `else set -- --regid=${NOBODY} --clear-groups -- "$self" ${verb} "$@"; fi`,
    // The user could read the rest of root's environment in /proc.
    `HOME=$(getent passwd ${name} | cut -d: -f6) DENO=$deno exec=exec`,
    `environment="$environment $reaching DENO JOURNAL_STREAM"`,
    `only setpriv --reuid=${name} "$@"`,
  ].join("\n");
}

/** Returns the arguments of setpriv for the groups and the capability of a process: those of the user, and of the unit. */
function givenBy(unit: Unit | null, user: string): string {
  const { groups = [], bindsAnyPort = false } = unit ?? {};
  const more = groups.map((group) => `,${shellQuote([group])}`).join("");
  return [
    more === "" ? "--init-groups" : `--groups="$(id -G -- ${user} | tr ' ' ,)"${more}`,
    ...bindsAnyPort ? ["--inh-caps=+net_bind_service --ambient-caps=+net_bind_service"] : [],
  ].join(" ");
}

/** Tells whether a folder is missing and root can make it: root makes none below a folder that others can write. */
function isForRoot(folder: string): boolean {
  const { missing, writers } = follow(folder);
  return missing.length > 0 && writers.length === 0;
}

/** Returns shell code that makes a missing folder for an owner. Each `mkdir` fails if its path exists by then. */
function making(folder: string, owner: string): string[] {
  const { existing, missing } = follow(folder);
  const made = missing.map((_, index) => join(existing, ...missing.slice(0, index + 1)));
  return [
    ...made.map((each) => {
      const quoted = shellQuote([each]);
      return `[ -d ${quoted} ] || mkdir -m 755 -- ${quoted} || exit 1`;
    }),
    `chown -h ${owner} -- ${shellQuote(made.slice(-1))} || exit 1`,
  ];
}
