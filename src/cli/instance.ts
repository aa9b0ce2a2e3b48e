/**
 * The option of every command that talks to one instance.
 *
 * @module
 */

import { type OptionSpec, UsageError } from "./args.ts";

/** See the module. */
export const INSTANCE_OPTION: OptionSpec = {
  name: "instance",
  value: "NAME",
  help: "The instance of Phorge, where one Aphlict serves several. Default: the unnamed one.",
};

/**
 * The instance that was asked for; `undefined` for the default one.
 *
 * @throws {UsageError} If it cannot be: browsers name it in a path, as it is.
 */
export function instanceIn(options: ReadonlyMap<string, string>): string | undefined {
  const name = options.get(INSTANCE_OPTION.name);
  if (name !== undefined && !/^[\w.@:+-]{1,256}$/.test(name)) {
    throw new UsageError(
      `"--instance ${name}" is no name of an instance: it has letters, digits and -._@:+, 256 at most.`,
    );
  }
  return name;
}
