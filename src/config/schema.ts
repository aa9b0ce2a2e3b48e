/**
 * The kinds of value that a configuration may hold. Reading a value collects every problem instead of
 * stopping at the first: a value that could not be read is `undefined` and has been reported.
 *
 * @module
 */

import { type Problem } from "./error.ts";
import { isObject } from "../json.ts";
import { suggest } from "./suggest.ts";
import { formatBytes, quote } from "../text.ts";

/** The place of a value in the file, which collects the problems with the value. */
export class Place {
  /** The JSON path. */
  readonly path: string;
  readonly #problems: Problem[];

  constructor(path: string, problems: Problem[]) {
    this.path = path;
    this.#problems = problems;
  }

  /** Adds a problem. Returns `undefined`, which a value that cannot be read is read as. */
  report(message: string): undefined {
    this.#problems.push({ path: this.path, message });
  }

  /** Returns the place of a key's value in the object that stands here. */
  key(name: string): Place {
    if (!/^[\w$.-]+$/.test(name)) return new Place(`${this.path}[${quote(name)}]`, this.#problems);
    return new Place(this.path === "" ? name : `${this.path}.${name}`, this.#problems);
  }

  /** Returns the place of an element of the list that stands here. */
  at(index: number): Place {
    return new Place(`${this.path}[${index}]`, this.#problems);
  }
}

/** A JSON Schema, or a part of one. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** A kind of value: the texts that name it, and the function that reads it. */
export interface ValueKind<T> {
  /** The words that complete the sentences "Use ..." and "Set it to ...". */
  readonly use: string;
  /** The name for a table of keys, such as `whole number, 1 to 65535`. */
  readonly type: string;
  /** The schema, which accepts every value that `read` accepts, and more where it cannot express the rule. */
  readonly json: JsonSchema;
  /** The values that count as absent where a key with this kind is optional. */
  readonly blank: readonly unknown[];
  /** True if a value names a file that the service reads: its permissions name that file. */
  readonly isInput?: true;
  /** Returns the value as a `T`, or `undefined` after reporting why not. */
  read(value: unknown, place: Place): T | undefined;
  /** Returns a value as a configuration file spells it. */
  show(value: unknown): string;
}

/** The texts and the schema of a kind without parts. */
interface Scalar extends Pick<ValueKind<unknown>, "use" | "json"> {
  /** The noun with its article, such as `a port`. */
  readonly noun: string;
  /** @default The noun without its article. */
  readonly type?: string;
  /** @default {[null]} */
  readonly blank?: readonly unknown[];
}

/** The blank values of a text: Phorge tests many keys for truth, so an empty text is as good as none. */
const BLANK_TEXTS = [null, ""];

/**
 * Returns the kind of a value without parts. `accept` returns `undefined` for a value that is not `noun`;
 * `hint` may then say what to do about this very value, in place of "Use ...".
 */
function scalar<T>(
  { noun, use, type = noun.replace(/^an? /, ""), json, blank = [null] }: Scalar,
  accept: (value: unknown) => T | undefined,
  hint: (value: unknown) => string | null,
): ValueKind<T> {
  return {
    use,
    type,
    json,
    blank,
    read: (value, place) =>
      accept(value) ??
        place.report(`${quote(value)} is not ${noun}. ${hint(value) ?? `Use ${use}.`}`),
    show: (value) => JSON.stringify(value),
  };
}

/** Returns the kind of a whole number from `min` to `max`. */
export function wholeNumber(
  noun: string,
  use: string,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): ValueKind<number> {
  const accept = (value: unknown) =>
    typeof value === "number" && Number.isInteger(value) && value >= min && value <= max
      ? value
      : undefined;
  const hint = (value: unknown) =>
    typeof value === "string" && /^\d{1,15}$/.test(value) && accept(Number(value)) !== undefined
      ? `Write it without quotes: ${Number(value)}.`
      : null;
  const type = max === Number.MAX_SAFE_INTEGER
    ? `whole number, at least ${min}`
    : `whole number, ${min} to ${max}`;
  const json = { type: "integer", minimum: min, maximum: max };
  return scalar({ noun, use, type, json }, accept, hint);
}

/** Powers of 1024, by the names that a byte count may end with. */
const BINARY_UNITS: ReadonlyMap<string, number> = new Map([
  ["KiB", 1024],
  ["MiB", 1024 ** 2],
  ["GiB", 1024 ** 3],
]);

/** Returns the kind of a number of bytes from `min` to `max`: a whole number, or a text such as `16MiB`. */
export function byteCount(
  noun: string,
  use: string,
  min = 0,
  max = Number.MAX_SAFE_INTEGER,
): ValueKind<number> {
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
  const type = max < Number.MAX_SAFE_INTEGER
    ? `bytes, ${formatBytes(min)} to ${formatBytes(max)}`
    : min > 0
    ? `bytes, at least ${formatBytes(min)}`
    : "bytes";
  const json = {
    anyOf: [
      { type: "integer", minimum: min, maximum: max },
      { type: "string", pattern: `^\\d{1,9} ?(${units.join("|")})$` },
    ],
  };
  return { ...scalar({ noun, use, type, json }, accept, hint), show: showBytes };
}

/** Returns a number of bytes as a file spells it, such as `"16MiB"` with its quotes, or `0`. */
function showBytes(value: unknown): string {
  const [unit, bytes] = [...BINARY_UNITS].findLast(([, bytes]) => Number(value) % bytes === 0) ??
    [];
  return bytes === undefined || value === 0
    ? JSON.stringify(value)
    : JSON.stringify(`${Number(value) / bytes}${unit}`);
}

/** Returns the kind of a text that `fault` accepts with `null`; else `fault` says what to do, or `""` for "Use ...". */
export function text(
  noun: string,
  use: string,
  fault: (value: string) => string | null,
): ValueKind<string> {
  return scalar(
    { noun, use, json: { type: "string" }, blank: BLANK_TEXTS },
    (value) => typeof value === "string" && fault(value) === null ? value : undefined,
    (value) => typeof value === "string" ? fault(value) || null : null,
  );
}

/** Returns the kind of a value that is one of a few words. */
export function oneOf<T extends string>(noun: string, ...words: T[]): ValueKind<T> {
  const use = words.map(quote).join(" or ");
  return scalar(
    { noun, use, type: words.map(quote).join(", "), json: { enum: words }, blank: BLANK_TEXTS },
    (value) => words.find((word) => word === value),
    (value) => {
      const meant = typeof value === "string" ? suggest(value, words) : null;
      return meant === null ? null : `Did you mean ${quote(meant)}? Use ${use}.`;
    },
  );
}

/**
 * Returns the kind of a list whose items keep their index in the file: an item that could not be read is
 * `undefined`. PHP, which Phorge reads the file with, cannot tell `{}` from `[]`: both are empty lists.
 *
 * @param use Begins with `a list of`.
 */
export function entries<T>(use: string, kind: ValueKind<T>): ValueKind<readonly (T | undefined)[]> {
  return {
    use,
    type: use.replace(/^a | such as .*/g, ""),
    json: { type: ["array", "object"], items: kind.json, maxProperties: 0 },
    blank: [],
    read(value, place) {
      if (Array.isArray(value)) {
        return value.map((item: unknown, index) => kind.read(item, place.at(index)));
      }
      if (isObject(value) && Object.keys(value).length === 0) return [];
      return place.report(`${quote(value)} is not a list. Use ${use}.`);
    },
    show: (value) => JSON.stringify(value),
  };
}

/** Returns the kind of a list that is read when all of its items are. */
export function list<T>(use: string, kind: ValueKind<T>): ValueKind<readonly T[]> {
  const all = entries(use, kind);
  return {
    ...all,
    blank: [null],
    read(value, place) {
      const items = all.read(value, place);
      return items?.every((item) => item !== undefined) ? items : undefined;
    },
  };
}
