/**
 * The rules of a configuration file. They are those of Phorge's own start command, plus what the
 * service's sandbox and log rotation need.
 *
 * @module
 */

import {
  type Config,
  DEFAULT_DRAIN,
  DEFAULT_LISTEN,
  type Engine,
  formatAddress,
  type ServerType,
} from "./config.ts";
import { ConfigError, type Problem, quote } from "./error.ts";
import { checkFiles, type FileUse, pathFault } from "./files.ts";
import { canonicalHost, hostFault, knownAddresses } from "./host.ts";
import { LOG_DEFAULTS, logFiles, ROTATE_KEEP_MAX } from "./logs.ts";
import { HINT_MIN } from "./memory.ts";
import { filesBeside } from "./pidfile.ts";
import {
  byteCount,
  complete,
  isComplete,
  type Kind,
  list,
  object,
  oneOf,
  optional,
  Place,
  required,
  text,
  wholeNumber,
} from "./schema.ts";

const port = wholeNumber("a port", "a whole number from 1 to 65535", 1, 65_535);
const host = text("a host", "an IPv4 address, an IPv6 address or a host name", hostFault);
const file = text("a path", "the path of a file in quotes", pathFault);
const type = oneOf("a type of server", "admin", "client");
const engine = oneOf("an engine", "socket", "serve");
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

/** Phorge tests these keys for truth, so an empty text is as good as none. */
const NONE = [null, ""];

const server = object('an object such as {"type": "client", "port": 22280}', {
  "type": required(type),
  "port": required(port),
  "listen": optional(host, null, NONE),
  "ssl.key": optional(file, null, NONE),
  "ssl.cert": optional(file, null, NONE),
  "ssl.chain": optional(file, null, NONE),
  "engine": optional(engine, null, NONE),
});

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
  },
);

const root = object("an object with the keys servers and pidfile", {
  "servers": required(list("a list of objects, one for each server", server)),
  "logs": optional(list("a list of objects, one for each log file", log), []),
  "cluster": optional(list("a list of objects, one for each peer", peer), []),
  "pidfile": required(file),
  "memory.hint": optional(megabytes, null, [0]),
  "user": optional(user, null, NONE),
  "drain": optional(seconds, DEFAULT_DRAIN, [null]),
});

/** What could be read of an object that `K` describes. */
type Read<K> = K extends Kind<infer T> ? T : never;

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
    servers: complete(draft.servers).map((each) => ({
      type: each.type,
      port: each.port,
      listen: each.listen ?? DEFAULT_LISTEN[each.type],
      tls: each["ssl.key"] === null || each["ssl.cert"] === null
        ? null
        : { key: each["ssl.key"], cert: each["ssl.cert"], chain: each["ssl.chain"] },
      engine: each.engine ?? defaultEngine(each.type, each.listen),
    })),
    logs: complete(draft.logs).map((each) => ({
      path: each.path,
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
    })),
    pidfile: draft.pidfile,
    memoryHint: draft["memory.hint"],
    user: draft.user,
    drain: draft.drain,
  };
}

function checkServers(servers: Entries<typeof server>, place: Place): void {
  if (servers.length === 0) {
    place.report('There are no servers. Add one with the type "admin" and one with "client".');
    return;
  }
  // An entry whose type could not be read may be the one that seems to be missing.
  const types = new Set(servers.map((each) => each?.type));
  for (const wanted of types.has(undefined) ? [] : ["admin", "client"] as const) {
    if (types.has(wanted)) continue;
    place.report(`No server has the type "${wanted}". Add one: ${SERVES[wanted]}.`);
  }

  const ports = new Map<number, number>();
  servers.forEach((each, index) => {
    if (each === undefined) return;
    checkTls(each, place.at(index));
    if (
      each.engine === "socket" && typeof each.listen === "string" &&
      knownAddresses(each.listen) === null
    ) {
      place.at(index).key("engine").report(
        `The socket engine needs an address to listen on, and ${
          quote(each.listen)
        } is a host name: ` +
          'the permissions have to name what it resolves to. Write the address, or use "serve".',
      );
    }
    if (each.type === "admin" && each.engine === "socket") {
      place.at(index).key("engine").report(
        'An admin server holds no WebSockets: its engine is always "serve". Remove the key.',
      );
    }
    if (each.port === undefined) return;
    const first = ports.get(each.port);
    if (first === undefined) {
      ports.set(each.port, index);
      return;
    }
    place.at(index).key("port").report(
      `${each.port} is also the port of servers[${first}]. ` +
        "Give each server a port of its own, even if they listen on different addresses.",
    );
  });
}

/** A client server on a host name gets the runtime's engine, as its permissions name the address too. */
function defaultEngine(type: ServerType, host: string | null): Engine {
  return type === "client" && knownAddresses(host ?? DEFAULT_LISTEN[type]) !== null
    ? "socket"
    : "serve";
}

/** What would not work without a server of each type. */
const SERVES: Readonly<Record<ServerType, string>> = {
  admin: "it takes the messages from Phorge",
  client: "it passes the messages to browsers",
};

function checkTls(each: Read<typeof server>, place: Place): void {
  const { "ssl.key": key, "ssl.cert": cert, "ssl.chain": chain } = each;
  const both = "Set both to serve TLS, or neither.";
  if (typeof key === "string" && cert === null) {
    place.key("ssl.cert").report(`"ssl.key" is set, but this is not. ${both}`);
  }
  if (typeof cert === "string" && key === null) {
    place.key("ssl.key").report(`"ssl.cert" is set, but this is not. ${both}`);
  }
  if (typeof chain === "string" && key === null && cert === null) {
    place.key("ssl.chain").report(
      `${quote(chain)} needs "ssl.key" and "ssl.cert". Set both to serve TLS, or remove the chain.`,
    );
  }
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
    for (const name of ["ssl.key", "ssl.cert", "ssl.chain"] as const) {
      add(each?.[name], place.key(name), { access: "read" });
    }
  });
  draft.cluster?.forEach((each, index) => {
    add(each?.["ssl.ca"], top.key("cluster").at(index).key("ssl.ca"), { access: "read" });
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
  return /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/.test(name) ? null : "";
}
