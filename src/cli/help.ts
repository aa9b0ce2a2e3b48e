/**
 * `aphlict help`.
 *
 * @module
 */

import { allCommands, type Command, EXIT, findCommand, listed } from "./command.ts";
import { print } from "./output.ts";

const WIDTH = 78;

/** Explains the commands. */
export const help: Command = {
  verb: "help",
  synopsis: "Explain the commands, or one of them.",
  details: "Without a verb, lists all of them.",
  options: [],
  operands: "[VERB]",
  async run({ rest: [verb], commands }) {
    print(
      verb === undefined
        ? overview(await allCommands(commands))
        : helpOn(await findCommand(commands, verb)),
    );
    return EXIT.done;
  },
};

/** Returns the list of verbs. */
export function overview(all: readonly Command[]): string {
  const commands = listed(all);
  const width = Math.max(...commands.map(({ verb }) => verb.length));
  return [
    "Usage: aphlict VERB [OPTION...]",
    "",
    "The notification server of Phorge.",
    "",
    ...commands.flatMap(({ verb, synopsis }) => {
      const [first, ...others] = wrap(synopsis, " ".repeat(width + 4));
      return [`  ${verb.padEnd(width)}  ${first?.trimStart()}`, ...others];
    }),
    "",
    'Exit codes: 0 done, 1 failed, 2 wrong usage. "aphlict help VERB" says more.',
  ].join("\n");
}

/** Returns the usage of one verb, and where more is said of it. */
export function usageOf(command: Command): string {
  return `${usageLine(command)}\n"aphlict help ${command.verb}" says more.`;
}

/** Explains what one verb does and takes. */
export function helpOn(command: Command): string {
  return [
    usageLine(command),
    "",
    command.synopsis,
    "",
    ...wrap(command.details, ""),
    ...listed(command.options).flatMap(({ name, value, choices, help }) => [
      "",
      `  --${name}${value === undefined ? "" : ` ${choices?.join("|") ?? value}`}`,
      ...wrap(help, "      "),
    ]),
  ].join("\n");
}

function usageLine(command: Command): string {
  const { verb, operands, options } = command;
  const parts = ["Usage: aphlict", verb, ...(listed(options).length > 0 ? ["[OPTION...]"] : [])];
  if (operands) parts.push(operands);
  return parts.join(" ");
}

/** Breaks a text into lines of at most `width` characters, as far as its words allow. */
export function wrap(text: string, indent: string, width: number = WIDTH): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && indent.length + line.length + 1 + word.length > width) {
      lines.push(indent + line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, indent + line];
}
