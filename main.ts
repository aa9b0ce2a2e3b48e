/**
 * Aphlict on Deno: the notification server of Phorge. Argv in, exit code out.
 *
 * @module
 */

import { main } from "./src/cli/cli.ts";

if (import.meta.main) {
  Deno.exit(await main(import.meta.filename ?? "main.ts", Deno.args));
}
