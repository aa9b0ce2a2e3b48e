/**
 * The users who can change what a path leads to. Root, and the user that runs Aphlict, must not rely on a path that
 * others can change.
 *
 * @module
 */

import { dirname, join, resolve } from "node:path";

/** The most symbolic links that are followed, as many as Linux follows. */
const LINKS = 40;

const GROUP_WRITE = 0o020;
const OTHERS_WRITE = 0o002;
const STICKY = 0o1000;

/** A user or group besides root that can replace a part of a path by another file or folder. */
export interface PathWriter {
  /** The folder that it can change, or the file. */
  readonly path: string;
  readonly who: "user" | "group" | "everyone";
  /** The user id or group id; 0 for everyone. */
  readonly id: number;
  /** True if it can only make what does not exist yet, as everybody can in `/tmp`. */
  readonly onlyNew: boolean;
  /** True if it has put the next component there itself, into a folder that is open to others, as `/tmp` is. */
  readonly hasMade?: true;
}

/** A path with all parts that it depends on. */
export interface Way {
  /** The users and groups besides root that can change where it leads, each once for each folder. */
  readonly writers: readonly PathWriter[];
  /** The deepest part that exists, without links. */
  readonly existing: string;
  /** The names below that which do not exist, the uppermost first. */
  readonly missing: readonly string[];
  /** The file or folder itself; `null` when it does not exist. */
  readonly info: Deno.FileInfo | null;
}

/**
 * Follows a path, component by component and through every link. A folder counts as changeable by all who can write it.
 * A folder with the sticky bit, such as `/tmp`, counts so only for the owner of the next component, or for everybody if
 * there is none yet. A part that cannot be looked at counts as absent, and so does the end of too many links: its use
 * fails with the reason.
 */
export function follow(path: string): Way {
  const writers = new Map<string, PathWriter>();
  const names = namesOf(resolve(path));
  let at = "/";
  let info: Deno.FileInfo | null = look(at);
  for (let links = 0; names.length > 0;) {
    const name = names.shift() ?? "";
    const next = name === ".." ? dirname(at) : join(at, name);
    const found = look(next);
    if (info !== null) {
      for (const each of writersOf(at, info, found)) {
        writers.set(JSON.stringify(each), each);
      }
    }
    if (found === null) {
      return {
        writers: [...writers.values()],
        existing: at,
        missing: [name, ...names],
        info: null,
      };
    }
    if (!found.isSymlink) {
      [at, info] = [next, found];
      continue;
    }
    const target = ++links > LINKS ? null : readLink(next);
    if (target === null) {
      const missing = [name, ...names];
      return { writers: [...writers.values()], existing: at, missing, info: null };
    }
    names.unshift(...namesOf(target));
    if (target.startsWith("/")) [at, info] = ["/", look("/")];
  }
  return { writers: [...writers.values()], existing: at, missing: [], info };
}

/** Returns a path without links. The parts that do not exist yet count as no links. */
export function resolvedPath(path: string): string {
  const { existing, missing } = follow(path);
  return join(existing, ...missing);
}

/**
 * Returns the users and groups that can replace a part of a path, in spite of the user of this process: others than
 * root, that user and the user's own group.
 */
export function strangersOn({ writers }: Way): PathWriter[] {
  const [uid, gid] = [Deno.uid() ?? 0, Deno.gid() ?? 0];
  return writers.filter(({ who, id, onlyNew }) =>
    !onlyNew && (who === "everyone" || id !== (who === "user" ? uid : gid))
  );
}

/** Names a writer, as the end of a sentence. */
export function nameOf({ who, id }: PathWriter): string {
  return who === "everyone" ? "every user of this host" : `${who} ${id}`;
}

/** Returns the writers of a file or folder by its own owner and mode. */
export function ownersOf(path: string, { uid, gid, mode }: Deno.FileInfo): PathWriter[] {
  const bits = mode ?? 0;
  const all: PathWriter[] = [];
  const add = (who: PathWriter["who"], id: number) => all.push({ path, who, id, onlyNew: false });
  if (uid !== null && uid !== 0) add("user", uid);
  if (gid !== null && gid !== 0 && (bits & GROUP_WRITE) !== 0) add("group", gid);
  if ((bits & OTHERS_WRITE) !== 0) add("everyone", 0);
  return all;
}

/** Returns the users and groups that can replace an entry of a folder, or make it if there is none. */
function writersOf(folder: string, info: Deno.FileInfo, entry: Deno.FileInfo | null): PathWriter[] {
  const all = ownersOf(folder, info);
  if (((info.mode ?? 0) & STICKY) === 0) return all;
  if (entry === null) return all.map((each) => ({ ...each, onlyNew: each.who !== "user" }));
  const owners = all.filter(({ who }) => who === "user");
  if (entry.uid === null || entry.uid === 0) return owners;
  const maker: PathWriter = { path: folder, who: "user", id: entry.uid, onlyNew: false };
  return [...owners, ((info.mode ?? 0) & OTHERS_WRITE) === 0 ? maker : { ...maker, hasMade: true }];
}

function namesOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}

function look(path: string): Deno.FileInfo | null {
  try {
    return Deno.lstatSync(path);
  } catch {
    return null;
  }
}

/** Returns the target of a link; `null` when it is none any more. */
function readLink(path: string): string | null {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return null;
  }
}
