/**
 * What `check` says as root of files that are root's or a hostile user's, and whether it starts with them.
 */

import { HOSTILE, hostile } from "../../acceptance/hostile.ts";
import { type Case, pair, testCase } from "../judgement.ts";
import { must } from "../../acceptance/process.ts";
import { serversOn } from "../../acceptance/site.ts";

function forRootAlone(path: string): void {
  must("chown", ["root:root", path]);
  Deno.chmodSync(path, 0o600);
}

/** Locks a pidfile as another user's supervisor would. */
const LOCK = 'exec 9<>"$1"; flock 9; printf %s $$ >&9; echo ready; exec sleep 60 >&-';

const CASES: readonly Case[] = [
  {
    name: "a log that may not be written",
    change: (folder) => {
      Deno.writeTextFileSync(`${folder}/a.log`, "");
      return { logs: [{ path: `${folder}/a.log` }] };
    },
    prepare: (site) => forRootAlone(`${site.folder}/a.log`),
    starts: false,
  },
  {
    name: "a pidfile in somebody else's folder that everybody can write",
    change: (folder) => {
      Deno.mkdirSync(`${folder}/theirs`);
      return { pidfile: `${folder}/theirs/a.pid` };
    },
    prepare: (site) => {
      must("chown", [`${HOSTILE}:${HOSTILE}`, `${site.folder}/theirs`]);
      Deno.chmodSync(`${site.folder}/theirs`, 0o777);
    },
    starts: false,
  },
  {
    name: "somebody else's stale pidfile in a folder like /tmp",
    change: (folder) => {
      Deno.mkdirSync(`${folder}/shared`);
      return { pidfile: `${folder}/shared/a.pid` };
    },
    prepare: (site) => {
      site.close(`${site.folder}/shared`, 0o1777);
      Deno.writeTextFileSync(`${site.folder}/shared/a.pid`, "1");
      must("chown", [`${HOSTILE}`, `${site.folder}/shared/a.pid`]);
    },
    starts: false,
  },
  {
    name: "a pidfile that somebody else's Aphlict holds",
    change: (folder) => {
      Deno.mkdirSync(`${folder}/shared`);
      return { pidfile: `${folder}/shared/a.pid` };
    },
    prepare: (site) => {
      site.close(`${site.folder}/shared`, 0o1777);
      return hostile(LOCK, `${site.folder}/shared/a.pid`);
    },
    starts: false,
  },
  {
    name: "a key that only root may read",
    change: (folder, ports) => serversOn(ports, pair(folder)),
    prepare: (site) => forRootAlone(`${site.folder}/tls.key`),
    starts: false,
  },
];

for (const each of CASES) testCase(each);
