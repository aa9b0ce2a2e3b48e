/**
 * The command line: finds the verb, reads its options, runs it.
 *
 * @module
 */

import { ExpectedError } from "../config/error.ts";
import { identify, type Program } from "../config/program.ts";
import { withoutEnd } from "../text.ts";
import { type Parsed, parseOptions, UsageError } from "./args.ts";
import {
  allCommands,
  type Command,
  type CommandTable,
  CONFIG_OPERAND,
  CONFIG_OPTION,
  EXIT,
  findCommand,
  JSON_OPTION,
  operandRange,
} from "./command.ts";
import { help, helpOn, overview, usageOf } from "./help.ts";
import { print, printError, printFailure } from "./output.ts";

/** The table of commands, in the order of the help. */
const COMMANDS: CommandTable = new Map([
  ["start", async () => (await import("./start.ts")).start],
  ["stop", async () => (await import("./stop.ts")).stop],
  ["restart", async () => (await import("./restart.ts")).restart],
  ["reload", async () => (await import("./reload.ts")).reload],
  ["status", async () => (await import("./status.ts")).status],
  ["health", async () => (await import("./health.ts")).health],
  ["run", async () => (await import("./run.ts")).run],
  ["serve", async () => (await import("./serve.ts")).serve],
  ["debug", async () => (await import("./serve.ts")).debug],
  ["check", async () => (await import("./check.ts")).check],
  ["doctor", async () => (await import("./doctor.ts")).doctor],
  ["top", async () => (await import("./top.ts")).top],
  ["listen", async () => (await import("./listen.ts")).listen],
  ["send", async () => (await import("./send.ts")).send],
  ["permissions", async () => (await import("./permissions.ts")).permissions],
  ["version", async () => (await import("./version.ts")).version],
  ["help", () => Promise.resolve(help)],
  ["deno", async () => (await import("./version.ts")).deno],
  ["launch", async () => (await import("./launch.ts")).launch],
  ["supervisor", async () => (await import("./run.ts")).supervisor],
  ["service", async () => (await import("./serve.ts")).service],
  ["trial", async () => (await import("./trial.ts")).trial],
]);

/** Loads all commands, for what is made of them. */
export function loadCommands(): Promise<readonly Command[]> {
  return allCommands(COMMANDS);
}

/**
 * Runs a command line.
 *
 * @param path Path of the main module.
 * @param args Arguments after `aphlict`.
 * @returns The exit code: 0 done, 1 failed, 2 wrong usage.
 */
export async function main(path: string, args: readonly string[]): Promise<number> {
  const { program, argv } = identify(path, args);
  try {
    return await dispatch(argv, program);
  } catch (error) {
    if (error instanceof UsageError) {
      printError([error.message, "", ...(await usageFor(argv)).split("\n")]);
      return EXIT.usage;
    }
    if (error instanceof ExpectedError) {
      if (await wantsJson(argv)) printFailure(error);
      else printError(error.message);
      return EXIT.failed;
    }
    const report = error instanceof Error ? error.stack ?? error.message : String(error);
    printError(`Unexpected error, please report it:\n${report}`);
    return EXIT.failed;
  }
}

/** Tells whether a command line, which has been parsed, asks for JSON. */
async function wantsJson([verb = "", ...args]: readonly string[]): Promise<boolean> {
  const command = await COMMANDS.get(verb)?.();
  if (command === undefined) return false;
  const { values } = parseOptions(args, command.options);
  return values.has(JSON_OPTION.name) || values.get("format") === "json";
}

/** Returns the usage of the verb that was typed, or the list of all verbs where there is no such verb. */
async function usageFor([verb = ""]: readonly string[]): Promise<string> {
  const command = await COMMANDS.get(verb)?.();
  return command === undefined ? overview(await loadCommands()) : usageOf(command);
}

async function dispatch(argv: readonly string[], program: Program): Promise<number> {
  const [verb, ...args] = argv;
  if (verb === undefined) {
    printError(overview(await loadCommands()));
    return EXIT.usage;
  }
  if (verb === "--help" || verb === "-h") return await dispatch(["help", ...args], program);
  if (verb === "--version" || verb === "-V") return await dispatch(["version", ...args], program);
  const command = await findCommand(COMMANDS, verb);
  // No argument behind "--" is an option.
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  if (args.slice(0, end).some((argument) => argument === "--help" || argument === "-h")) {
    print(helpOn(command));
    return EXIT.done;
  }
  const parsed = parseOptions(args, command.options);
  const { min, max } = operandRange(command);
  if (parsed.rest.length > max) {
    throw new UsageError(`"${verb}" does not take "${parsed.rest.at(-1)}".`);
  }
  if (parsed.rest.length < min) {
    throw new UsageError(`"${verb}" needs ${withoutEnd(command.operands ?? "", ".")}.`);
  }
  const { values, rest } = withFile(command, parsed);
  if (program.kind === "compiled") {
    const { refuseUncovered } = await import("./compiled.ts");
    refuseUncovered(verb, program, values);
  }
  return await command.run({ program, options: values, rest, commands: COMMANDS });
}

/** Adds the file that was typed without `--config` to the options, where the command takes that. */
function withFile({ verb, operands }: Command, parsed: Parsed): Parsed {
  const { values, rest: [file, ...others] } = parsed;
  if (operands !== CONFIG_OPERAND || file === undefined) return parsed;
  if (values.has(CONFIG_OPTION.name)) {
    throw new UsageError(`"${verb}" takes one configuration file: "${file}", or that of --config.`);
  }
  return { values: new Map([...values, [CONFIG_OPTION.name, file]]), rest: others };
}
