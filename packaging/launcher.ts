/**
 * `deno task launcher`: writes the part of `bin/aphlict` that is made from the table of commands.
 *
 * @module
 */

import { loadCommands } from "../src/cli/cli.ts";
import { type Command, givenWords } from "../src/cli/command.ts";
import { UNIT_OPTION } from "../src/cli/unit.ts";
import { BuildError } from "./dist.ts";

const COMMANDS = await loadCommands();

/** The path of the launcher. */
export const LAUNCHER = "bin/aphlict";

/** The lines around the part that is made. */
const FIRST =
  '# Made from the table of commands by "deno task launcher": what each verb is run with.';
const LAST = "# The end of what is made.";

/**
 * Returns the launcher with the table of the permissions and arguments that each verb is run with.
 *
 * @param launcher Text of `bin/aphlict`, whatever stands between the two lines.
 * @param commands The table of commands.
 */
export function withTable(launcher: string, commands: readonly Command[]): string {
  const [before, rest, ...more] = launcher.split(FIRST);
  const [, after, ...others] = rest?.split(LAST) ?? [];
  if (after === undefined || more.length + others.length > 0) {
    throw new BuildError(`${LAUNCHER} does not have each of these lines once:\n${FIRST}\n${LAST}`);
  }
  return `${before}${FIRST}\n${casesOf(commands)}${LAST}${after}`;
}

/** Returns shell code that becomes the command of `$verb`, with the arguments of the launcher. */
export function casesOf(commands: readonly Command[]): string {
  const branches = new Map<string, string[]>();
  for (const command of commands) {
    if (command.permissions === undefined) continue;
    const code = branchOf(command, command.permissions);
    branches.set(code, [...branches.get(code) ?? [], command.verb]);
  }
  return [
    "case $verb in\n",
    ...[...branches].map(([code, verbs]) => `  ${verbs.join(" | ")})\n${code}    ;;\n`),
    '  *)\n    become --allow-read="$readable" "$main" "$@"\n    ;;\nesac\n',
  ].join("");
}

function branchOf(command: Command, permissions: NonNullable<Command["permissions"]>): string {
  const isDerived = typeof permissions === "string";
  const lines = [
    "shift",
    // Root passes the properties on to the user that it becomes, who may not ask systemd.
    ...command.options.includes(UNIT_OPTION) ? ['[ -n "$judged" ] || properties=$(unit)'] : [],
    ...isDerived ? ['launch "$@"'] : [
      ...permissions.every((flag) => flag === "--allow-read") ? [] : ['as_user "$@"'],
      ["become", ...permissions.map(word), '"$main" "$verb"', ...givenWords(command), '"$@"']
        .join(" "),
    ],
  ];
  return lines.map((line) => `    ${line}\n`).join("");
}

/** Writes a flag for the shell, which replaces the name of a variable in it. */
function word(flag: string): string {
  return flag.includes("$") ? `"${flag}"` : flag;
}

function main(): void {
  Deno.writeTextFileSync(LAUNCHER, withTable(Deno.readTextFileSync(LAUNCHER), COMMANDS));
}

if (import.meta.main) BuildError.explained(main);
