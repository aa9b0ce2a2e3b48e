/**
 * A command for tests of what is made of the table of commands.
 *
 * @module
 */

import type { Command } from "../../src/cli/command.ts";

/** A command, with what matters to a test. */
export function command(parts: Partial<Command>): Command {
  return {
    verb: "fly",
    synopsis: "Take off.",
    details: "Up.",
    options: [],
    run: () => 0,
    ...parts,
  };
}
