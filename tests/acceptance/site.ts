/**
 * An Aphlict whose configuration names its user, and the commands that an administrator types for it: as root where the
 * tests run as root.
 *
 * @module
 */

import { Daemon } from "./daemon.ts";
import { execute, Installation } from "./installation.ts";
import { freePorts } from "./ports.ts";
import { must, type Outcome } from "./process.ts";

/** The user that root becomes: one that every host has. */
export const USER = "daemon";

/** Ports of a configuration's servers. */
export interface Ports {
  readonly client: number;
  readonly admin: number;
}

/** How a {@linkcode Site} is made. */
export interface SiteOptions {
  /** Whose the folder is with all that is in it, where the tests run as root. @default {"user"} */
  readonly owner?: "user" | "root";
  /** The configuration's `user`, where the tests run as root; `null`: none. @default {"daemon"} */
  readonly user?: string | null;
}

/** See the module. Dispose of it: whatever runs is killed. */
export class Site implements AsyncDisposable {
  readonly installation: Installation = installed();
  readonly daemon: Daemon;
  readonly ports: Ports;
  #path: string;

  /** @param change Keys to change, and files to write into the folder. */
  constructor(
    change: (folder: string, ports: Ports) => object = () => ({}),
    { owner = "user", user = USER }: SiteOptions = {},
  ) {
    const [client = 0, admin = 0] = freePorts(2);
    this.ports = { client, admin };
    this.daemon = new Daemon((folder) => ({
      ...serversOn(this.ports),
      ...isRoot() && user !== null ? { user } : {},
      ...change(folder, this.ports),
    }));
    this.#path = this.daemon.written.path;
    Deno.chmodSync(this.folder, 0o755);
    if (isRoot() && owner === "user") must("chown", ["-hR", USER, this.folder]);
  }

  /** The folder of all its files. */
  get folder(): string {
    return this.daemon.folder.path;
  }

  /** Runs a command. One that hangs is ended after 20 s, with code 124. */
  run(
    verb: string,
    ...args: string[]
  ): Promise<Outcome> {
    const { command, env } = this.installation;
    return execute("timeout", ["20", command, verb, "--config", this.#path, ...args], env);
  }

  /** Names the configuration by another path from now on. */
  nameConfiguration(path: string): void {
    this.#path = path;
  }

  /** Takes a folder from the user: it is root's, or its own without the right to write. */
  close(folder: string, mode = 0o755): void {
    if (isRoot()) must("chown", ["root:root", folder]);
    Deno.chmodSync(folder, isRoot() ? mode : 0o555);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon[Symbol.asyncDispose]();
  }
}

/** The keys of two servers in plain text, or with more. */
export function serversOn({ client, admin }: Ports, ofClient = {}, ofAdmin = {}): object {
  return {
    servers: [
      { type: "client", port: client, listen: "127.0.0.1", ...ofClient },
      { type: "admin", port: admin, listen: "127.0.0.1", ...ofAdmin },
    ],
  };
}

let shared: Installation | null = null;

/** Returns the installation that all sites of a file of tests have, as copying a runtime takes longer than a start. */
function installed(): Installation {
  if (shared === null) {
    const made = new Installation();
    addEventListener("unload", () => made[Symbol.dispose]());
    shared = made;
  }
  return shared;
}

function isRoot(): boolean {
  return Deno.uid() === 0;
}
