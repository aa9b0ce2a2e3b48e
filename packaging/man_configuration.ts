/**
 * The man page aphlict.json(5): every key of a configuration.
 *
 * @module
 */

import { DEFAULT_DRAIN, DEFAULT_LISTEN } from "../src/config/config.ts";
import { ADMIN_LIMITS, CLIENT_LIMITS } from "../src/config/limits.ts";
import { LOG_DEFAULTS, ROTATE_KEEP_MAX } from "../src/config/logs.ts";
import { escaped, heading, item, literal, paragraph } from "./roff.ts";

/** The path of this man page in a build. */
export const CONFIGURATION_MAN_PAGE = "dist/aphlict.json.5";

/** The keys of one kind of object, and what each is. */
export type Keys = Readonly<Record<string, string>>;

const MEBIBYTE = 1024 * 1024;

/** The keys at the top level. */
export const TOP_KEYS: Keys = {
  "$schema": "The URL or path of a JSON Schema, for editors. Aphlict does not read it.",
  "servers": "Required. A list of objects, one for each server: at least one of each type.",
  "logs": "A list of objects, one for each log file. Default: none, the log is the console alone.",
  "cluster":
    "A list of objects, one for each server that messages are passed on to. It may name this " +
    "server itself.",
  "pidfile": "Required. The file that the supervisor writes its process number into, and locks.",
  "user": "The name or number of the user that root becomes. Default: root is refused.",
  "drain": "Seconds over which a stop ends the connections of browsers, 0 to 300. " +
    `Default: ${DEFAULT_DRAIN}.`,
  "limit.memory":
    'Bytes that outsiders can make the service hold, all together, such as "512MiB"; 16 MiB or ' +
    "more. Default: what limit.connections needs, as far as the host has it.",
  "memory.hint": "Megabytes that the heap of the runtime may have. Default: what the runtime says.",
};

/** The keys of an entry of `servers`, of either type. */
export const SERVER_KEYS: Keys = {
  "type": "Required. `client` for browsers, `admin` for Phorge and for other servers.",
  "port": "Required. 1 to 65535, another one for each server.",
  "listen":
    `The address to listen on. Default: ${DEFAULT_LISTEN.client} for browsers, ${DEFAULT_LISTEN.admin} ` +
    "for Phorge.",
  "ssl.key": "The PEM file of the private key. With ssl.cert, the server speaks TLS.",
  "ssl.cert": "The PEM file of the certificate, which may have its intermediates behind it.",
  "ssl.chain": "The PEM file of the intermediates, where ssl.cert does not have them.",
  "engine":
    "`socket`, the default, or `serve` for the runtime's own HTTP server, which holds fewer limits.",
  "limit.message": "Bytes of one message, 1 KiB to 64 MiB. Default: " +
    `${CLIENT_LIMITS.message / 1024} KiB of a browser, ${ADMIN_LIMITS.message / MEBIBYTE} MiB of ` +
    "Phorge.",
};

/** The keys that only client servers have. */
export const CLIENT_KEYS: Keys = {
  "origins": "A list of the sites whose pages may connect. Default: all.",
  "proxies":
    "A list of addresses and networks whose X-Forwarded-For or Forwarded is believed. Default: none.",
  "limit.connections": `Connections at a time. Default: ${CLIENT_LIMITS.connections}.`,
  "limit.address":
    "Connections at a time from one address, or from one IPv6 network of 64 bits. Default: 0, any " +
    "number.",
  "limit.subscriptions": `Topics of one browser. Default: ${CLIENT_LIMITS.subscriptions}.`,
  "limit.topic": `Characters of a topic, 30 or more. Default: ${CLIENT_LIMITS.topic}.`,
  "limit.commands":
    `Commands of one browser in a second, 10 or more. Default: ${CLIENT_LIMITS.commands}.`,
  "limit.backlog": `Bytes that wait for one browser, 64 KiB to 1 GiB. Default: ${
    CLIENT_LIMITS.backlog / MEBIBYTE
  } MiB.`,
  "timeout.handshake":
    `Seconds from connecting to the end of the request. Default: ${CLIENT_LIMITS.handshake}.`,
  "timeout.idle":
    "Seconds without a byte before a ping, 5 to 3600; the connection ends 30 s later. " +
    `Default: ${CLIENT_LIMITS.idle}.`,
};

/** The keys that only admin servers have. */
export const ADMIN_KEYS: Keys = {
  "allow": "A list of addresses and networks that are answered. Default: all.",
  "token.file":
    "The file of a token that publishing takes as Authorization: Bearer. Phorge sends none.",
  "limit.requests":
    `Messages that are being received at a time. Default: ${ADMIN_LIMITS.requests}.`,
};

/** The keys of an entry of `logs`. */
export const LOG_KEYS: Keys = {
  "path": "Required. The file, in a folder that the service may write.",
  "rotate.size":
    'Bytes, such as "16MiB", before the file is renamed to PATH.1; 0: never. Default: ' +
    `${LOG_DEFAULTS.rotateSize / MEBIBYTE} MiB.`,
  "rotate.keep": `How many renamed files are kept, 1 to ${ROTATE_KEEP_MAX}. Default: ` +
    `${LOG_DEFAULTS.rotateKeep}.`,
  "level": "`trace`, `debug`, `info`, `warning` or `error`, and what is worse. Default: `info`.",
  "format": `\`text\`, or \`json\` for one object a line. Default: \`${LOG_DEFAULTS.format}\`.`,
};

/** The keys of an entry of `cluster`. */
export const PEER_KEYS: Keys = {
  "host": "Required. The address or the name of the host of an admin server.",
  "port": "Required. Its port.",
  "protocol": "Required. `https` when that server has ssl.key and ssl.cert, else `http`.",
  "ssl.ca": "The PEM file of certificates that vouch for its own, beside the usual public ones.",
  "token.file": "The file of the token that it takes.",
};

/**
 * The man page.
 *
 * @param version Of Aphlict.
 * @param example A configuration.
 * @returns Source for `man`, in ASCII.
 */
export function configurationManPage(version: string, example: string): string {
  return [
    ...heading("aphlict.json", [5, "File Formats"], version, "configuration of Aphlict"),
    ".SH DESCRIPTION",
    ...paragraph(
      "The format is that of Phorge's own Aphlict: a JSON object. Comments (`//` and `/* */`) and " +
        "commas behind the last entry are allowed. A key that is not listed here is refused. A path " +
        "that is relative starts at the working directory. A number of bytes is a number, or a text " +
        "that ends with KiB, MiB or GiB.",
    ),
    ...paragraph(
      "`aphlict check` finds every mistake. `aphlict reload` takes a change over; it tells what needs " +
        "a restart.",
    ),
    ...section("KEYS", TOP_KEYS),
    ...section("SERVERS", SERVER_KEYS),
    ...section("SERVERS FOR BROWSERS", CLIENT_KEYS),
    ...section("SERVERS FOR PHORGE", ADMIN_KEYS),
    ...section("LOGS", LOG_KEYS),
    ...section("CLUSTER", PEER_KEYS),
    ".SH EXAMPLES",
    ...literal(example.trimEnd()),
    ".SH SEE ALSO",
    ...paragraph(
      "`aphlict`(8), and limits.md and operations.md in /usr/share/doc/aphlict/docs/",
    ),
    "",
  ].join("\n");
}

function section(title: string, keys: Keys): string[] {
  return [
    `.SH ${title}`,
    ...Object.entries(keys).flatMap(([name, what]) => item(`\\fB${escaped(name)}\\fR`, what)),
  ];
}
