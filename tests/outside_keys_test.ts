/**
 * No text from outside is a key of V8's tables: their hash is no secret, so that chosen texts make them slow
 * for the whole process. `KeyedMap` and `readMembers` take their place. Here is what finds the others.
 */

import { ROOT } from "./acceptance/program.ts";
import { filesBelow } from "./files.ts";
import { assertEquals } from "./assert.ts";

/** Rooms that texts from outside come into; `net` may be there or not. */
const ROOMS = ["hub", "http", "websocket", "client", "admin", "cluster"];
const FURTHER_ROOMS = ["net"];

/** Something that may have texts from outside for keys. */
interface Found {
  /** From the project's folder. */
  readonly path: string;
  /** The line that it begins in, without the spaces around it. */
  readonly line: string;
}

/** A place where there is no harm in it. */
interface Place {
  readonly path: string;
  /** A part of the line. */
  readonly part: string;
  readonly reason: string;
}

const PLACES: readonly Place[] = [
  {
    path: "src/hub/topics.ts",
    part: "topic.value = new Set([topic.value, listener])",
    reason: "listeners, which are objects",
  },
  {
    path: "src/hub/listener.ts",
    part: "this.#topics = new Set([...this.#topics, topic])",
    reason: "interned topics, which are objects",
  },
  {
    path: "src/http/open_connections.ts",
    part: "readonly #sets = new Map<Stage, Set<OpenConnection>>()",
    reason: "stages, which are words of the source",
  },
  {
    path: "src/http/open_connections.ts",
    part: "this.#sets.set(to, new Set([connection]))",
    reason: "connections, which are objects",
  },
  {
    path: "src/http/open_connections.ts",
    part: "this.#bySize.set(size, new Set([network]))",
    reason: "networks, which are objects",
  },
  {
    path: "src/websocket/outbox.ts",
    part: "this.#firsts = new Map()",
    reason: "payloads, which are objects",
  },
  {
    path: "src/cluster/cluster.ts",
    part: "readonly #successors = new Map<string,",
    reason: "fingerprints of peers of the configuration, at most one for each entry",
  },
  {
    path: "src/cluster/cluster.ts",
    part: "const named = new Set(others.map((each) => each.fingerprint))",
    reason: "fingerprints of peers of the configuration, at most one for each entry",
  },
  {
    path: "src/cluster/queue.ts",
    part: "const copies = new Set(messages.filter(isCopy).map(({ encoded }) => encoded))",
    reason: "encoded messages, which are objects",
  },
  {
    path: "src/cluster/peer_identity.ts",
    part: "readonly #former = new Map<string, number>()",
    reason: "fingerprints of one peer of the configuration, 64 at most",
  },
  {
    path: "src/cluster/peer_log.ts",
    part: "readonly #told = new Set<string>()",
    reason: "reasons that a peer of the configuration is down, 5 at most",
  },
];

/**
 * What makes a table, or reads JSON into one. A table that is only declared is made elsewhere; one that is
 * `Readonly` has been written down in the source.
 */
const SUSPICIOUS: readonly RegExp[] = [
  // Followed by what it is a table of: see `isOfTexts`.
  /\bnew\s+(?:Map|Set)\b/g,
  /\b(?:Map|Object)\s*\.\s*groupBy\b/g,
  /\bObject\s*\.\s*(?:fromEntries\b|create\s*\(\s*null\b)/g,
  // Without Readonly, and with what it begins with.
  /(?<!\bReadonly<)\bRecord<string\b[^=;(){}]*>\s*=(?![=>])/g,
  /\b(?:as|satisfies)\s+Record<string\b/g,
  /(?<!readonly\s+)\[\s*\w+\s*:\s*string\s*\]\s*:/g,
  /\bJSON\s*(?:\?\.|\.)\s*(?!stringify\b)\w|\bJSON\s*\[|=\s*JSON\b(?!\s*[.?])/g,
  /(?<!\bfunction\s)\bobjectOf\s*\(/g,
  // A request's, or a response's.
  /\.\s*json\s*\(\s*\)/g,
];

/** A text without its comments. What looks like one in a string stays. */
function withoutComments(text: string): string {
  return text.replace(
    /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\*.*?\*\/|\/\/[^\n]*/gs,
    (comment, string?: string) => string ?? comment.replace(/[^\n]/g, ""),
  );
}

/** Names of types that are texts of some kind, such as `type Kind = "a" | "b"` or `typeof KINDS[number]`. */
function textTypes(texts: readonly string[]): ReadonlySet<string> {
  return new Set(
    texts.flatMap((text) =>
      [...withoutComments(text).matchAll(/\btype\s+(\w+)\s*=\s*([^;{]*);/g)]
        .filter(([, , type = ""]) => isText(type) || /\bkeyof\b|\[number\]/.test(type))
        .map(([, name = ""]) => name)
    ),
  );
}

function isText(type: string): boolean {
  return /\bstring\b|(^|\|)\s*["'`]/.test(type);
}

/** Whether a Map or Set has texts for keys, or does not say what it has; `rest` is what follows its name. */
function isOfTexts(rest: string, types: ReadonlySet<string>): boolean {
  if (!/^\s*</.test(rest)) return true;
  let depth = 0;
  const start = rest.indexOf("<") + 1;
  let end = start;
  for (; end < rest.length; end++) {
    const character = rest.charAt(end);
    if (depth === 0 && (character === "," || character === ">")) break;
    if ("<({[".includes(character)) depth++;
    if (">)}]".includes(character)) depth--;
  }
  const key = rest.slice(start, end).trim();
  return isText(key) || ["any", "unknown"].includes(key) ||
    key.split("|").some((each) => types.has(each.trim()));
}

/** What is suspicious in a source file. */
function suspiciousIn(path: string, text: string, types: ReadonlySet<string>): Found[] {
  const code = withoutComments(text);
  const at = SUSPICIOUS.flatMap((pattern) =>
    [...code.matchAll(pattern)].filter(({ 0: match, index }) =>
      !match.startsWith("new") || isOfTexts(code.slice(index + match.length), types)
    ).map(({ index }) => index)
  );
  // By line, as one may be suspicious for two reasons.
  const lines = new Set(at.map((index) => code.slice(0, index).split("\n").length - 1));
  return [...lines].toSorted((a, b) => a - b)
    .map((line) => ({ path, line: code.split("\n")[line]?.trim() ?? "" }));
}

/** What is found without a place of its own, and the places that nothing is found at. */
function unexplained(
  found: readonly Found[],
  places: readonly Place[],
): { readonly found: readonly string[]; readonly places: readonly string[] } {
  const fits = (each: Found, place: Place) =>
    each.path === place.path && each.line.includes(place.part);
  return {
    found: found.filter((each) => !places.some((place) => fits(each, place)))
      .map(({ path, line }) => `${path}: ${line}`),
    places: places.filter((place) => !found.some((each) => fits(each, place)))
      .map(({ path, part }) => `${path}: ${part}`),
  };
}

function textOf(path: string): string {
  return Deno.readTextFileSync(`${ROOT}${path}`);
}

Deno.test("no text from outside is a key of a table whose hash is no secret", () => {
  const types = textTypes(filesBelow("src", ".ts").map(textOf));
  const there = [...Deno.readDirSync(`${ROOT}src`)].map(({ name }) => name);
  const rooms = [...ROOMS, ...FURTHER_ROOMS.filter((room) => there.includes(room))];
  const found = rooms.flatMap((room) =>
    filesBelow(`src/${room}`, ".ts").flatMap((path) => suspiciousIn(path, textOf(path), types))
  );
  assertEquals(unexplained(found, PLACES), { found: [], places: [] });
});

Deno.test("each place has a reason, and is listed once", () => {
  assertEquals(PLACES.filter(({ reason }) => reason.length < 10), []);
  const keys = PLACES.map(({ path, part }) => `${path}: ${part}`);
  assertEquals(keys.filter((key, index) => keys.indexOf(key) !== index), []);
});

for (
  const [what, code] of [
    ["a Map with texts for keys", "const byName = new Map<string, Peer>();"],
    ["a Map whose keys are spread over lines", "const byName = new Map<\n  string,\n  Peer\n>();"],
    ["a Set of texts", "readonly #names = new Set<string>();"],
    ["a Set of texts of a kind", "const kinds = new Set<Kind>();"],
    ["a Set of texts of a kind of several", "const kinds = new Set<Kind | null>();"],
    ["a Set of texts that are written down", 'const kinds = new Set<"a" | "b">();'],
    ["a Map that does not say what its keys are", "this.#byName ??= new Map();"],
    ["a Set that does not say what it has", "const names = new Set(message.subscribers);"],
    ["a Set without arguments", "return new Set;"],
    ["a Map of anything", "const all = new Map<unknown, Peer>();"],
    ["a group of a list", "const groups = Map.groupBy(names, (name) => name);"],
    ["a group of a list, as an object", "const groups = Object.groupBy(names, nameOf);"],
    ["an object of entries", "const table = Object.fromEntries(pairs);"],
    ["an object without a prototype", "const table = Object.create(null);"],
    ["an object as a table", "const table: Record<string, number> = {};"],
    ["an object as a table in a class", "readonly #table: Record<string, Peer | null> = {};"],
    ["an object that becomes a table", "const table = {} as Record<string, number>;"],
    ["an object with any key", "const table: { [name: string]: number } = {};"],
    ["JSON.parse", "const { command } = JSON.parse(text);"],
    ["JSON.parse by another name", "const { parse } = JSON;"],
    ["JSON.parse that is passed on", 'const values = lines.map(JSON["parse"]);'],
    ["JSON.parse within a function of ours", "const page = objectOf(answer.body);"],
    ["the JSON of a request", "const message = await request.json();"],
    ["a table behind a comment", "/* names */ const byName = new Map<string, Peer>(); // by name"],
    [
      "a table behind what looks like a comment",
      'fetch("http://a/"); const a = new Set<string>();',
    ],
  ] as const
) {
  Deno.test(`the check finds ${what}`, () => {
    const line = withoutComments(code).split("\n")[0]?.trim() ?? "";
    assertEquals(suspiciousIn("src/hub/x.ts", `\n${code}\n`, new Set(["Kind"])), [
      { path: "src/hub/x.ts", line },
    ]);
  });
}

for (
  const code of [
    "const open = new Set<Connection>();",
    "const hashes = new Map<number, Map<string, Peer>>();",
    'const sent = new Set<Relayed["encoded"]>();',
    "const byPayload = new WeakMap<Uint8Array, Batch>();",
    "const byName = new KeyedMap<Peer>(hash);",
    "// a Map would be new Map<string, Peer>(), as JSON.parse() makes one",
    "/**\n * `new Set<string>()`\n */",
    'const REASONS: Readonly<Record<string, string>> = { a: "b" };',
    "function log(values: Record<string, unknown>): void {",
    "const text = JSON.stringify(value);",
    'throw new InvalidMessage("A message is a JSON object");',
    "return Response.json({ error });",
    'import { objectOf } from "../json.ts";',
    "readonly [key: string]: unknown;",
  ]
) {
  Deno.test(`the check passes over ${code.trim().split("\n")[0]}`, () => {
    assertEquals(suspiciousIn("src/hub/x.ts", code, new Set(["Kind"])), []);
  });
}

Deno.test("the check knows which types are texts", () => {
  const source = `export type Kind = "a" | "b";
    type Name = typeof NAMES[number];
    type Key = keyof typeof TABLE; type Id = string;
    type Long =
      | "a" // one
      | "b";
    type Pair = { readonly name: string };
    type Count = number; // type Said = string;
    type Former = Connection | null;`;
  assertEquals([...textTypes([source])].toSorted(), ["Id", "Key", "Kind", "Long", "Name"]);
});

Deno.test("the check finds a second table of a file, and a place where there is none any more", () => {
  const found = suspiciousIn(
    "src/hub/x.ts",
    "const a = new Set<string>();\nconst b = new Set<string>();\nconst c = new Set<Topic>();",
    new Set(),
  );
  const place = { path: "src/hub/x.ts", part: "const a = new Set", reason: "few of them" };
  const other = { ...place, path: "src/hub/y.ts" };
  const gone = { ...place, part: "const c = new Set" };
  assertEquals(unexplained(found, [place, other, gone]), {
    found: ["src/hub/x.ts: const b = new Set<string>();"],
    places: ["src/hub/y.ts: const a = new Set", "src/hub/x.ts: const c = new Set"],
  });
});
