/**
 * Servers that are not ours, to stand in a cluster with ours: the Node.js Aphlict itself, where this
 * machine has it, and a stand-in that speaks as it does.
 *
 * @module
 */

import { Folder } from "../folder.ts";
import type { Place, Start } from "./cluster.ts";
import { Process } from "./process.ts";
import { status, writeConfig } from "./server.ts";
import { ROOT } from "./program.ts";
import { until } from "./until.ts";

/** The environment variable that names the folder of the original's `aphlict_server.js`. */
const ORIGINAL = "APHLICT_ORIGINAL";

/** A kind of server. */
export interface Kind {
  readonly name: string;
  readonly start: Start;
}

/** The kinds that this machine has. Where the real one is missing, it is said on stderr. */
export function originals(): Kind[] {
  const folder = Deno.env.get(ORIGINAL);
  const script = new URL("original.ts", import.meta.url).pathname;
  const standIn = starter((config) => [
    Deno.execPath(),
    "run",
    `--config=${ROOT}deno.json`,
    "--no-prompt",
    "--allow-net=127.0.0.1",
    `--allow-read=${config}`,
    script,
  ]);
  const kinds: Kind[] = [{ name: "a stand-in for the original", start: standIn }];
  if (folder) {
    const start = starter(() => ["node", `${folder}/aphlict_server.js`]);
    kinds.push({ name: "the Node.js original", start });
  } else {
    Deno.stderr.writeSync(new TextEncoder().encode(NOT_TRIED));
  }
  return kinds;
}

const NOT_TRIED = `
*** The cluster with the real Node.js Aphlict was NOT tried, only one with a stand-in for it. To try
*** it: check out Phorge, run "npm install ws@7" in its support/aphlict/server, and name that
*** folder, the one that holds aphlict_server.js: ${ORIGINAL}=FOLDER deno task test

`;

function starter(command: (config: string) => readonly string[]): Start {
  return async ({ ports: [client, admin], peers }: Place) => {
    const folder = new Folder();
    const listen = "127.0.0.1";
    const { path } = writeConfig(folder, {
      servers: [{ type: "client", port: client, listen }, { type: "admin", port: admin, listen }],
      cluster: peers,
    });
    const [program = "", ...args] = command(path);
    const process = new Process(program, [...args, `--config=${path}`]);
    const member = {
      process,
      folder: folder.path,
      client,
      admin,
      log: () => process.output,
      async [Symbol.asyncDispose]() {
        await process[Symbol.asyncDispose]();
        folder[Symbol.dispose]();
      },
    };
    try {
      // It says in its log that it listens; the answer is what counts.
      await until(() => process.hasEnded || status(admin).then(() => true, () => false));
      if (process.hasEnded) throw new Error("It has ended");
    } catch (error) {
      await member[Symbol.asyncDispose]();
      throw new Error(`It does not answer:\n${process.output}`, { cause: error });
    }
    return member;
  };
}
