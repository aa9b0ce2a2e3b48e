/**
 * The completion of bash, made from the table of commands.
 *
 * It needs bash and nothing else. Where the package bash-completion is installed, bash looks into its folder
 * when the command is first typed. Elsewhere `.bashrc` may source the file.
 *
 * @module
 */

import type { OptionSpec } from "../src/cli/args.ts";
import { type Command, listed } from "../src/cli/command.ts";

/** The path of the completion in a build. */
export const COMPLETION = "dist/aphlict.bash";

/** The words of the table for values that are names of files. */
const FILES = ["PATH", "FILE"];

/**
 * Returns the completion: verbs, the options of each that were not given yet, values that can be chosen
 * from, and files.
 *
 * @param all The table of commands. An option of one name takes values of one kind throughout.
 * @returns A script for bash to source.
 */
export function bashCompletion(all: readonly Command[]): string {
  const commands = listed(all);
  const values = new Set(commands.flatMap(({ options }) => listed(options)).flatMap(valueOf));
  return `# Completion of bash for aphlict(8), made from the table of its commands.

_aphlict() {
  local verbs="${commands.map(({ verb }) => verb).join(" ")}"
  local word=\${COMP_WORDS[COMP_CWORD]} words=
  if ((COMP_CWORD == 1)); then
    words=$verbs
  else
    local verb=\${COMP_WORDS[1]} before=\${COMP_WORDS[COMP_CWORD - 1]}
    local given=" \${COMP_WORDS[*]:2:COMP_CWORD-2} " options='' option
    # "--name=value" arrives as three words.
    if [[ $word == "=" ]]; then
      word=
    elif [[ $before == "=" ]]; then
      before=\${COMP_WORDS[COMP_CWORD - 2]}
    fi
    case "$verb $before" in
${[...values, ...commands.flatMap(othersOf)].map((line) => `      ${line} ;;`).join("\n")}
    esac
    for option in $options; do
      [[ $given == *" $option "* ]] || words+=" $option"
    done
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -F _aphlict aphlict
`;
}

/** Returns the branch of the script behind an option that takes a value. */
function valueOf({ name, value, choices }: OptionSpec): string[] {
  if (value === undefined) return [];
  const follows = choices !== undefined ? `words="${choices.join(" ")}"` : FILES.includes(value)
    // Readline knows best how to write the name of a file on a command line, and does so where this
    // function has nothing to say.
    ? "compopt -o default"
    : ":";
  return [`*" --${name}") ${follows}`];
}

/** Returns the branches of the script behind the other words of a command. */
function othersOf({ verb, options, operands = "" }: Command): string[] {
  const names = listed(options).map(({ name }) => `--${name}`);
  return [
    ...operands.includes("VERB") ? [`"${verb} ${verb}") words=$verbs`] : [],
    ...names.length > 0 ? [`"${verb} "*) options="${names.join(" ")}"`] : [],
  ];
}
