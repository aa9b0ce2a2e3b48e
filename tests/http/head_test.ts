import { Buffer } from "node:buffer";
import fc from "fast-check";
import {
  BadRequest,
  HEAD_LIMIT,
  HeadReader,
  type ReadHead,
  requestUrl,
  schemeLength,
} from "../../src/http/head.ts";
import { assert, assertEquals } from "../assert.ts";
import { heldBytes } from "../held.ts";
import { bytewise, concat, cut, latin1, textOf, utf8, waysToCut } from "../pieces.ts";

/** Fields that are looked at, by name; several values stand for several fields. */
type Expected = Readonly<Record<string, readonly string[]>>;

/** A head as far as it is compared, and what came behind it. */
interface Accepted {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  readonly fields: Expected;
  readonly rest: string;
}

interface Refused {
  readonly status: number;
  readonly reason: string;
}

type Outcome = Accepted | Refused | null;

/** Reads pieces up to the first head, and returns what comes of them; `null`: the head is not whole. */
function read(pieces: readonly Uint8Array[], names: readonly string[] = []): Outcome {
  const reader = new HeadReader();
  for (const [index, piece] of pieces.entries()) {
    const before = piece.slice();
    const result = reader.read(piece);
    assertEquals(piece, before, "the reader leaves the chunk as it is");
    if (result === null) continue;
    if (result instanceof BadRequest) return { status: result.status, reason: result.reason };
    const rest = concat(piece.subarray(result.end), ...pieces.slice(index + 1));
    const { method, target, version, fields } = result.head;
    const values = names.map((name) => {
      const value = fields.get(name);
      if (value === null) return [name, []] as const;
      return [name, fields.count(name) === 1 ? [value] : value.split(", ")] as const;
    });
    return { method, target, version, fields: Object.fromEntries(values), rest: textOf(rest) };
  }
  return null;
}

/** What it is (a sentence), the input, and what comes of it. */
type Case = readonly [string, Uint8Array | string, Outcome];

function accepted(change: Partial<Accepted> = {}): Accepted {
  return { method: "GET", target: "/", version: "1.1", fields: {}, rest: "", ...change };
}

function refused(status: number, reason: string): Refused {
  return { status, reason };
}

/** A head of these lines. */
function lines(...lines: readonly string[]): string {
  return lines.map((line) => `${line}\r\n`).join("") + "\r\n";
}

/** A request with a `Host`, whose first line is given. */
function asking(line: string): string {
  return lines(line, "Host: x");
}

/** A request with these header lines besides `Host`. */
function having(...fields: readonly string[]): string {
  return lines("GET / HTTP/1.1", "Host: x", ...fields);
}

/** A request with exactly `size` bytes. */
function sized(size: number): string {
  return having(`X-Padding: ${"x".repeat(size - having("X-Padding: ").length)}`);
}

const BARE_LF = refused(400, "Its head has an LF without CR");
const BARE_CR = refused(400, "Its head has a CR without LF");
const CONTROL = refused(400, "It is no HTTP request: its head has control characters");
const LINE = refused(400, "Its request line is malformed");
const FIELD = refused(400, "A line of its head is malformed");
const NO_HOST = refused(400, "It does not have one Host header");
const BAD_HOST = refused(400, "Its Host header is malformed");
const TOO_LONG = refused(431, "Its head is longer than 16384 bytes");
const TOO_MANY = refused(431, "Its head has more than 200 fields");

function shown(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text);
}

/** Control characters besides TAB, LF and CR. */
const CONTROL_CODES = [...Array(0x20).keys(), 0x7f].filter((code) => ![9, 10, 13].includes(code));

const PARSING: readonly Case[] = [
  ["a head ends behind its empty line", having(), accepted({ fields: { host: ["x"] } })],
  ["a head may be a request line alone", "GET / HTTP/1.0\r\n\r\n", accepted({ version: "1.0" })],
  ["nothing is no head", "", null],
  ["a head whose last byte has not come is none", having().slice(0, -1), null],
  ["a head whose empty line has not come is none", having().slice(0, -2), null],
  ["a head whose line has not ended is none", "GET / HTTP/1.1", null],
  ["an empty line before it is skipped", `\r\n${having()}`, accepted()],
  ["several empty lines before it are skipped", `${"\r\n".repeat(9)}${having()}`, accepted()],
  ["empty lines alone are no head", "\r\n\r\n\r\n\r\n", null],
  ["what comes behind it is left", `${having()}\r\nGET /2`, accepted({ rest: "\r\nGET /2" })],
  [
    "bytes that no head may have are left when they come behind it",
    `${having()}\0\x7f\n\r\xff`,
    accepted({ rest: "\0\x7f\n\r\xff" }),
  ],
  ["an LF alone before it is refused", `\n${having()}`, BARE_LF],
  ["an LF alone behind an empty line is refused", `\r\n\n${having()}`, BARE_LF],
  ["an LF alone ends no request line", "GET / HTTP/1.1\nHost: x\r\n\r\n", BARE_LF],
  ["an LF alone is refused before the head is whole", "GET / HTTP/1.1\n", BARE_LF],
  ["an LF alone is refused behind a request line of HTTP/0.9", "GET /\n", BARE_LF],
  ["an LF alone ends no header", "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", BARE_LF],
  ["an LF alone ends no head", "GET / HTTP/1.1\r\nHost: x\r\n\n", BARE_LF],
  ["two LFs alone end no head", "GET / HTTP/1.1\r\nHost: x\n\n", BARE_LF],
  ["an LF alone at the start of a header is refused", "GET / HTTP/1.1\r\n\nHost: x", BARE_LF],
  ["a CR alone ends no request line", "GET / HTTP/1.1\rHost: x\r\n\r\n", BARE_CR],
  ["a CR alone ends no header", "GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n", BARE_CR],
  ["a CR alone ends no head", "GET / HTTP/1.1\r\nHost: x\r\n\rG", BARE_CR],
  ["two CRs before an LF are refused", "GET / HTTP/1.1\r\r\nHost: x\r\n\r\n", BARE_CR],
  ["a CR alone before the head is refused", "\rGET / HTTP/1.1\r\n\r\n", BARE_CR],
  ["two CRs before the head are refused", "\r\r\n", BARE_CR],
  ["a CR alone in a target is refused", "GET /\r/ HTTP/1.1\r\n", BARE_CR],
  ["a CR alone in a name is refused", "GET / HTTP/1.1\r\nHo\rst: x\r\n", BARE_CR],
  ["a CR at the end may be followed by an LF", "GET / HTTP/1.1\r", null],
  ...CONTROL_CODES.map((code): Case => [
    `the byte ${code.toString(16)} is refused in a value`,
    `GET / HTTP/1.1\r\nA: ${String.fromCharCode(code)}`,
    CONTROL,
  ]),
  ...["\0", "\x1f", "\x7f"].flatMap((character): Case[] => [
    [`the character ${shown(character)} is refused where a head begins`, character, CONTROL],
    [`the character ${shown(character)} is refused in a method`, `GE${character}`, CONTROL],
    [`the character ${shown(character)} is refused in a target`, `GET /${character}`, CONTROL],
    [
      `the character ${shown(character)} is refused in a name`,
      `GET / HTTP/1.1\r\nHo${character}`,
      CONTROL,
    ],
    [`the character ${shown(character)} is refused behind a CR`, `GET /\r${character}`, BARE_CR],
  ]),
  ["a TLS hello is refused before it is whole", "\x16\x03\x01\x02\x00\x01\x00", CONTROL],
  ["a WebSocket frame is refused before it is whole", "\x81\x05Hello", CONTROL],
  ["the preface of HTTP/2 is refused", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", LINE],
  ["a blank before the request line is refused", asking(" GET / HTTP/1.1"), LINE],
  ["a tab before the request line is refused", asking("\tGET / HTTP/1.1"), LINE],
  [
    "a blank line of blanks between the request line and the headers is refused",
    lines("GET / HTTP/1.1", " ", "Host: x"),
    FIELD,
  ],
  [
    "a header that begins with a blank behind the request line is refused",
    lines("GET / HTTP/1.1", " A: b", "Host: x"),
    FIELD,
  ],
  [
    "a header that begins with a tab behind the request line is refused",
    lines("GET / HTTP/1.1", "\tA: b", "Host: x"),
    FIELD,
  ],
  [
    "each byte is a character, so that UTF-8 comes out as it was sent",
    concat(latin1("GET /"), utf8("é😀"), latin1(" HTTP/1.1\r\nHost: x\r\n\r\n")),
    accepted({ target: `/${textOf(utf8("é😀"))}` }),
  ],
];

const REQUEST_LINE: readonly Case[] = [
  ...["POST", "HEAD", "OPTIONS", "get", "M-SEARCH", "!#$%&'*+-.^_`|~9Az"].map((method): Case => [
    `the method ${method} comes out as it was sent`,
    asking(`${method} / HTTP/1.1`),
    accepted({ method }),
  ]),
  ...["G(T", "GET:", "G/T", "GET,", '"GET"', "G\xc9T", "G@T", "[GET]", "{}", "G\tT"].map((
    method,
  ): Case => [
    `the method ${shown(method)} is malformed`,
    asking(`${method} / HTTP/1.1`),
    LINE,
  ]),
  ...[
    ["HTTP/1.0", "1.0"],
    ["HTTP/1.1", "1.1"],
    // A later minor version is read as the latest that is known (RFC 9110, section 2.5).
    ["HTTP/1.2", "1.1"],
    ["HTTP/1.9", "1.1"],
  ].map(([version = "", as = ""]): Case => [
    `${version} is read as ${as}`,
    asking(`GET / ${version}`),
    accepted({ version: as }),
  ]),
  ...["HTTP/0.9", "HTTP/0.0", "HTTP/2.0", "HTTP/2.1", "HTTP/3.0", "HTTP/9.9"].map((
    version,
  ): Case => [
    `${version} is not spoken`,
    asking(`GET / ${version}`),
    refused(505, `It speaks ${version}`),
  ]),
  ...[
    ...[
      "http/1.1",
      "Http/1.1",
      "HTTP/1.10",
      "HTTP/1.01",
      "HTTP/11",
      "HTTP/1",
      "HTTP/1.",
      "HTTP/.1",
    ],
    ...["HTTP/1,1", "HTTP/-1.1", "HTTP/+1.1", "HTTP/1.-1", "HTTP/1.x", "HTTP/x.1", "HTTP/ 1.1"],
    ...["HTTP /1.1", "HTTP/1.1 ", "HTTP/1.1\t", "HTTP/1.1x", "HTTPS/1.1", "ICY/1.1", "HTP/1.1"],
    ...[
      "HTTP/1.\xb9",
      "HTTP\\1.1",
      "HTTP1.1",
      "1.1",
      "/1.1",
      "HTTP/0x1.1",
      "HTTP/1 .1",
      "HTTP/1. 1",
    ],
  ].map((version): Case => [
    `the version ${shown(version)} is malformed`,
    asking(`GET / ${version}`),
    LINE,
  ]),
  ...[
    ...["GET", "GET ", "GET /", "GET / ", "GET  / HTTP/1.1", "GET /  HTTP/1.1", "GET / HTTP/1.1 "],
    ...["/ HTTP/1.1", "GET HTTP/1.1", "GET / /x HTTP/1.1", "GET\t/\tHTTP/1.1", "GET /\tHTTP/1.1"],
    ...["GET\t/ HTTP/1.1", "GET /a b HTTP/1.1", "GET /a\tb HTTP/1.1", "HTTP/1.1 200 OK", "Host: x"],
  ].map((line): Case => [`the request line ${shown(line)} is malformed`, asking(line), LINE]),
];

const TARGETS: readonly Case[] = [
  ...[
    ...[
      "/",
      "//",
      "//x/y",
      "/~acme/",
      "/?",
      "/?a=b&c",
      "/a/../b",
      "/%41%zz",
      "/a#b",
      "/*",
      "/\xe9",
    ],
    ...['/"{}|\\^`<>', "/http://x/", "/x:80", "/;p=1,2", `/${"x".repeat(300)}`],
    // The absolute form.
    ...["http://x", "http://x/", "HTTP://X/", "https://x:1/y?z", "ws://x:80/~acme/?y", "wss://x/"],
    ...["http://", "http:///", "http://[::1]:80/", "http://u:p@x/", "a+b-c.d1://x", "foo://"],
  ].map((target): Case => [
    `the target ${shown(target)} is accepted as it was sent`,
    asking(`GET ${target} HTTP/1.1`),
    accepted({ target }),
  ]),
  ...[
    ...[
      "x",
      "*",
      "x:80",
      "?",
      "?a",
      "#",
      "#a",
      "\\",
      "\\\\x",
      ".",
      "..",
      "../",
      "~",
      "%2F",
      "[::1]",
    ],
    ...["http:", "http:/", "http:/x", "http:x", "://x", ":80", "1http://x", "+a://x", "-a://x"],
    ...[".a://x", "ht tp://x", "h_t://x", "h\xe9://x", "ht/p://x", "@://x", "[a]://x", "`://x"],
  ].map((target): Case => [
    `the target ${shown(target)} is malformed`,
    asking(`GET ${target} HTTP/1.1`),
    LINE,
  ]),
  [
    "the target of OPTIONS may be an asterisk",
    asking("OPTIONS * HTTP/1.1"),
    accepted({ method: "OPTIONS", target: "*" }),
  ],
  ["that of options may not, as methods have a case", asking("options * HTTP/1.1"), LINE],
  ["an asterisk has nothing behind it", asking("OPTIONS */ HTTP/1.1"), LINE],
  ...["x:443", "[::1]:443", "x", "/", "*", "http://x/"].map((target): Case => [
    `the target of CONNECT may be ${target}`,
    asking(`CONNECT ${target} HTTP/1.1`),
    accepted({ method: "CONNECT", target }),
  ]),
  ["that of connect may not be an authority", asking("connect x:443 HTTP/1.1"), LINE],
];

const HOST: readonly Case[] = [
  ...[
    ...["x", "", "x:80", "x:", ":80", "127.0.0.1:22280", "[::1]", "[::1]:80", "[v1.a:b]", "a_b"],
    ...["EXAMPLE.com", "xn--a.example", "a.b.c.", "%41", "!$&'()*+,;=", "~-._"],
  ].map((host): Case => [
    `the Host ${shown(host)} is accepted`,
    lines("GET / HTTP/1.1", `Host: ${host}`),
    accepted({ fields: { host: [host] } }),
  ]),
  ...[
    ...["a b", "a, b", "a/b", "/", "a@b", "u:p@a", "a?b", "a#b", 'a"b', '"a"', "<a>", "a\\b"],
    ...["a|b", "{a}", "a^b", "a`b", "\xe4", "a\tb", "http://x", "\xff"],
  ].map((host): Case => [
    `the Host ${shown(host)} is malformed`,
    lines("GET / HTTP/1.1", `Host: ${host}`),
    BAD_HOST,
  ]),
  ["HTTP/1.1 demands a Host", "GET / HTTP/1.1\r\n\r\n", NO_HOST],
  ["a later minor version demands a Host", "GET / HTTP/1.2\r\n\r\n", NO_HOST],
  ["the absolute form demands a Host", "GET http://x/ HTTP/1.1\r\n\r\n", NO_HOST],
  ["CONNECT demands a Host", "CONNECT x:443 HTTP/1.1\r\n\r\n", NO_HOST],
  ["HTTP/1.0 demands none", "GET / HTTP/1.0\r\n\r\n", accepted({ version: "1.0" })],
  ["two Hosts are refused", having("Host: y"), NO_HOST],
  ["two Hosts that are equal are refused", having("Host: x"), NO_HOST],
  ["two Hosts written differently are refused", having("hOST: x"), NO_HOST],
  ["a second Host that is empty is refused", having("Host:"), NO_HOST],
  [
    "two Hosts are refused in HTTP/1.0",
    lines("GET / HTTP/1.0", "Host: x", "Host: y"),
    NO_HOST,
  ],
  ["a malformed Host is refused in HTTP/1.0", lines("GET / HTTP/1.0", "Host: a b"), BAD_HOST],
  [
    "a Host beside the absolute form may be another one",
    lines("GET http://y/ HTTP/1.1", "Host: x"),
    accepted({ target: "http://y/", fields: { host: ["x"] } }),
  ],
];

const FIELDS: readonly Case[] = [
  [
    "names have no case",
    lines("GET / HTTP/1.1", "HOST: x", "cONNECTION: Close"),
    accepted({ fields: { host: ["x"], connection: ["Close"] } }),
  ],
  [
    "a value may have any blanks around it, or none",
    lines("GET / HTTP/1.1", "Host:x", "A: \t b \t", "B:\tc", "C: \t "),
    accepted({ fields: { host: ["x"], a: ["b"], b: ["c"], c: [""] } }),
  ],
  ["a value may be empty", having("A:", "B: "), accepted({ fields: { a: [""], b: [""] } })],
  [
    "a value keeps what is in it",
    having('A: b: c, "d\\"e" \t; f=(g)'),
    accepted({ fields: { a: ['b: c, "d\\"e" \t; f=(g)'] } }),
  ],
  [
    "a value may have bytes above 7F",
    having("A: J\xfcrgen\x80\xff"),
    accepted({ fields: { a: ["J\xfcrgen\x80\xff"] } }),
  ],
  [
    "fields of a name come out in their order",
    having("A: 1", "B: 2", "a: 3", "A:"),
    accepted({ fields: { a: ["1", "3", ""], b: ["2"] } }),
  ],
  [
    "a name may be any token",
    having("!#$%&'*+-.^_`|~9z: x"),
    accepted({ fields: { "!#$%&'*+-.^_`|~9z": ["x"] } }),
  ],
  [
    "names like those of members of objects are harmless",
    having("__proto__: a", "constructor: b", "toString: c", "hasOwnProperty: d", "length: e"),
    accepted({
      fields: {
        ["__proto__"]: ["a"],
        constructor: ["b"],
        tostring: ["c"],
        hasownproperty: ["d"],
        length: ["e"],
      },
    }),
  ],
  ...[
    ...[
      "A",
      "A b",
      ": b",
      ":",
      " : b",
      "A : b",
      "A\t: b",
      "A b: c",
      "A\tb: c",
      "\xc4: b",
      "A\xa0: b",
    ],
    ...["A(: b", "A): b", "A,: b", "A/: b", "A;: b", "A=: b", "A?: b", "A@: b", "A[: b", "A]: b"],
    ...["A{: b", "A}: b", 'A": b', "A\\: b", "<A>: b", "GET / HTTP/1.1"],
  ].map((line): Case => [`the header ${shown(line)} is malformed`, having(line), FIELD]),
  ["a header folded by a blank is refused", having("A: b", " c"), FIELD],
  ["a header folded by a tab is refused", having("A: b", "\tc"), FIELD],
  ["a header folded by blanks alone is refused", having("A: b", " "), FIELD],
  ["a fold with a colon is refused", having("A: b", " Content-Length: 5"), FIELD],
  ["the first header cannot be folded", lines("GET / HTTP/1.1", " x", "Host: x"), FIELD],
  ["a Host cannot be folded", lines("GET / HTTP/1.1", "Host:", " x"), FIELD],
  [
    "a header that comes before the request line is taken for it",
    lines("Host: x", "GET / HTTP/1.1"),
    LINE,
  ],
];

/** A request with so many header fields. */
function crowded(count: number): string {
  return having(...Array.from({ length: count - 1 }, (_, index) => `X-${index}: x`));
}

const EMPTY_LINES = "\r\n".repeat(1000);

/** A head of `size` bytes that are nearly all of its target. */
function withLongTarget(size: number): readonly [string, Accepted] {
  const target = "/".padEnd(size - "GET  HTTP/1.0\r\n\r\n".length, "x");
  return [`GET ${target} HTTP/1.0\r\n\r\n`, accepted({ target, version: "1.0" })];
}

const LIMITS: readonly Case[] = [
  ["a head of 16,384 bytes is accepted", sized(HEAD_LIMIT), accepted()],
  ["a head of 16,385 bytes is too long", sized(HEAD_LIMIT + 1), TOO_LONG],
  ["a head of 40,000 bytes is too long", sized(40_000), TOO_LONG],
  [
    "a head that has not ended after 16,384 bytes is too long",
    sized(20_000).slice(0, HEAD_LIMIT),
    TOO_LONG,
  ],
  ["a head that may end with its byte 16,384 is awaited", sized(HEAD_LIMIT).slice(0, -1), null],
  [
    "what comes behind a head does not count as head",
    `${sized(HEAD_LIMIT)}${"x".repeat(9000)}`,
    accepted({ rest: "x".repeat(9000) }),
  ],
  ["a request line may have the whole length", ...withLongTarget(HEAD_LIMIT)],
  ["a longer one is too long", withLongTarget(HEAD_LIMIT + 1)[0], TOO_LONG],
  ["a request line that does not end is too long", "x".repeat(HEAD_LIMIT), TOO_LONG],
  [
    "empty lines before it count",
    `${EMPTY_LINES}${sized(HEAD_LIMIT - EMPTY_LINES.length)}`,
    accepted(),
  ],
  [
    "a head that is too long with the empty lines before it is refused",
    `${EMPTY_LINES}${sized(HEAD_LIMIT - EMPTY_LINES.length + 1)}`,
    TOO_LONG,
  ],
  ["empty lines without end are too long", "\r\n".repeat(HEAD_LIMIT / 2), TOO_LONG],
  [
    "a control character in a head that is too long is found whatever the pieces",
    `\0${"x".repeat(HEAD_LIMIT)}`,
    CONTROL,
  ],
  [
    "a control character as byte 16,384 is found",
    `${"x".repeat(HEAD_LIMIT - 1)}\0`,
    CONTROL,
  ],
  [
    "a control character behind 16,384 bytes does not matter",
    `${"x".repeat(HEAD_LIMIT)}\0`,
    TOO_LONG,
  ],
  ["a head of 200 fields is accepted", crowded(200), accepted()],
  ["a head of 201 fields has too many", crowded(201), TOO_MANY],
  [
    "a malformed field behind too many does not matter",
    crowded(201).replace(/\r\n$/, "bad\r\n\r\n"),
    TOO_MANY,
  ],
];

const SECTIONS: readonly (readonly [string, readonly Case[]])[] = [
  ["RFC 9112, section 2.2", PARSING],
  ["RFC 9112, section 3", REQUEST_LINE],
  ["RFC 9112, section 3.2", TARGETS],
  ["RFC 9110, section 7.2", HOST],
  ["RFC 9112, section 5", FIELDS],
  ["RFC 9110, section 5.4", LIMITS],
];

for (const [section, cases] of SECTIONS) {
  for (const [name, input, expected] of cases) {
    Deno.test(`${section}: ${name}`, () => {
      const names = expected !== null && "fields" in expected ? Object.keys(expected.fields) : [];
      const bytes = typeof input === "string" ? latin1(input) : input;
      for (const { how, pieces } of waysToCut(bytes)) {
        assertEquals(read(pieces, names), expected, how);
      }
    });
  }
}

/** Reads a whole head. */
function headOf(reader: HeadReader, bytes: Uint8Array): ReadHead {
  const result = reader.read(bytes);
  assert(result !== null && !(result instanceof BadRequest), textOf(bytes));
  return result;
}

Deno.test("one reader reads one head after the other out of one chunk", () => {
  const requests = [asking("GET /1 HTTP/1.1"), `\r\n${asking("GET /2 HTTP/1.1")}`, sized(3000)];
  const bytes = latin1(requests.join(""));
  const reader = new HeadReader();
  const targets: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const { head, end } = headOf(reader, bytes.subarray(at));
    targets.push(head.target);
    at += end;
    assertEquals(requests.slice(0, targets.length).join("").length, at);
  }
  assertEquals(targets, ["/1", "/2", "/"]);
});

Deno.test("each head has the whole limit, whatever came before it", () => {
  const reader = new HeadReader();
  for (let round = 0; round < 3; round++) {
    for (const piece of cut(latin1(sized(HEAD_LIMIT)), [5000]).slice(0, -1)) {
      assertEquals(reader.read(piece), null);
    }
    headOf(reader, latin1(sized(HEAD_LIMIT)).subarray(5000));
    assertEquals(reader.isEmpty, true);
  }
});

Deno.test("a reader is empty until something has come, and behind a head", () => {
  const reader = new HeadReader();
  assertEquals(reader.isEmpty, true);
  reader.read(utf8("G"));
  assertEquals(reader.isEmpty, false);
  headOf(reader, latin1(having().slice(1)));
  assertEquals(reader.isEmpty, true);
});

Deno.test("a reader tells what it holds: at most 16 KiB, and nothing behind a head", () => {
  const head = latin1(sized(HEAD_LIMIT));
  const reader = new HeadReader();
  assertEquals(reader.heldBytes, 0);
  for (const [index, byte] of [...head].slice(0, -1).entries()) {
    reader.read(Uint8Array.of(byte));
    const { heldBytes } = reader;
    assert(heldBytes > index && heldBytes <= HEAD_LIMIT, `${heldBytes} after ${index + 1}`);
  }
  headOf(reader, head.subarray(-1));
  assertEquals(reader.heldBytes, 0);
});

Deno.test("a reader holds nothing of a head that came in one chunk, nor of empty lines", () => {
  const reader = new HeadReader();
  headOf(reader, latin1(sized(8000)));
  assertEquals(reader.heldBytes, 0);
  for (let index = 0; index < 1000; index++) reader.read(latin1("\r\n"));
  assertEquals(reader.heldBytes, 0);
});

Deno.test("a reader that is cleared holds nothing", () => {
  const reader = new HeadReader();
  reader.read(latin1(sized(8000).slice(0, 5000)));
  assert(reader.heldBytes >= 5000);
  reader.clear();
  assertEquals(reader.heldBytes, 0);
});

Deno.test("a reader copies what it keeps of a chunk", () => {
  const [first = new Uint8Array(0), second = first] = cut(latin1(having("A: b")), [20]);
  const reader = new HeadReader();
  // A view of a buffer of the runtime, of which `slice` would be a view, too.
  const chunk = Buffer.from(first);
  reader.read(chunk);
  chunk.fill(0);
  const { head } = headOf(reader, second);
  second.fill(0);
  assertEquals([head.target, head.fields.get("host"), head.fields.get("a")], ["/", "x", "b"]);
});

/** A request of some 8 KiB, whose target and headers are long enough to be parts of its text. */
const KEPT = lines(
  "GET /~acme/notifications/which/have/a/long/path HTTP/1.1",
  "Host: phorge.example.com",
  "Origin: https://phorge.example.com",
  `Cookie: ${"x".repeat(7800)}`,
);

for (const pieces of [1, 2]) {
  Deno.test(`a head keeps nothing alive of the chunks that it came in (${pieces})`, async () => {
    const module = (path: string) =>
      JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href);
    const held = await heldBytes(`
      import { Buffer } from "node:buffer";
      import { HeadReader } from ${module("http/head.ts")};
      const text = ${JSON.stringify(KEPT)};
      const cut = ${pieces === 1 ? 0 : 4000};
      export const make = (index) => {
        const reader = new HeadReader();
        const pieces = [text.slice(0, cut), text.slice(cut)].filter((piece) => piece !== "");
        for (const piece of pieces) {
          const chunk = Buffer.alloc(262_144);
          chunk.write(piece, "latin1");
          const read = reader.read(chunk.subarray(0, piece.length));
          if (read !== null) return [reader, read];
        }
      };
    `);
    assert(held < 2 * KEPT.length, `a head keeps ${held} bytes`);
    assert(held > KEPT.length, `${held} bytes are less than the head has`);
  });
}

Deno.test("the URL of a request is its target, or is made of its Host and target", () => {
  const rows: readonly (readonly [string, string, "http" | "https", string])[] = [
    ["GET /a?b#c HTTP/1.1\r\nHost: x:1\r\n\r\n", "", "http", "http://x:1/a?b#c"],
    ["GET / HTTP/1.1\r\nHost: [::1]:1\r\n\r\n", "", "https", "https://[::1]:1/"],
    ["GET //a/../%41 HTTP/1.1\r\nHost: x\r\n\r\n", "", "http", "http://x//a/../%41"],
    // No Host, or an empty one: the server's own address.
    ["GET /a HTTP/1.0\r\n\r\n", "127.0.0.1:22281", "http", "http://127.0.0.1:22281/a"],
    ["GET /a HTTP/1.1\r\nHost:\r\n\r\n", "[::1]:22281", "https", "https://[::1]:22281/a"],
    // The absolute form goes before the Host (RFC 9112, section 3.2.2).
    ["GET http://y/a HTTP/1.1\r\nHost: x\r\n\r\n", "", "http", "http://y/a"],
    ["GET https://y HTTP/1.1\r\nHost: x\r\n\r\n", "", "http", "https://y"],
    ["GET HTTP://[/a HTTP/1.1\r\nHost: x\r\n\r\n", "", "http", "HTTP://[/a"],
    // What is behind an asterisk or an authority is the server itself.
    ["OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "", "http", "http://x/"],
    ["CONNECT y:443 HTTP/1.1\r\nHost: x\r\n\r\n", "", "http", "http://x/"],
  ];
  for (const [text, local, scheme, url] of rows) {
    const { head } = headOf(new HeadReader(), latin1(text));
    assertEquals(requestUrl(head, scheme, local), url, text);
  }
});

Deno.test("a scheme is a letter, and letters, digits, plus, minus and dots behind it", () => {
  const rows: readonly (readonly [string, number])[] = [
    ["http://x", 7],
    ["WS://x/", 5],
    ["a://", 4],
    ["z9+-.://x", 8],
    ["a:/x", 0],
    ["a:x://y", 0],
    ["://x", 0],
    ["9a://x", 0],
    ["+a://x", 0],
    ["a b://x", 0],
    ["a_://x", 0],
    ["\xe4://x", 0],
    ["a\xe4://x", 0],
    ["/a://x", 0],
    ["a", 0],
    ["", 0],
  ];
  for (const [text, length] of rows) assertEquals(schemeLength(text), length, text);
});

const TOKEN = [..."!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"];
const token = fc.string({ unit: fc.constantFrom(...TOKEN), minLength: 1, maxLength: 12 });

/** Bytes that a value or a target may have, with or without blanks. */
const VISIBLE = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code))
  .filter((character) => character > " " && character !== "\x7f");
const visible = fc.string({ unit: fc.constantFrom(...VISIBLE), maxLength: 20 });
const blanks = fc.string({ unit: fc.constantFrom(" ", "\t"), maxLength: 3 });
const value = fc.array(visible, { maxLength: 3 }).map((words) => words.join(" ").trim());

const places = fc.array(fc.nat(), { maxLength: 12 });

Deno.test("what a head says comes out, however it is written and cut", () => {
  const request = fc.record({
    emptyLines: fc.nat(3),
    method: token,
    target: visible.map((text) => `/${text}`),
    version: fc.constantFrom("1.0", "1.1"),
    fields: fc.array(
      fc.tuple(token.filter((name) => name.toLowerCase() !== "host"), blanks, value, blanks),
      { maxLength: 8 },
    ),
    rest: fc.string({ unit: "binary-ascii", maxLength: 10 }),
  });
  fc.assert(fc.property(request, places, (request, places) => {
    const { emptyLines, method, target, version, fields, rest } = request;
    const written = fields.map(([name, before, value, behind]) =>
      `${name}:${before}${value}${behind}`
    );
    const text = lines(`${method} ${target} HTTP/${version}`, "Host: x", ...written);
    const names = fields.map(([name]) => name.toLowerCase());
    const expected = names.map((name) => [
      name,
      fields.filter(([other]) => other.toLowerCase() === name).map(([, , value]) => value),
    ]);
    const input = latin1(`${"\r\n".repeat(emptyLines)}${text}${rest}`);
    assertEquals(
      read(cut(input, places), names),
      { method, target, version, fields: Object.fromEntries(expected), rest },
    );
  }));
});

/** How to make a request that is often good: small to print, whatever the size of its bytes. */
const recipe = fc.record({
  start: fc.constantFrom("", "\r\n", "\n", " "),
  line: fc.constantFrom("GET / HTTP/1.1", "HEAD http://x/ HTTP/1.0", "OPTIONS * HTTP/1.1", "GET /"),
  fields: fc.array(
    fc.oneof(
      fc.constantFrom("Host: x", "Host: a b", "A: b", "A : b", " folded", "", "A"),
      fc.string({ unit: "binary-ascii", maxLength: 10 }),
    ),
    { maxLength: 4 },
  ),
  padding: fc.oneof(fc.nat(20), fc.integer({ min: HEAD_LIMIT - 200, max: HEAD_LIMIT })),
  rest: fc.string({ unit: "binary-ascii", maxLength: 10 }),
  overwritten: fc.option(fc.record({ place: fc.nat(), byte: fc.nat(255) })),
});

type Recipe = typeof recipe extends fc.Arbitrary<infer T> ? T : never;

function made({ start, line, fields, padding, rest, overwritten }: Recipe): Uint8Array {
  const head = lines(line, "Host: x", ...fields, `X-Padding: ${"x".repeat(padding)}`);
  const bytes = latin1(`${start}${head}${rest}`);
  if (overwritten) bytes[overwritten.place % bytes.length] = overwritten.byte;
  return bytes;
}

Deno.test("heads mean the same however they are cut", () => {
  fc.assert(
    fc.property(recipe, places, (recipe, places) => {
      const input = made(recipe);
      const names = ["host", "a", "x-padding"];
      assertEquals(read(cut(input, places), names), read([input], names));
    }),
    { numRuns: 1000 },
  );
});

Deno.test("any bytes mean the same however they are cut, and never throw", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), places, (input, places) => {
    assertEquals(read(cut(input, places)), read([input]));
    assertEquals(read(bytewise(input)), read([input]));
  }));
});

Deno.test("any 16,384 bytes are a head with or without a rest, or are refused", () => {
  fc.assert(fc.property(recipe, fc.nat(255), places, (recipe, filling, places) => {
    const filled = new Uint8Array(HEAD_LIMIT).fill(filling);
    const input = concat(made(recipe), filled).subarray(0, HEAD_LIMIT);
    assert(read(cut(input, places)) !== null);
  }));
});
