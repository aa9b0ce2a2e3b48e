/**
 * The rules of a configuration file. They are those of Phorge's own start command, plus what the
 * service's sandbox and log rotation need.
 *
 * @module
 */

import { type Config, DEFAULT_DRAIN, formatAddress } from "./config.ts";
import { ConfigError, type Problem } from "./error.ts";
import { checkFiles, type FileUse } from "./files.ts";
import { canonicalHost } from "./host.ts";
import { LOG_DEFAULTS, logFiles, ROTATE_KEEP_MAX } from "./logs.ts";
import { HINT_MIN } from "./memory.ts";
import { filesBeside } from "./pidfile.ts";
import {
  byteCount,
  complete,
  isComplete,
  list,
  object,
  oneOf,
  optional,
  Place,
  type Read,
  required,
  text,
  wholeNumber,
} from "./schema.ts";
import { checkServers, server, serverConfig } from "./servers.ts";
import { file, host, NONE, port } from "./values.ts";
import { quote } from "../text.ts";

const protocol = oneOf("a protocol", "http", "https");
const level = oneOf("a level", "trace", "debug", "info", "warning", "error");
const format = oneOf("a format", "text", "json");
const bytes = byteCount("a number of bytes", 'bytes, a text such as "16MiB", or 0 for never');
const seconds = wholeNumber("a number of seconds", "a whole number from 0 to 300", 0, 300);
const user = text("a user", "the name or the number of a user in quotes", userFault);
const megabytes = wholeNumber(
  "a number of megabytes",
  `a whole number of megabytes from ${HINT_MIN} on, or 0 for the default`,
  HINT_MIN,
  Number.MAX_SAFE_INTEGER,
);

const memory = byteCount(
  "a number of bytes from 16 MiB on",
  'bytes, or a text such as "512MiB"',
  16 * 1024 * 1024,
);

const log = object('an object such as {"path": "/var/log/aphlict.log"}', {
  "path": required(file),
  "rotate.size": optional(bytes, LOG_DEFAULTS.rotateSize, [null]),
  "rotate.keep": optional(
    wholeNumber(
      "a number of files",
      `a whole number from 1 to ${ROTATE_KEEP_MAX}`,
      1,
      ROTATE_KEEP_MAX,
    ),
    LOG_DEFAULTS.rotateKeep,
    [null],
  ),
  "level": optional(level, LOG_DEFAULTS.level, NONE),
  "format": optional(format, LOG_DEFAULTS.format, NONE),
});

const peer = object(
  'an object such as {"host": "notify2.example.com", "port": 22281, "protocol": "https"}',
  {
    "host": required(host),
    "port": required(port),
    "protocol": required(protocol),
    "ssl.ca": optional(file, null, NONE),
    "token.file": optional(file, null, NONE),
  },
);

/** For editors; the service does not read it. */
const schema = text("a schema", "the URL or the path of a JSON Schema in quotes", () => null);

const root = object("an object with the keys servers and pidfile", {
  "servers": required(list("a list of objects, one for each server", server)),
  "logs": optional(list("a list of objects, one for each log file", log), []),
  "cluster": optional(list("a list of objects, one for each peer", peer), []),
  "pidfile": required(file),
  "limit.memory": optional(memory, null, [null]),
  "memory.hint": optional(megabytes, null, [0]),
  "user": optional(user, null, NONE),
  "drain": optional(seconds, DEFAULT_DRAIN, [null]),
  "$schema": optional(schema, null, NONE),
});

/** The entries of a list; `undefined` is one that is no object. */
type Entries<K> = readonly (Read<K> | undefined)[];

/**
 * Checks a parsed configuration file and fills in the defaults.
 *
 * @param path The file it was read from, as it was named.
 * @throws {ConfigError} With every problem of the file.
 */
export function validate(path: string, value: unknown): Config {
  const problems: Problem[] = [];
  const place = new Place("", problems);
  const draft = root.read(value, place);
  if (draft !== undefined) {
    if (draft.servers !== undefined) checkServers(draft.servers, place.key("servers"));
    if (draft.cluster !== undefined) checkCluster(draft.cluster, place.key("cluster"));
    checkFiles(fileUses(path, draft, place));
  }
  if (problems.length > 0 || !isComplete(draft)) throw new ConfigError(path, problems);
  // Every entry is complete as there are no problems: `complete` tells the compiler and drops nothing.
  return {
    path,
    servers: complete(draft.servers).map(serverConfig),
    logs: complete(draft.logs).map((each) => ({
      path: each.path,
      links: [],
      rotateSize: each["rotate.size"],
      rotateKeep: each["rotate.keep"],
      level: each.level,
      format: each.format,
    })),
    cluster: complete(draft.cluster).map((each) => ({
      host: each.host,
      port: each.port,
      protocol: each.protocol,
      ca: each["ssl.ca"],
      token: each["token.file"],
    })),
    pidfile: draft.pidfile,
    memoryLimit: draft["limit.memory"],
    memoryHint: draft["memory.hint"],
    user: draft.user,
    drain: draft.drain,
  };
}

function checkCluster(cluster: Entries<typeof peer>, place: Place): void {
  const addresses = new Map<string, number>();
  cluster.forEach((each, index) => {
    if (typeof each?.["ssl.ca"] === "string" && each.protocol === "http") {
      place.at(index).key("ssl.ca").report(
        `${quote(each["ssl.ca"])} would not be used: a peer with the protocol "http" shows no ` +
          'certificate. Set "protocol" to "https", or remove the key.',
      );
    }
    if (each?.host === undefined || each.port === undefined) return;
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

/** Every path that could be read from the file: what is only read first, then what is written. */
function fileUses(path: string, draft: Read<typeof root>, top: Place): FileUse[] {
  const uses: FileUse[] = [];
  const add = (
    path: string | null | undefined,
    place: Place,
    rest: Pick<FileUse, "access" | "beside">,
    label = place.path,
  ) => {
    if (typeof path === "string") uses.push({ path, place, label, ...rest });
  };
  add(path, top, { access: "read" }, "the configuration file");
  draft.servers?.forEach((each, index) => {
    const place = top.key("servers").at(index);
    for (const name of ["ssl.key", "ssl.cert", "ssl.chain", "token.file"] as const) {
      add(each?.[name], place.key(name), { access: "read" });
    }
  });
  draft.cluster?.forEach((each, index) => {
    const place = top.key("cluster").at(index);
    for (const name of ["ssl.ca", "token.file"] as const) {
      add(each?.[name], place.key(name), { access: "read" });
    }
  });
  const { pidfile } = draft;
  add(pidfile, top.key("pidfile"), {
    access: "write",
    beside: {
      paths: pidfile === undefined ? [] : filesBeside(pidfile),
      verb: "comes with",
      label: "a file beside",
    },
  });
  draft.logs?.forEach((each, index) => {
    if (each?.path === undefined) return;
    // What could not be read counts as absent, so that the paths are still held against each other.
    const [, ...paths] = logFiles({
      ...LOG_DEFAULTS,
      path: each.path,
      links: [],
      rotateSize: each["rotate.size"] ?? LOG_DEFAULTS.rotateSize,
      rotateKeep: each["rotate.keep"] ?? LOG_DEFAULTS.rotateKeep,
    });
    add(each.path, top.key("logs").at(index).key("path"), {
      access: "write",
      beside: { paths, verb: "rotates to", label: "a rotated name of" },
    });
  });
  return uses;
}

/** What is wrong with a user: it becomes an argument of `setpriv` and `id`. */
function userFault(name: string): string | null {
  if (/^(root|0+)$/.test(name)) {
    return "Name a user of Aphlict's own, or remove the key: root runs it as root only when told so with --as-root.";
  }
  return /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/.test(name) ? null : "";
}
