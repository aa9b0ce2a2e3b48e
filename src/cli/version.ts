/**
 * `aphlict version`, and the internal `aphlict deno`.
 *
 * @module
 */

import { denoWarning, VERSION } from "../version.ts";
import { type Command, EXIT, JSON_OPTION } from "./command.ts";
import { print, printCode, printJson } from "./output.ts";

/** Prints the versions that a report of a problem should name. */
export const version: Command = {
  verb: "version",
  synopsis: "Print the versions of Aphlict, Deno and V8, and what this is.",
  details:
    "It is run from source, is a bundle in one file, or was compiled for one configuration. Name all of it " +
    "when you report a problem.",
  options: [JSON_OPTION],
  run({ program, options }) {
    const { deno, v8 } = Deno.version;
    if (options.has(JSON_OPTION.name)) {
      printJson({ aphlict: VERSION, kind: program.kind, deno, v8 });
    } else print(`aphlict ${VERSION} (${program.kind}, deno ${deno}, v8 ${v8})`);
    return EXIT.done;
  },
};

/** Prints the path of the binary that runs this, and a line about another Deno than the tested one. */
export const deno: Command = {
  verb: "deno",
  synopsis: "Print the path of the deno binary that runs this.",
  details:
    "bin/aphlict asks for it, and learns thereby whether the dependencies are there. A second line " +
    "warns of a Deno that Aphlict is not made for.",
  options: [],
  internal: true,
  async run({ program }) {
    // The dependency that this process has no use for: without it, the others would fail later.
    if (program.kind === "source") await import("@logtape/logtape");
    const warning = denoWarning(Deno.version.deno);
    printCode([Deno.execPath(), ...warning === null ? [] : [`${warning}.`]].join("\n"));
    return EXIT.done;
  },
};
