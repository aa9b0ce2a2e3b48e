/**
 * Tables of keys: each key of an object of the configuration, with all that is known of it. A table is
 * nested as the object is in the program; in the file all keys of a table stand side by side.
 *
 * Reading an object makes a draft of it: a key that could not be read is `undefined` and has been
 * reported, a key that is absent is `null`. So a rule that compares keys skips what is `undefined` and
 * never reports a consequence. Filling in the defaults makes the values of it.
 *
 * @module
 */

import { isObject } from "../json.ts";
import type { JsonSchema, Place, ValueKind } from "./schema.ts";
import { suggest } from "./suggest.ts";
import { quote } from "../text.ts";

/** The ways in which a running Aphlict takes over another value of a key, and what each means. */
export const RELOADS = {
  "reload": "`aphlict reload` takes it over. No connection ends.",
  "by entry":
    "Each entry as its keys say. With more or fewer entries, as `restart of the service`.",
  "restart of the service":
    "`aphlict reload` checks it, and restarts the service with other permissions. Browsers reconnect.",
  "by its files":
    "As `restart of the service` if the log consists of other files then, as `reload` if not.",
  "next restart": "It counts from the next `aphlict restart` on. `aphlict reload` says so.",
  "stop and start":
    "`aphlict reload` refuses it. Stop Aphlict with the old file, and start it with the new one.",
} as const;

/** A way in which another value of a key is taken over. */
export type Reload = keyof typeof RELOADS;

/** A version of Aphlict on Deno, or `original` for a key that the Node.js Aphlict has as well. */
export type Since = "original" | `${number}.${number}.${number}`;

/** The facts about a key beside its kind. */
interface About {
  readonly reload: Reload;
  readonly since: Since;
  /** One sentence that says what the key is. */
  readonly doc: string;
  /** A value as a file may have it. */
  readonly example: unknown;
  /** The meaning of the key's absence, where `default` does not tell it. */
  readonly absent?: string | undefined;
  /** The values that count as absent. @default Those of the kind. */
  readonly blank?: readonly unknown[];
}

/** A key of the configuration. */
export class Key<T> implements About {
  /** The name in the file. */
  readonly name: string;
  readonly kind: ValueKind<T>;
  /** The default; `undefined`: the key is required. */
  readonly default: T | undefined;
  readonly reload: Reload;
  readonly since: Since;
  readonly doc: string;
  readonly example: unknown;
  readonly absent: string | undefined;
  readonly blank: readonly unknown[];

  constructor(name: string, kind: ValueKind<T>, about: About & { readonly default?: T }) {
    this.name = name;
    this.kind = kind;
    this.default = about.default;
    this.reload = about.reload;
    this.since = about.since;
    this.doc = about.doc;
    this.example = about.example;
    this.absent = about.absent;
    this.blank = this.isRequired ? [] : about.blank ?? kind.blank;
  }

  get isRequired(): boolean {
    return this.default === undefined;
  }
}

/** A key with a default. */
type Optional<T> = Key<T> & { readonly default: T };

/**
 * Declares a key. It is required if it has no `default`.
 *
 * @example
 * ```ts
 * const drain = key("drain", wholeNumber("a number of seconds", "a whole number", 0, 300), {
 *   default: 2,
 *   reload: "reload",
 *   since: "0.1.0",
 *   doc: "Seconds over which a stop ends the connections of browsers.",
 *   example: 10,
 * });
 * ```
 */
export function key<T>(
  name: string,
  kind: ValueKind<T>,
  about: About & { readonly default: NoInfer<T> },
): Optional<T>;
export function key<T>(
  name: string,
  kind: ValueKind<T>,
  about: About & { readonly default: null },
): Optional<T | null>;
export function key<T>(name: string, kind: ValueKind<T>, about: About): Key<T>;
export function key<T>(
  name: string,
  kind: ValueKind<T>,
  about: About & { readonly default?: T | null },
): Key<T | null> {
  return new Key<T | null>(name, kind, about);
}

/** The keys of an object, by their names in the program. */
export interface Table {
  readonly [name: string]: Key<unknown> | Table;
}

/** The values of the keys of a table. */
export type Values<T> = {
  readonly [P in keyof T]: T[P] extends Key<infer V> ? V : Values<T[P]>;
};

/** The values of the keys of a table while they are read: absent ones are `null`, unreadable ones `undefined`. */
export type Draft<T> = {
  readonly [P in keyof T]: T[P] extends Key<infer V> ? V | null | undefined : Draft<T[P]>;
};

/** Returns all keys of a table in their order. */
export function keysOf(table: Table): readonly Key<unknown>[] {
  return Object.values(table).flatMap((part) => part instanceof Key ? [part] : keysOf(part));
}

/** Returns each key of a table with its value in `values`; below a group that is `null` there are none. */
export function valuesOf(table: Table, values: unknown): (readonly [Key<unknown>, unknown])[] {
  return Object.entries(table).flatMap(([name, part]) => {
    const value = isObject(values) ? values[name] : undefined;
    return part instanceof Key ? [[part, value] as const] : valuesOf(part, value);
  });
}

/** Returns the kind of an object with exactly the keys of a table. */
export function object<T extends Table>(use: string, table: T): ValueKind<Draft<T>> {
  const known = new Map(keysOf(table).map((key) => [key.name, key]));
  const names = [...known.keys()];
  return {
    use,
    type: "object",
    json: objectSchema(table),
    blank: [],
    read(value, place) {
      if (!isObject(value)) {
        return place.report(`${quote(value)} is not an object. Use ${use}.`);
      }
      const read = new Map<string, unknown>();
      for (const [name, item] of Object.entries(value)) {
        const key = known.get(name);
        if (key !== undefined) {
          read.set(name, key.blank.includes(item) ? null : key.kind.read(item, place.key(name)));
          continue;
        }
        const meant = suggest(name, names.filter((each) => !Object.hasOwn(value, each)));
        place.key(name).report(
          meant === null
            ? `The key is unknown. Remove it, or use one of: ${names.join(", ")}.`
            : `The key is unknown. Did you mean ${quote(meant)}?`,
        );
        // The misspelt key stands for the one that was meant, so that is not missing as well.
        if (meant !== null) read.set(meant, undefined);
      }
      for (const [name, key] of known) {
        if (read.has(name)) continue;
        read.set(name, key.isRequired ? undefined : null);
        if (key.isRequired) missing(key, place);
      }
      // Sound: `read` now has a value, `null` or `undefined` for each key of the table.
      return nested(table, (key) => read.get(key.name)) as Draft<T>;
    },
    show: (value) => JSON.stringify(value),
  };
}

function missing({ name, kind }: Key<unknown>, place: Place): void {
  place.key(name).report(`The key is missing. Set it to ${kind.use}.`);
}

/**
 * Returns a draft with the defaults in place of the keys that it does not have. It has every required key
 * if nothing has been reported; then the values are sound.
 */
export function filled<T extends Table>(table: T, draft: Partial<Draft<T>>): Values<T> {
  const read = new Map(valuesOf(table, draft));
  return nested(table, (key) => read.get(key) ?? key.default) as Values<T>;
}

function nested(table: Table, valueOf: (key: Key<unknown>) => unknown): unknown {
  return Object.fromEntries(
    Object.entries(table).map(([name, part]) => [
      name,
      part instanceof Key ? valueOf(part) : nested(part, valueOf),
    ]),
  );
}

/** Returns the JSON Schema of an object with exactly the keys of a table. */
export function objectSchema(table: Table, others: JsonSchema = {}): JsonSchema {
  const keys = keysOf(table);
  return {
    type: "object",
    properties: {
      ...Object.fromEntries(keys.map((key) => [key.name, keySchema(key)])),
      ...others,
    },
    required: keys.filter((key) => key.isRequired).map(({ name }) => name),
    additionalProperties: false,
  };
}

function keySchema({ kind, blank, doc, default: value, example }: Key<unknown>): JsonSchema {
  return {
    description: doc,
    ...blank.length === 0 ? kind.json : { anyOf: [kind.json, { enum: blank }] },
    ...value === undefined || value === null ? {} : { default: value },
    examples: [example],
  };
}
