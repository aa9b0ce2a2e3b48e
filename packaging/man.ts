/**
 * The man page aphlict(8), made from the table of commands.
 *
 * @module
 */

import type { OptionSpec } from "../src/cli/args.ts";
import { type Command, EXIT, listed } from "../src/cli/command.ts";
import { SYSTEM_CONFIG } from "../src/config/program.ts";
import { escaped, heading, item, literal, paragraph } from "./roff.ts";

/** The path of the man page in a build. */
export const MAN_PAGE = "dist/aphlict.8";

const EXIT_STATUS: Readonly<Record<keyof typeof EXIT, string>> = {
  done: "It was done.",
  failed:
    "It failed, and the reason was printed; of `status` and `health`, that nothing runs or is " +
    "ready; of `doctor`, that something is broken.",
  usage: "What was typed makes no sense. Nothing was done.",
};

/** The paths of a log and a pidfile are those of conf/examples/aphlict.json. */
const FILES: readonly (readonly [path: string, what: string])[] = [
  [
    SYSTEM_CONFIG,
    "The configuration, where --config names no other: `aphlict.json`(5). " +
    "It names log and pidfile, here as the example of it does.",
  ],
  ["/var/log/aphlict/aphlict.log", "The log. Full ones are kept as aphlict.log.1 and so on."],
  ["/run/aphlict/aphlict.pid", "The pidfile, which the supervisor locks for as long as it runs."],
  [
    "/usr/share/doc/aphlict/docs/",
    "The guides for administrators (install.md, operations.md, troubleshooting.md), the keys of the " +
    "configuration (configuration.md), limits and access (limits.md), monitoring, and the protocol.",
  ],
];

const EXAMPLES: readonly (readonly [what: string, command: string])[] = [
  [
    "Find every mistake in the configuration, then use what has changed in it:",
    "aphlict check\naphlict reload",
  ],
  [
    "Find out why no notification arrives in browsers:",
    "aphlict doctor --url wss://phorge.example.com/ws/",
  ],
  [
    "Wait for messages as a browser does, and publish one in another terminal:",
    'aphlict listen PHID-USER-example\naphlict send --to PHID-USER-example \'{"type":"test"}\'',
  ],
];

/**
 * Returns the man page.
 *
 * @param all The table of commands.
 * @param version The version of Aphlict.
 * @returns Source for `man`, in ASCII.
 */
export function manPage(all: readonly Command[], version: string): string {
  const commands = listed(all);
  const shared = sharedOptions(commands);
  return [
    ...heading("aphlict", [8, "System Administration"], version, "notification server of Phorge"),
    ".SH SYNOPSIS",
    ...usage("aphlict", ["\\fIVERB\\fR", "[\\fIOPTION\\fR...]", "[\\fIOPERAND\\fR...]"]),
    ".SH DESCRIPTION",
    ...paragraph(
      "Phorge posts a small JSON message to Aphlict, and Aphlict passes it to every open browser that " +
        "is concerned. A configuration file names the addresses that it listens on, its certificates, " +
        "logs and peers; the process that faces the network may do what that file needs and nothing else.",
    ),
    ...paragraph(
      "Options follow the verb, as `--name VALUE` or `--name=VALUE`, each once; after `--` nothing is " +
        "an option. `aphlict VERB --help` explains a verb, `aphlict --version` prints the version.",
    ),
    ".SH COMMANDS",
    ...commands.flatMap((command) => section(command, shared)),
    ".SH OPTIONS",
    ...paragraph("These mean the same to each command that takes them."),
    ...shared.flatMap(option),
    ".SH EXIT STATUS",
    ...Object.entries(EXIT).flatMap(([name, code]) =>
      item(`\\fB${code}\\fR`, EXIT_STATUS[name as keyof typeof EXIT])
    ),
    ".SH ENVIRONMENT",
    ...item(
      "\\fBDENO\\fR",
      "Path of the deno to run it with. Without it, a deno beside the program is used, or the first on " +
        "the PATH.",
    ),
    ".SH FILES",
    ...FILES.flatMap(([path, what]) => item(`\\fI${escaped(path)}\\fR`, what)),
    ".SH EXAMPLES",
    ...EXAMPLES.flatMap(([what, command]) => [
      ...paragraph(what),
      ...literal(command),
    ]),
    ".SH SEE ALSO",
    ...paragraph("`aphlict.json`(5), `systemctl`(1), `journalctl`(1), `logrotate`(8)"),
    ...paragraph("Deno: https://docs.deno.com/"),
    ...paragraph("Phorge: https://we.phorge.it/"),
    "",
  ].join("\n");
}

/** Returns the options that several commands take and explain alike, each once. */
function sharedOptions(commands: readonly Command[]): OptionSpec[] {
  const all = commands.flatMap(({ options }) => listed(options));
  return all.filter((option, place) =>
    all.findIndex((other) => isSame(option, other)) === place &&
    all.findLastIndex((other) => isSame(option, other)) !== place
  );
}

function isSame(one: OptionSpec, other: OptionSpec): boolean {
  return one.name === other.name && one.help === other.help;
}

/** Returns the section about one command: its purpose, and the options that only it takes. */
function section(command: Command, shared: readonly OptionSpec[]): string[] {
  const { verb, synopsis, details, operands } = command;
  const options = listed(command.options);
  return [
    `.SS ${escaped(verb)}`,
    ...usage(`aphlict ${verb}`, [
      ...options.map((option) => `[${typed(option)}]`),
      ...operands === undefined ? [] : [`\\fI${escaped(operands)}\\fR`],
    ]),
    ...paragraph(synopsis),
    ...paragraph(details),
    ...options.filter((option) => !shared.some((other) => isSame(option, other))).flatMap(option),
  ];
}

/** Returns the synopsis of a command. Lines break between its parts only, and go on below the first of them. */
function usage(command: string, parts: readonly string[]): string[] {
  return [`.SY "${escaped(command)}"`, ...parts.map(unbroken), ".YS"];
}

/** Returns a part that stays in one line, and in which "..." is not the end of a sentence. */
function unbroken(part: string): string {
  return `${part.replaceAll(" ", "\\ ")}\\&`;
}

function option(spec: OptionSpec): string[] {
  return item(typed(spec), spec.help);
}

function typed({ name, value, choices }: OptionSpec): string {
  const dashed = `\\fB${escaped(`--${name}`)}\\fR`;
  return value === undefined ? dashed : `${dashed} \\fI${escaped(choices?.join("|") ?? value)}\\fR`;
}
