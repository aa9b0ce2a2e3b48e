/**
 * The documents that are made of the tables of keys: `docs/configuration.md`, the man page aphlict.json(5),
 * and a JSON Schema for editors. `deno task docs` writes the first.
 *
 * @module
 */

import {
  ADMIN_KEYS,
  CLIENT_KEYS,
  LOG_KEYS,
  PEER_KEYS,
  ROOT,
  SERVER_KEYS,
  TOP_KEYS,
} from "../src/config/keys.ts";
import type { JsonSchema } from "../src/config/schema.ts";
import { type Key, keysOf, type Reload, RELOADS, type Table } from "../src/config/table.ts";
import { BuildError, say } from "./dist.ts";
import { escaped, heading, item, literal, paragraph } from "./roff.ts";

/** The path of the documentation of all keys. */
export const CONFIGURATION_GUIDE = "docs/configuration.md";

/** The path of the man page in a build. */
export const CONFIGURATION_MAN_PAGE = "dist/aphlict.json.5";

/** The path of the JSON Schema in a build. */
export const CONFIGURATION_SCHEMA = "dist/aphlict.schema.json";

/** The keys of one kind of object. */
interface Section {
  readonly title: string;
  /** The text before the names of the keys where they are named without the title. */
  readonly prefix: string;
  readonly table: Table;
}

const SECTIONS: readonly Section[] = [
  { title: "Top level", prefix: "", table: TOP_KEYS },
  { title: "Servers", prefix: "servers[].", table: SERVER_KEYS },
  { title: "Servers for browsers", prefix: "servers[].", table: CLIENT_KEYS },
  { title: "Servers for Phorge", prefix: "servers[].", table: ADMIN_KEYS },
  { title: "Logs", prefix: "logs[].", table: LOG_KEYS },
  { title: "Cluster", prefix: "cluster[].", table: PEER_KEYS },
];

const FORMAT =
  "The format is that of Phorge's own Aphlict: a JSON object. Comments (`//` and `/* */`) and commas " +
  "behind the last entry are allowed. A key that is not listed here is refused. A path that is " +
  "relative starts at the working directory. A number of bytes is a number, or a text that ends with " +
  "KiB, MiB or GiB.";

/** Returns the default of a key in words, with values in backticks. */
function defaultOf({ isRequired, absent, kind, default: value }: Key<unknown>): string {
  return isRequired ? "required" : absent ?? `\`${kind.show(value)}\``;
}

/**
 * Returns the man page.
 *
 * @param version The version of Aphlict.
 * @param example A configuration.
 * @returns Source for `man`, in ASCII.
 */
export function configurationManPage(version: string, example: string): string {
  return [
    ...heading("aphlict.json", [5, "File Formats"], version, "configuration of Aphlict"),
    ".SH DESCRIPTION",
    ...paragraph(FORMAT),
    ...paragraph(
      "`aphlict check` finds every mistake. `aphlict reload` takes a change over; it tells what needs " +
        "a restart.",
    ),
    ...SECTIONS.flatMap(({ title, table }) => [
      `.SH ${title.toUpperCase()}`,
      ...keysOf(table).flatMap((key) => item(`\\fB${escaped(key.name)}\\fR`, entryOf(key))),
    ]),
    ".SH EXAMPLES",
    ...literal(example.trimEnd()),
    ".SH SEE ALSO",
    ...paragraph(
      "`aphlict`(8), and configuration.md, limits.md and operations.md in /usr/share/doc/aphlict/docs/",
    ),
    "",
  ].join("\n");
}

function entryOf(key: Key<unknown>): string {
  const rest = key.isRequired ? "" : ` Default: ${defaultOf(key)}.`;
  return `${key.isRequired ? "Required. " : ""}${key.doc} Type: ${key.kind.type}.${rest}`;
}

/** Returns `docs/configuration.md`, before it is formatted. */
export function configurationGuide(): string {
  return [
    "<!-- Made by `deno task docs` from src/config/keys.ts. Edit that file. -->",
    "# Configuration",
    FORMAT,
    "`aphlict check` finds every mistake. [conf/examples/](../conf/examples/) has files to begin with. " +
    "`original` means that the Node.js Aphlict has the key as well.",
    ...SECTIONS.flatMap(({ title, table }) => [
      `## ${title}`,
      tableOf(
        ["key", "what it is", "type", "default", "after a change", "since", "example"],
        keysOf(table).map((key) => [
          `\`${key.name}\``,
          key.doc,
          key.kind.type.replaceAll(/"\w+"/g, "`$&`"),
          defaultOf(key),
          key.reload,
          key.since,
          `\`${JSON.stringify(key.example)}\``,
        ]),
      ),
    ]),
    "## After a change",
    "`aphlict reload` reads the file again, and the certificates, keys and tokens that it names. A file " +
    "with a mistake changes nothing: the reason is printed and logged, and `reload` exits with 1.",
    tableOf(
      ["after a change", "what happens", "keys"],
      (Object.keys(RELOADS) as Reload[]).map((reload) => [
        reload,
        RELOADS[reload],
        namesOf(reload).map((name) => `\`${name}\``).join(", "),
      ]),
    ),
    "## JSON Schema",
    "A release has `aphlict.schema.json`. An editor that reads JSON Schema completes and explains the " +
    'keys if the file begins with `"$schema": "aphlict.schema.json"`, the path or the URL of that file. ' +
    "`aphlict check` finds more: what concerns several keys, and what the host has.",
    "",
  ].join("\n\n");
}

function namesOf(reload: Reload): readonly string[] {
  return [
    ...new Set(
      SECTIONS.flatMap(({ prefix, table }) =>
        keysOf(table).filter((key) => key.reload === reload).map(({ name }) => `${prefix}${name}`)
      ),
    ),
  ];
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Returns the JSON Schema of a configuration file. `aphlict check` refuses all that it refuses. */
export function configurationSchema(): JsonSchema {
  return {
    // The draft that editors know.
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Configuration of Aphlict",
    ...ROOT.json,
  };
}

function main(): void {
  Deno.writeTextFileSync(CONFIGURATION_GUIDE, configurationGuide());
  say(CONFIGURATION_GUIDE);
}

if (import.meta.main) BuildError.explained(main);
