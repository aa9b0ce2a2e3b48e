/**
 * The rules of a configuration file. They are those of Phorge's own start command, plus those that the
 * service's sandbox and log rotation need.
 *
 * @module
 */

import { type Config } from "./config.ts";
import { formatAddress } from "./host_name.ts";
import { ConfigError, type Problem } from "./error.ts";
import { checkFiles, type FileUse } from "./files.ts";
import { canonicalHost } from "./host_name.ts";
import { ANY_SERVER_KEYS, LOG_KEYS, PEER_KEYS, ROOT, TOP_KEYS } from "./keys.ts";
import { logFiles } from "./logs.ts";
import { filesBeside } from "./pidfile.ts";
import { Place } from "./schema.ts";
import { checkServers, serverConfig } from "./servers.ts";
import { type Draft, filled, type Table, valuesOf } from "./table.ts";
import { quote } from "../text.ts";

/**
 * Checks a parsed configuration file and fills in the defaults.
 *
 * @param path The file that it was read from, as it was named.
 * @throws {ConfigError} With every problem of the file.
 */
export function validate(path: string, value: unknown): Config {
  const problems: Problem[] = [];
  const place = new Place("", problems);
  const draft = ROOT.read(value, place);
  if (draft !== undefined) {
    if (draft.servers) checkServers(draft.servers, place.key("servers"));
    if (draft.cluster) checkCluster(draft.cluster, place.key("cluster"));
    checkFiles(fileUses(path, draft, place));
  }
  if (problems.length > 0 || draft === undefined) throw new ConfigError(path, problems);
  const { servers, logs, cluster, schema: _, ...top } = filled(TOP_KEYS, draft);
  // Every entry could be read as there are no problems: `readable` tells the compiler and drops nothing.
  return {
    path,
    // In the order in which a file usually has them: the live page shows them so.
    servers: readable(servers).map(serverConfig),
    logs: readable(logs).map((each) => ({ ...filled(LOG_KEYS, each), links: [] })),
    cluster: readable(cluster).map((each) => filled(PEER_KEYS, each)),
    ...top,
  };
}

function readable<T>(items: readonly (T | undefined)[]): T[] {
  return items.filter((item) => item !== undefined);
}

function checkCluster(
  cluster: readonly (Draft<typeof PEER_KEYS> | undefined)[],
  place: Place,
): void {
  const addresses = new Map<string, number>();
  cluster.forEach((each, index) => {
    if (typeof each?.ca === "string" && each.protocol === "http") {
      place.at(index).key("ssl.ca").report(
        `${quote(each.ca)} would not be used: a peer with the protocol "http" shows no ` +
          'certificate. Set "protocol" to "https", or remove the key.',
      );
    }
    if (!each?.host || !each.port) return;
    const address = `${canonicalHost(each.host)} ${each.port}`;
    const first = addresses.get(address);
    if (first === undefined) {
      addresses.set(address, index);
      return;
    }
    place.at(index).report(
      `${quote(formatAddress(each.host, each.port))} is also the address of cluster[${first}]. ` +
        "Name each peer once.",
    );
  });
}

/** Returns every path that could be read from the file: first those that are only read, then the written ones. */
function fileUses(path: string, draft: Draft<typeof TOP_KEYS>, top: Place): FileUse[] {
  const uses: FileUse[] = [
    { path, place: top, label: "the configuration file", access: "read" },
  ];
  const addInputs = (table: Table, entry: unknown, place: Place) => {
    for (const [{ kind, name }, value] of valuesOf(table, entry)) {
      if (!kind.isInput || typeof value !== "string") continue;
      const own = place.key(name);
      uses.push({ path: value, place: own, label: own.path, access: "read" });
    }
  };
  draft.servers?.forEach((each, index) =>
    addInputs(ANY_SERVER_KEYS, each, top.key("servers").at(index))
  );
  draft.cluster?.forEach((each, index) => addInputs(PEER_KEYS, each, top.key("cluster").at(index)));
  const { pidfile } = draft;
  if (pidfile) {
    const place = top.key("pidfile");
    const beside = { paths: filesBeside(pidfile), verb: "comes with", label: "a file beside" };
    uses.push({ path: pidfile, place, label: place.path, access: "write", beside });
  }
  draft.logs?.forEach((each, index) => {
    if (!each?.path) return;
    const place = top.key("logs").at(index).key("path");
    // Keys that could not be read count as absent, so that the paths are still compared.
    const [, ...paths] = logFiles(filled(LOG_KEYS, each));
    const beside = { paths, verb: "rotates to", label: "a rotated name of" };
    uses.push({ path: each.path, place, label: place.path, access: "write", beside });
  });
  return uses;
}
