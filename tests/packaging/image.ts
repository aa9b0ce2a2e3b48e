/**
 * What the repository says of its image: the Dockerfile, and the command that the guide runs it with.
 *
 * @module
 */

import { ROOT } from "../acceptance/program.ts";

/** An instruction of a Dockerfile, in one line: `COPY`, and what stands behind it. */
export interface Instruction {
  readonly name: string;
  readonly argument: string;
}

/** An option of a command line: its name without dashes, and its value, which is empty for a switch. */
export type Option = readonly [name: string, value: string];

/** The instructions of the Dockerfile, in its order. */
export function instructions(): Instruction[] {
  return lines(Deno.readTextFileSync(`${ROOT}Dockerfile`))
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [, name = "", argument = ""] = /^(\w+)\s+(.*)$/.exec(line) ?? [];
      return { name, argument };
    });
}

/** What stands behind an instruction, each time that there is one of this name. */
export function argumentsOf(name: string): string[] {
  return instructions().filter((each) => each.name === name).map(({ argument }) => argument);
}

/** What stands behind an instruction that there must be once. */
export function argumentOf(name: string): string {
  const [only, ...more] = argumentsOf(name);
  if (only === undefined || more.length > 0) throw new Error(`There is not one ${name}`);
  return only;
}

/** The images that it is made from, each once. */
export function bases(): string[] {
  return [...new Set(argumentsOf("FROM").map((argument) => argument.split(" ")[0] ?? ""))];
}

/** The command of the guide that begins with these words, as one line. */
export function command(...words: readonly string[]): string {
  const found = lines(Deno.readTextFileSync(`${ROOT}docs/install.md`))
    .filter((line) => line.startsWith(`${words.join(" ")} `));
  if (found.length !== 1) throw new Error(`The guide has ${found.length} of ${words.join(" ")}`);
  return found[0] ?? "";
}

/** The arguments of `docker build` in the guide, as a shell takes them. */
export function buildArguments(): string {
  return [...command("docker", "build").matchAll(/--build-arg \w+="[^"]*"/g)].join(" ");
}

/** The options of `docker run` in the guide. */
export function runOptions(): Option[] {
  const [, , ...words] = command("docker", "run").split(" ");
  const options: [string, string][] = [];
  // The last word is the image.
  for (const word of words.slice(0, -1)) {
    if (word.startsWith("--")) options.push([word.slice(2), ""]);
    else options.at(-1)?.splice(1, 1, word);
  }
  return options;
}

/** Lines without their indentation; one that ends with a backslash goes on in the next. */
function lines(text: string): string[] {
  return text.replaceAll(/\s*\\\n\s*/g, " ").split("\n").map((line) => line.trim());
}
