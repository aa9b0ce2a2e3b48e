/**
 * As whom root does what a configuration says.
 *
 * Root trusts nothing that another user can write. So it becomes the user that runs Aphlict, for every command: what the
 * user's files hold or lead to, and which process the pidfile names, can then harm nobody else.
 *
 * @module
 */

import type { Config } from "../config/config.ts";
import { follow, nameOf, ownersOf, type Writer } from "./trust.ts";

/** A user that root becomes. */
export interface Identity {
  /** Its name, or its number. */
  readonly user: string;
  /** Whether the configuration names it; else it may have no entry in the host's list of users. */
  readonly isNamed: boolean;
  /** The user id that it has to have, as the configuration belongs to that one; `null`: to root. */
  readonly owner: number | null;
}

/** A configuration that root must not go by. The message says why, and what to do. */
export class IdentityError extends Error {
  override readonly name = "IdentityError";
}

/**
 * Decides whom root becomes: the configuration's `user`, else the owner of the pidfile, else the owner of the
 * configuration. `null`: all of them are root's.
 *
 * @param path The configuration file.
 * @throws {IdentityError} If somebody besides root and that user can change the configuration.
 */
export function identityFor(
  path: string,
  { user, pidfile }: { readonly user: Config["user"]; readonly pidfile: string },
): Identity | null {
  const owner = ownerOfConfig(path);
  if (user !== null) return { user, isNamed: true, owner };
  const info = follow(pidfile).info;
  const running = info?.isFile && info.uid !== null && info.uid !== 0 ? info.uid : null;
  if (running !== null && owner !== null && running !== owner) {
    throw new IdentityError(
      `Pidfile ${pidfile} belongs to user ${running}, and configuration ${path}, which names it, to user ${owner}: ` +
        "root does nothing for one of them to the other. Give the configuration to root.",
    );
  }
  const uid = running ?? owner;
  return uid === null ? null : { user: `${uid}`, isNamed: false, owner };
}

/** Returns the only user besides root who can change a configuration; `null`: none. */
function ownerOfConfig(path: string): number | null {
  const { writers, info, existing } = follow(path);
  const all: readonly Writer[] = info === null
    ? writers
    : [...writers, ...ownersOf(existing, info)];
  const owners = new Set(all.filter(({ who }) => who === "user").map(({ id }) => id));
  const stranger = all.find(({ who }) => who !== "user") ?? (owners.size > 1 ? all[0] : undefined);
  if (stranger !== undefined) {
    throw new IdentityError(
      `Configuration ${path} can be changed by ${
        nameOf(stranger)
      }, who can write ${stranger.path}: root does not do ` +
        `what it says. Take that right away (chmod go-w, chown root), or run the command as another user.`,
    );
  }
  const [owner = null] = owners;
  return owner;
}
