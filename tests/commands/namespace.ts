/**
 * A user namespace and a mount namespace for one command. The command is root there, has none of root's capabilities
 * outside, and can become every user with an id up to 65535. Its root folder and a folder for temporary files are its own,
 * so that all that is above a temporary file belongs to root. It sees the host's files where they are. It cannot change
 * them, except in `/dev` and `/proc` and in what is mounted below the host's other folders.
 *
 * Root gives its own user ids to the namespace, so that its files and processes are root's inside as well. Another user
 * becomes root of the namespace, whose other ids are those that `/etc/subuid` and `/etc/subgid` give to the user.
 *
 * @module
 */

import type { Outcome } from "../acceptance/process.ts";
import { Folder } from "../folder.ts";
import { denoDir } from "../acceptance/installation.ts";
import { type Launch, must, Process } from "../acceptance/process.ts";

/** How many user ids, and group ids, there are in the namespace. */
const IDS = 65_536;

/** The folder for temporary files in the namespace. */
const TEMPORARY = "/aphlict-tests";

/** A command that runs longer is an error. */
const LIMIT_MS = 15 * 60_000;

/**
 * Shell code that makes the root folder in the new namespaces, and runs a command there. Its arguments: a folder to make
 * it in, Deno's cache, and the command.
 *
 * A program that is started once the ids exist has the rights of root. This shell is older, and has none.
 */
const SCRIPT = `set -eu
echo unshared
read -r _
folder=$1 cache=$2
shift 2
mkdir "$folder/root" "$folder/temporary"
mount -t tmpfs -o mode=755 tmpfs "$folder/root"
echo mounted
for path in /*; do
  if [ -L "$path" ]; then
    cp -P "$path" "$folder/root$path"
  elif [ -d "$path" ]; then
    mkdir "$folder/root$path"
    mount --rbind "$path" "$folder/root$path"
    case $path in
      /dev | /proc) ;;
      *) mount -o remount,bind,ro "$folder/root$path" ;;
    esac
  fi
done
mkdir "$folder/root${TEMPORARY}" "$folder/temporary/cache"
cp -r "$cache/npm" "$folder/temporary/cache"
mount --bind "$folder/temporary" "$folder/root${TEMPORARY}"
chmod 1777 "$folder/root${TEMPORARY}"
code=0
chroot "$folder/root" sh -c 'cd "$1"; shift; exec "$@"' sh "$PWD" "$@" 2>&1 || code=$?
# Outside, this user may not remove what other users have made.
rm -rf "$folder/temporary"
exit "$code"
`;

/** Thrown when the host lets this user have no such namespaces. */
export class NoNamespace extends Error {
  override name = "NoNamespace";

  /** @param why As a part of a sentence; it becomes one line. */
  constructor(why: string) {
    super(why.trim().replaceAll(/\s+/g, " "));
  }
}

/** A kind of ids. */
type Kind = "uid" | "gid";

/**
 * Runs a command as root of new namespaces, in the folder of this process. Its environment is that of this process with
 * the variables of `env`. `TMPDIR` names the temporary folder, `DENO_DIR` a copy of the cache.
 *
 * @throws {NoNamespace} With the reason, and what to do about it.
 */
export async function runInNamespace(
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  using folder = new Folder("aphlict-namespace-");
  const mapsOf = Deno.uid() === 0 ? identity : subordinate();
  await using process = launch("unshare", [
    ...["--user", "--mount", "--", "sh", "-c", SCRIPT, "sh", folder.path, denoDir(), ...command],
  ], {
    env: {
      ...env,
      // The folder of chroot is not on every user's PATH.
      PATH: `${Deno.env.get("PATH") ?? ""}:/usr/sbin:/sbin`,
      DENO_DIR: `${TEMPORARY}/cache`,
      TMPDIR: TEMPORARY,
    },
    hasInput: true,
  });
  await reach(process, /^unshared$/, "unshare makes no namespaces");
  for (const kind of ["uid", "gid"] as const) mapsOf(process.pid, kind);
  await process.input("The ids exist.\n");
  await reach(process, /^mounted$/, "nothing can be mounted in a namespace");
  return await process.outcome(LIMIT_MS);
}

/** Starts a program. */
function launch(command: string, args: readonly string[], how: Launch): Process {
  try {
    return new Process(command, args, how);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new NoNamespace(`${command} is missing (apt-get install util-linux)`);
  }
}

/** Waits for a line of a process. The process ends without it where the kernel forbids what comes before. */
async function reach(process: Process, line: RegExp, failure: string): Promise<void> {
  try {
    await process.line(line);
  } catch (error) {
    if (!process.hasEnded) throw error;
    throw new NoNamespace(`${failure}: ${process.output}`);
  }
}

/** Gives the ids of the host to a process's namespace, each under its own number. */
function identity(pid: number, kind: Kind): void {
  try {
    Deno.writeTextFileSync(`/proc/${pid}/${kind}_map`, `0 0 ${IDS}\n`);
  } catch (error) {
    throw new NoNamespace(
      `the ids 0 to ${IDS - 1} cannot be had in a namespace: ${messageOf(error)}`,
    );
  }
}

/** Returns a function that makes this user root of a process's namespace, and gives the user's subordinate ids to it. */
function subordinate(): (pid: number, kind: Kind) => void {
  const own = { uid: Deno.uid() ?? 0, gid: Deno.gid() ?? 0 };
  const first = { uid: firstSubordinate("uid"), gid: firstSubordinate("gid") };
  return (pid, kind) => {
    const maps = [0, own[kind], 1, 1, first[kind], IDS - 1];
    try {
      must(`new${kind}map`, [pid, ...maps].map(String));
    } catch (error) {
      const isMissing = error instanceof Deno.errors.NotFound;
      throw new NoNamespace(
        isMissing ? `new${kind}map is missing (apt-get install uidmap)` : messageOf(error),
      );
    }
  };
}

/** Returns the first of this user's subordinate ids, of which there are enough. */
function firstSubordinate(kind: Kind): number {
  const { stdout } = new Deno.Command("id", { args: ["-un"] }).outputSync();
  const user = new TextDecoder().decode(stdout).trim();
  const path = `/etc/sub${kind}`;
  for (const line of linesOf(path)) {
    const [whose = "", first, count] = line.split(":");
    if ([user, `${Deno.uid()}`].includes(whose) && Number(count) >= IDS - 1) return Number(first);
  }
  throw new NoNamespace(
    `${path} gives no ${
      IDS - 1
    } ids to user ${user} (usermod --add-sub${kind}s FIRST-LAST ${user})`,
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function linesOf(path: string): string[] {
  try {
    return Deno.readTextFileSync(path).split("\n");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
