/**
 * The unit of systemd that runs the service: the rights that it gives, and those that it takes away.
 *
 * @module
 */

import { resolve } from "node:path";
import type { Config } from "../config/config.ts";
import type { Problem } from "../config/error.ts";
import { isBelow } from "../config/files.ts";
import { logFiles } from "../config/logs.ts";
import { servicePermissions } from "../config/permissions.ts";
import { SYSTEM_CONFIG } from "../config/program.ts";
import type { OptionSpec } from "./args.ts";
import { hostNumber, type Invocation, MEMORY_OPTION } from "./command.ts";
import { resolvedPath } from "./trust.ts";

/** The option by which bin/aphlict passes on the output of `systemctl show aphlict.service`. */
export const UNIT_OPTION: OptionSpec = {
  name: "unit",
  value: "PROPERTIES",
  help: "What `systemctl show aphlict.service` prints.",
  internal: true,
  given: '${properties:+--unit "$properties"}',
};

/** The option by which bin/aphlict tells the folders that root makes at a start. */
export const MADE_OPTION: OptionSpec = {
  name: "made",
  value: "FOLDERS",
  help: "Missing folders that root makes at the start.",
  internal: true,
};

/** The options of a command that judges for another process. */
export const JUDGING_OPTIONS: readonly OptionSpec[] = [UNIT_OPTION, MADE_OPTION];

/** The service's unit, as far as it matters here. */
export interface Unit {
  /** The user that the service runs as; `null`: root. */
  readonly user: string | null;
  /** The configuration that it runs with; `null`: the default. */
  readonly config: string | null;
  /** The folders that systemd makes for the service. */
  readonly made: readonly string[];
  /** The folders that the service may write in spite of {@linkcode readOnly}. */
  readonly writable: readonly string[];
  /** The folders that it may not write. */
  readonly readOnly: readonly string[];
  /** The folders that it does not see. */
  readonly hidden: readonly string[];
  /** The folders of which it has empty ones of its own. */
  readonly replaced: readonly string[];
  /** The groups that the service is in besides those of its user. */
  readonly groups: readonly string[];
  /** True if the service may bind ports below 1024. */
  readonly bindsAnyPort: boolean;
  /** The bytes of memory that the service may take; `null`: as many as there are. */
  readonly memory: number | null;
}

/** The facts that bin/aphlict tells of the host, for a configuration. */
export interface HostFacts {
  /** The missing folders that root or systemd makes. */
  readonly made: readonly string[];
  /** The unit that runs the service; `null`: no unit does. */
  readonly unit: Unit | null;
  /** The bytes of memory that the host, or the unit, grants; `null` when that is not known. */
  readonly memory: number | null;
}

/** Returns the facts that bin/aphlict has told of the host. */
export function circumstancesIn(invocation: Invocation, config: Config): HostFacts {
  const { options, program } = invocation;
  const found = parseUnit(options.get(UNIT_OPTION.name) ?? "");
  const isOfThis = found !== null && (
    found.config === null
      ? program.kind === "bundle" && config.path === SYSTEM_CONFIG
      : resolve(found.config) === resolve(config.path)
  );
  const unit = isOfThis ? found : null;
  const made = (options.get(MADE_OPTION.name) ?? "").split(",").filter((each) => each !== "");
  const known = [hostNumber(invocation, MEMORY_OPTION), unit?.memory ?? null]
    .filter((bytes) => bytes !== null);
  const memory = known.length === 0 ? null : Math.min(...known);
  return { unit, made: [...made, ...unit?.made ?? []], memory };
}

/** The properties that name folders, and the folders above these. */
const MADE: readonly (readonly [string, string])[] = [
  ["RuntimeDirectory", "/run"],
  ["LogsDirectory", "/var/log"],
  ["StateDirectory", "/var/lib"],
  ["CacheDirectory", "/var/cache"],
];

const SYSTEM = ["/usr", "/boot", "/efi"];

/** The folders that `ProtectSystem` makes read-only (systemd.exec(5)). */
const READ_ONLY: ReadonlyMap<string, readonly string[]> = new Map([
  ["yes", SYSTEM],
  ["full", [...SYSTEM, "/etc"]],
  ["strict", ["/"]],
]);

const HOMES = ["/home", "/root", "/run/user"];

const TEMPORARY = ["/tmp", "/var/tmp"];

/** The letters behind a size in a unit's file, for 1024, its square, and so on. `systemctl show` prints bytes. */
const SIZES = "KMGT";

function sizeOf(text: string): number | null {
  const [, digits = "", letter = ""] = /^(\d+)([KMGT]?)$/.exec(text) ?? [];
  return digits === "" ? null : Number(digits) * 1024 ** (SIZES.indexOf(letter || " ") + 1);
}

/** Parses the unit that `systemctl show` has printed, or its files; `null` where no unit is in use. */
export function parseUnit(text: string): Unit | null {
  const properties = new Map(
    text.split("\n").map((line) => {
      const equals = line.indexOf("=");
      return [line.slice(0, equals), line.slice(equals + 1)] as const;
    }),
  );
  const property = (name: string) => properties.get(name) ?? "";
  const listOf = (name: string) => property(name).split(" ").filter((each) => each !== "");
  const isUsed = property("ActiveState") === "active" || property("UnitFileState") === "enabled";
  if (property("LoadState") !== "loaded" || !isUsed) return null;
  const command = property("ExecStart");
  const words = (command.split(";").find((part) => part.includes("argv[]=")) ?? command).split(
    / |=/,
  );
  const at = words.indexOf("--config");
  const config = at < 0 ? null : words[at + 1] ?? null;
  const made = MADE.flatMap(([name, above]) =>
    listOf(name).map((each) => `${above}/${each.replace(/:.*/, "")}`)
  );
  const isTmpPrivate = property("PrivateTmp") === "yes";
  const home = property("ProtectHome");
  return {
    user: property("User") || null,
    config,
    made,
    writable: [
      ...made,
      ...listOf("ReadWritePaths").map((path) => path.replace(/^[-+]+/, "")),
      ...isTmpPrivate ? TEMPORARY : [],
    ],
    readOnly: [
      ...READ_ONLY.get(property("ProtectSystem")) ?? [],
      ...home === "read-only" ? HOMES : [],
    ],
    hidden: home === "yes" || home === "tmpfs" ? HOMES : [],
    replaced: isTmpPrivate ? TEMPORARY : [],
    groups: listOf("SupplementaryGroups"),
    bindsAnyPort: /\bcap_net_bind_service\b/i.test(property("AmbientCapabilities")),
    memory: sizeOf(property("MemoryMax")),
  };
}

/** Returns the files of a configuration that its unit blocks, a problem for each. */
export function judgeUnit(config: Config, unit: Unit): Problem[] {
  const written: readonly (readonly [string, string])[] = [
    ...config.logs.flatMap((log, index) =>
      logFiles(log).slice(0, 1).map((path) => [`logs[${index}].path`, path] as const)
    ),
    ["pidfile", config.pidfile],
  ];
  const { read, write } = servicePermissions(config);
  const hidden = read.filter((path) => isBelow(resolvedPath(path), unit.hidden));
  const replaced = read.filter((path) =>
    !write.includes(path) && isBelow(resolvedPath(path), unit.replaced)
  );
  const unseen = [
    ...hidden.map((path) => [path, "ProtectHome="] as const),
    ...replaced.map((path) => [path, "PrivateTmp="] as const),
  ];
  const unwritable = written.filter(([, path]) => {
    const resolved = resolvedPath(path);
    return isBelow(resolved, unit.readOnly) && !isBelow(resolved, unit.writable);
  });
  const [first = "the unit's folders"] = unit.made;
  return [
    ...unseen.map(([path, reason]) => ({
      path: "",
      message:
        `Unit aphlict.service does not let the service see ${path} (${reason}). Move the file, or change the ` +
        "unit: systemctl edit aphlict.",
    })),
    ...unwritable.map(([key, path]) => ({
      path: key,
      message:
        `Unit aphlict.service does not let the service write ${path} (ProtectSystem=). Choose a file in ${first}, or ` +
        "add ReadWritePaths= with its folder to the unit: systemctl edit aphlict.",
    })),
  ];
}
