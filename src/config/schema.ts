/**
 * A small language to describe the keys of a configuration: what each may hold, which may be absent.
 * Reading a value with a description collects every problem instead of stopping at the first.
 *
 * A part that could not be read is `undefined` and has been reported; a part that is absent has its
 * fallback. So a rule that compares parts skips what is `undefined` and never reports a consequence.
 *
 * @module
 */

import { type Problem } from "./error.ts";
import { suggest } from "./suggest.ts";
import { quote } from "../text.ts";

/** Where in the file a value stands, and where problems with it go. */
export class Place {
  /** JSON path. */
  readonly path: string;
  readonly #problems: Problem[];

  constructor(path: string, problems: Problem[]) {
    this.path = path;
    this.#problems = problems;
  }

  /** Adds a problem. Returns what a value that cannot be read is read as. */
  report(message: string): undefined {
    this.#problems.push({ path: this.path, message });
  }

  /** The value of a key of the object that stands here. */
  key(name: string): Place {
    if (!/^[\w$.-]+$/.test(name)) return new Place(`${this.path}[${quote(name)}]`, this.#problems);
    return new Place(this.path === "" ? name : `${this.path}.${name}`, this.#problems);
  }

  /** An element of the list that stands here. */
  at(index: number): Place {
    return new Place(`${this.path}[${index}]`, this.#problems);
  }
}

/** What a value may be. */
export interface Kind<T> {
  /** Completes the sentences "Use ..." and "Set it to ...". */
  readonly use: string;
  /** The value as a `T`, or `undefined` after reporting why not. */
  read(value: unknown, place: Place): T | undefined;
}

/** What could be read of a value that `K` describes. */
export type Read<K> = K extends Kind<infer T> ? T : never;

/** What the value of a key may be, and what its absence means. */
export interface Field<T> {
  readonly kind: Kind<T>;
  /** `undefined`: the key is required. */
  readonly fallback?: T;
  /** Values that count as absent. */
  readonly blank: readonly unknown[];
}

/** An object while it is read: what is `undefined` could not be read. */
export type Draft<T> = { readonly [K in keyof T]: T[K] | undefined };

/** A key that must be there. */
export function required<T>(kind: Kind<T>): Field<T> {
  return { kind, blank: [] };
}

/** A key that may be absent, or hold a value of `blank`; both mean `fallback`. */
export function optional<T, F>(
  kind: Kind<T>,
  fallback: F,
  blank: readonly unknown[] = [],
): Field<T | F> {
  return { kind, fallback, blank };
}

/**
 * A value without parts. `accept` yields `undefined` for what is not `noun`; `hint` may then say what
 * to do about this very value, in place of "Use ...".
 */
export function scalar<T>(
  noun: string,
  use: string,
  accept: (value: unknown) => T | undefined,
  hint: (value: unknown) => string | null = () => null,
): Kind<T> {
  return {
    use,
    read: (value, place) =>
      accept(value) ??
        place.report(`${quote(value)} is not ${noun}. ${hint(value) ?? `Use ${use}.`}`),
  };
}

/** A whole number from `min` to `max`. */
export function wholeNumber(noun: string, use: string, min: number, max: number): Kind<number> {
  const accept = (value: unknown) =>
    typeof value === "number" && Number.isInteger(value) && value >= min && value <= max
      ? value
      : undefined;
  const hint = (value: unknown) =>
    typeof value === "string" && /^\d{1,15}$/.test(value) && accept(Number(value)) !== undefined
      ? `Write it without quotes: ${Number(value)}.`
      : null;
  return scalar(noun, use, accept, hint);
}

/** Powers of 1024, by the names that a byte count may end with. */
const BINARY_UNITS: ReadonlyMap<string, number> = new Map([
  ["KiB", 1024],
  ["MiB", 1024 ** 2],
  ["GiB", 1024 ** 3],
]);

/** A number of bytes from `min` to `max`: a whole number, or a text such as `16MiB`. */
export function byteCount(
  noun: string,
  use: string,
  min = 0,
  max = Number.MAX_SAFE_INTEGER,
): Kind<number> {
  const count = (value: unknown) => {
    if (typeof value === "number") return value;
    const [, digits, unit] = typeof value === "string"
      ? /^(\d{1,9}) ?(\w+)$/.exec(value) ?? []
      : [];
    return Number(digits) * (BINARY_UNITS.get(unit ?? "") ?? NaN);
  };
  const accept = (value: unknown) => {
    const bytes = count(value);
    return Number.isInteger(bytes) && bytes >= min && bytes <= max ? bytes : undefined;
  };
  const units = [...BINARY_UNITS.keys()];
  const hint = (value: unknown) =>
    typeof value === "string" && /^\d+ ?[A-Za-z]*$/.test(value) && Number.isNaN(count(value))
      ? "Write bytes as a number without quotes, or end the text with " +
        `${units.slice(0, -1).join(", ")} or ${units.at(-1)}.`
      : null;
  return scalar(noun, use, accept, hint);
}

/** A text that `fault` finds nothing wrong with; else it says what to do, or `""` for "Use ...". */
export function text(
  noun: string,
  use: string,
  fault: (value: string) => string | null,
): Kind<string> {
  return scalar(
    noun,
    use,
    (value) => typeof value === "string" && fault(value) === null ? value : undefined,
    (value) => typeof value === "string" ? fault(value) || null : null,
  );
}

/** One of a few words. */
export function oneOf<T extends string>(noun: string, ...words: T[]): Kind<T> {
  const use = words.map(quote).join(" or ");
  return scalar(
    noun,
    use,
    (value) => words.find((word) => word === value),
    (value) => {
      const meant = typeof value === "string" ? suggest(value, words) : null;
      return meant === null ? null : `Did you mean ${quote(meant)}? Use ${use}.`;
    },
  );
}

/** A list. PHP, which Phorge reads the file with, cannot tell `{}` from `[]`: both are empty lists. */
export function list<T>(use: string, kind: Kind<T>): Kind<readonly (T | undefined)[]> {
  return {
    use,
    read(value, place) {
      if (Array.isArray(value)) {
        return value.map((item: unknown, index) => kind.read(item, place.at(index)));
      }
      if (isObject(value) && Object.keys(value).length === 0) return [];
      return place.report(`${quote(value)} is not a list. Use ${use}.`);
    },
  };
}

/** The items of a list that could be read; the others have been reported. */
export function readable<T>(items: readonly (T | undefined)[]): T[] {
  return items.filter((item) => item !== undefined);
}

/** An object with exactly these keys. */
export function object<T>(use: string, fields: { [K in keyof T]: Field<T[K]> }): Kind<Draft<T>> {
  const known = new Map<string, Field<unknown>>(Object.entries(fields));
  return {
    use,
    read(value, place) {
      if (!isObject(value)) {
        return place.report(`${quote(value)} is not an object. Use ${use}.`);
      }
      const read = new Map<string, unknown>();
      for (const [name, item] of Object.entries(value)) {
        const field = known.get(name);
        if (field !== undefined) {
          read.set(
            name,
            field.blank.includes(item) ? field.fallback : field.kind.read(item, place.key(name)),
          );
          continue;
        }
        const absent = [...known.keys()].filter((each) => !Object.hasOwn(value, each));
        const meant = suggest(name, absent);
        place.key(name).report(
          meant === null
            ? `The key is unknown. Remove it, or use one of: ${[...known.keys()].join(", ")}.`
            : `The key is unknown. Did you mean ${quote(meant)}?`,
        );
        // The misspelt key stands for the one that was meant, so that is not missing as well.
        if (meant !== null) read.set(meant, undefined);
      }
      for (const [name, field] of known) {
        if (read.has(name)) continue;
        read.set(name, field.fallback);
        if (field.fallback === undefined) {
          place.key(name).report(`The key is missing. Set it to ${field.kind.use}.`);
        }
      }
      // Sound: `read` now has a value or `undefined` for exactly the keys of `fields`.
      return Object.fromEntries(read) as Draft<T>;
    },
  };
}

/** An object in which every part could be read. */
export type Complete<D> = D & { readonly [K in keyof D]: Exclude<D[K], undefined> };

/** Whether every part of an object could be read. */
export function isComplete<D extends object>(draft: D | undefined): draft is Complete<D> {
  return draft !== undefined && Object.values(draft).every((part) => part !== undefined);
}

/** The entries of a list in which every part could be read. */
export function complete<D extends object>(drafts: readonly (D | undefined)[]): Complete<D>[] {
  return drafts.filter((draft) => isComplete(draft));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
