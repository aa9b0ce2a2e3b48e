/**
 * The user that root becomes to carry out a configuration.
 *
 * Root trusts no file that another user can write. So it becomes the user that runs Aphlict, for every command. The
 * contents and links of the user's files, and the process that the pidfile names, can then harm nobody else.
 *
 * @module
 */

import { ExpectedError } from "../config/error.ts";
import type { Config } from "../config/config.ts";
import { follow, nameOf, ownersOf, type PathWriter } from "./trust.ts";

/** A user that root becomes. */
export interface UserIdentity {
  /** The name of the user, or its number. */
  readonly user: string;
  /** True if the configuration names the user; else the host's list of users may have no entry for it. */
  readonly isNamed: boolean;
  /** The user id that it has to have, as that user owns the configuration; `null`: root owns it. */
  readonly owner: number | null;
}

/** The error about a configuration that root must not use. The message says why, and what to do. */
class IdentityError extends ExpectedError {
  override readonly name = "IdentityError";
}

/** The facts that decide the identity, beside the configuration's owner. */
export interface Claim {
  /** The configuration's `user`. */
  readonly user: Config["user"];
  readonly pidfile: string;
  /** True if the command is for a running Aphlict, and starts nothing. */
  readonly isForRunning: boolean;
}

/**
 * Decides which user root becomes: the configuration's `user`, else the owner of the pidfile, else the owner of the
 * configuration. `null`: all of them are root's, or the running Aphlict is.
 *
 * @param path The configuration file.
 * @param owner The result of {@linkcode ownerOfConfig}.
 * @throws {IdentityError} If the pidfile's owner may be forged, or is not the configuration's owner.
 */
export function identityFor(
  path: string,
  owner: number | null,
  { user, pidfile, isForRunning }: Claim,
): UserIdentity | null {
  const { info, writers } = follow(pidfile);
  const holder = info?.isFile ? info.uid : null;
  // Root has started it with --as-root.
  if (isForRunning && owner === null && holder === 0) return null;
  if (user !== null) return { user, isNamed: true, owner };
  const running = holder === 0 ? null : holder;
  const maker = writers.find(({ hasMade }) => hasMade === true);
  if (running !== null && running !== owner && maker !== undefined) {
    throw new IdentityError(
      `Pidfile ${pidfile} belongs to user ${running}, whom ${path} does not name, and user ${maker.id} has put its folder ` +
        `into ${maker.path}, as everybody can: root does not become that user. Name the user as "user", or run the ` +
        "command as the user that runs Aphlict.",
    );
  }
  if (running !== null && owner !== null && running !== owner) {
    throw new IdentityError(
      `Pidfile ${pidfile} belongs to user ${running}, and configuration ${path}, which names it, to user ${owner}: ` +
        "root does nothing for one of them to the other. Give the configuration to root.",
    );
  }
  const uid = running ?? owner;
  return uid === null ? null : { user: `${uid}`, isNamed: false, owner };
}

/** Returns an identity for a configuration that cannot be read: its owner's; `null`: it is root's. */
export function identityOfOwner(owner: number | null): UserIdentity | null {
  return owner === null ? null : { user: `${owner}`, isNamed: false, owner };
}

/**
 * Returns the only user besides root who can change a configuration; `null`: none.
 *
 * @throws {IdentityError} If others can change it as well.
 */
export function ownerOfConfig(path: string): number | null {
  const { writers, info, existing } = follow(path);
  const all: readonly PathWriter[] = info === null
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
