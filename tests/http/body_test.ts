import { Buffer } from "node:buffer";
import fc from "fast-check";
import { BodyDecoder, type Framing, framingOf, MalformedBody } from "../../src/http/body.ts";
import { BadRequest, HeadReader } from "../../src/http/head.ts";
import { assert, assertEquals, assertThrows } from "../assert.ts";
import { bytewise, concat, cut, latin1, textOf, waysToCut } from "../pieces.ts";

/** A refusal: its status and its sentence. */
type Refused = readonly [number, string];

/** The framing of a request with these header lines. */
function framing(headers: readonly string[], version = "1.1"): Framing | Refused {
  const lines = [`POST / HTTP/${version}`, "Host: x", ...headers, "", ""];
  const read = new HeadReader().read(latin1(lines.join("\r\n")));
  assert(read !== null, "the head is whole");
  if (read instanceof BadRequest) return [read.status, read.reason];
  const framing = framingOf(read.head);
  return framing instanceof BadRequest ? [framing.status, framing.reason] : framing;
}

const BOTH: Refused = [400, "It has a Content-Length and a Transfer-Encoding"];
const LENGTHS: Refused = [400, "It has more than one Content-Length"];
const NO_NUMBER: Refused = [400, "Its Content-Length is no number"];
const NOT_ALONE: Refused = [400, "Its Transfer-Encoding is not chunked alone"];
const UNKNOWN: Refused = [501, "Its Transfer-Encoding has other codings than chunked"];
const OLD: Refused = [400, "It has a Transfer-Encoding in HTTP/1.0"];
const FIELD: Refused = [400, "A line of its head is malformed"];
const BARE_CR: Refused = [400, "Its head has a CR without LF"];
const BARE_LF: Refused = [400, "Its head has an LF without CR"];
const CONTROL: Refused = [400, "It is no HTTP request: its head has control characters"];

function length(value: string): string {
  return `Content-Length: ${value}`;
}

function coding(value: string): string {
  return `Transfer-Encoding: ${value}`;
}

/** The header lines, and the framing that they give. */
const FRAMINGS: readonly (readonly [string, readonly string[], Framing | Refused])[] = [
  ["no header means no body", [], null],
  ["a length of 0 means no body", [length("0")], null],
  ["a length of 0 may have more zeros", [length("000")], null],
  ["a length is one of bytes", [length("5")], { length: 5 }],
  ["a length may have leading zeros, which are no octal digits", [length("010")], { length: 10 }],
  ["a length may have blanks around it", [length(" \t5 \t")], { length: 5 }],
  ["a name has no case", ["cONTENT-lENGTH: 5"], { length: 5 }],
  ["a length of 2^53 - 1 is one", [length("9007199254740991")], { length: 2 ** 53 - 1 }],
  ["a length of 2^64 is more than any limit", [length("18446744073709551616")], {
    length: 2 ** 64,
  }],
  ["a length of 2^64 + 5 is not 5", [length("18446744073709551621")], { length: 2 ** 64 }],
  ["a length of 400 digits is more than any limit", [length("9".repeat(400))], {
    length: Infinity,
  }],
  ["two lengths are refused", [length("5"), length("6")], LENGTHS],
  ["two lengths that are equal are refused", [length("5"), length("5")], LENGTHS],
  ["a second length of 0 is refused", [length("0"), length("5")], LENGTHS],
  ["a second length that is empty is refused", [length("5"), length("")], LENGTHS],
  ["a second length written differently is refused", [length("5"), "CONTENT-LENGTH: 5"], LENGTHS],
  ["three lengths are refused", [length("5"), length("5"), length("5")], LENGTHS],
  ...[
    ...["", "5, 5", "5,5", "5,", ",5", "5, 6", "+5", "-5", "-0", "+0", "- 5", "5-", "5.0", "5."],
    ...[".5", "5e0", "5E1", "0x5", "0X5", "05h", "0b1", "0o5", "5_0", "1 0", "5 ", "5;", "5;x=y"],
    ...['"5"', "'5'", "(5)", "five", "NaN", "Infinity", "null", "true", "\xb2", "\xa05", "5\xa0"],
    ...["5\x85", "\xef\xbc\x95", "5%", "%35", "=5", "5/1", "$5", "5\t5", "chunked"],
  ].map((value) =>
    [
      `the length ${JSON.stringify(value)} is ${value === "5 " ? "5" : "no number"}`,
      [length(value)],
      value === "5 " ? { length: 5 } : NO_NUMBER,
    ] as const
  ),
  ["a length with NUL is refused", [length("5\0")], CONTROL],
  ["a length with a vertical tab is refused", [length("5\x0b")], CONTROL],
  ["a length with a form feed is refused", [length("\x0c5")], CONTROL],
  ["a length with a CR alone is refused", [length("5\r6")], BARE_CR],
  ["a length with an LF alone is refused", [length("5\nA: b")], BARE_LF],
  ["a folded length is refused", ["Content-Length:", " 5"], FIELD],
  ["a length continued by folding is refused", [length("1"), " 0"], FIELD],
  ["a name with a blank before its colon is refused", ["Content-Length : 5"], FIELD],
  ["a name with a tab before its colon is refused", ["Content-Length\t: 5"], FIELD],
  ["a name with a blank before it is refused", [" Content-Length: 5"], FIELD],
  ["a name with NUL is refused", ["Content-Length\0: 5"], CONTROL],
  ["a name with a vertical tab is refused", ["Content-Length\x0b: 5"], CONTROL],
  ["a name with a byte above 7F is refused", ["Content-Length\xa0: 5"], FIELD],
  ["another name is no length", ["Content_Length: 5", "Content-Length-: 5"], null],
  ["chunked is chunked", [coding("chunked")], "chunked"],
  ["chunked has no case", ["transfer-encoding: CHUNKED"], "chunked"],
  ["chunked may have blanks around it", [coding("\t chunked \t")], "chunked"],
  ["chunked and a length are refused", [coding("chunked"), length("5")], BOTH],
  ["a length and chunked are refused", [length("5"), coding("chunked")], BOTH],
  ["a length of 0 and chunked are refused", [length("0"), coding("chunked")], BOTH],
  ["a malformed length and chunked are refused", [length("x"), coding("chunked")], BOTH],
  ["an empty length and chunked are refused", [length(""), coding("chunked")], BOTH],
  ["a length and an unknown coding are refused", [length("5"), coding("gzip")], BOTH],
  ["a length and an empty coding are refused", [length("5"), coding("")], BOTH],
  ...[
    ...["", " ", ",", "identity", "gzip", "xchunked", "chunkedx", "chunke", "chunk", "chunked;"],
    ...["chunked;q=1", "chunked=1", '"chunked"', "'chunked'", "chunked,", ",chunked", "chunked,,"],
    ...["chunked, ", " ,chunked", "chunked, chunked", "chunked,identity", "chunked, gzip"],
    ...["gzip, chunked, gzip", "chunked, gzip, chunked", "chunked\xa0", "\xa0chunked", "ch unked"],
    ...["chunked chunked", "chunked\tx", "x\tchunked", "(x)chunked", "chunked(x)", "*", "\xff"],
    ...["chun\xadked", "c\xefhunked", "chunked/1", "deflate;chunked"],
  ].map((value) =>
    [
      `the coding ${JSON.stringify(value)} is not chunked alone`,
      [coding(value)],
      NOT_ALONE,
    ] as const
  ),
  ["two chunked are refused", [coding("chunked"), coding("chunked")], NOT_ALONE],
  ["chunked and an empty coding are refused", [coding("chunked"), coding("")], NOT_ALONE],
  ["an empty coding and chunked are refused", [coding(""), coding("chunked")], NOT_ALONE],
  ["chunked before another coding is refused", [coding("chunked"), coding("identity")], NOT_ALONE],
  ["a coding before chunked is not known", [coding("gzip, chunked")], UNKNOWN],
  ["a coding before chunked is not known, in two fields", [
    coding("identity"),
    coding("chunked"),
  ], UNKNOWN],
  ["several before chunked are not known", [coding("gzip,, deflate ,chunked")], UNKNOWN],
  ["a coding with NUL is refused", [coding("chunked\0")], CONTROL],
  ["a coding with a vertical tab is refused", [coding("\x0bchunked")], CONTROL],
  ["a coding with a form feed is refused", [coding("chunked\x0c")], CONTROL],
  ["a coding with DEL is refused", [coding("chunked\x7f")], CONTROL],
  ["a coding with a CR alone is refused", [coding("\rchunked")], BARE_CR],
  ["a coding behind an LF alone is refused", ["A: b\nTransfer-Encoding: chunked"], BARE_LF],
  ["a coding behind a CR alone is refused", ["A: b\rTransfer-Encoding: chunked"], BARE_CR],
  ["a folded coding is refused", ["Transfer-Encoding:", " chunked"], FIELD],
  ["a coding folded by a tab is refused", ["Transfer-Encoding:", "\tchunked"], FIELD],
  ["a coding that folds another header is refused", ["A: b", " Transfer-Encoding: chunked"], FIELD],
  ["a coding's name with a blank before its colon is refused", [
    "Transfer-Encoding : chunked",
  ], FIELD],
  ["a coding's name with NUL is refused", ["Transfer-Encoding\0: chunked"], CONTROL],
  ["a coding's name with a CR is refused", ["Transfer-Encoding\r: chunked"], BARE_CR],
  ["a coding without a colon is refused", ["Transfer-Encoding chunked"], FIELD],
  ["another name is no coding", ["Transfer_Encoding: chunked", "TE: chunked"], null],
  ["a Connection that names the length changes nothing", [
    "Connection: content-length",
    length("5"),
  ], { length: 5 }],
];

for (const [name, headers, expected] of FRAMINGS) {
  Deno.test(`RFC 9112, section 6: ${name}`, () => assertEquals(framing(headers), expected));
}

Deno.test("RFC 9112, section 6.1: HTTP/1.0 has lengths and no codings", () => {
  assertEquals(framing([length("5")], "1.0"), { length: 5 });
  assertEquals(framing([], "1.0"), null);
  assertEquals(framing([coding("chunked")], "1.0"), OLD);
  assertEquals(framing([coding("gzip")], "1.0"), OLD);
  assertEquals(framing([coding("")], "1.0"), OLD);
  assertEquals(framing([coding("chunked"), length("5")], "1.0"), BOTH);
  assertEquals(framing([coding("chunked")], "1.2"), "chunked");
});

/** The content of a body, and how it ended: what came behind it, its fault, or nothing yet. */
interface Decoded {
  readonly content: string;
  readonly end: { readonly rest: string } | { readonly fault: string } | null;
}

/** Decodes a body out of pieces. */
function decode(framing: Exclude<Framing, null>, pieces: readonly Uint8Array[]): Decoded {
  const decoder = new BodyDecoder(framing);
  const content: Uint8Array[] = [];
  for (const [index, piece] of pieces.entries()) {
    const before = piece.slice();
    let taken: number;
    try {
      taken = decoder.read(piece, (part) => {
        assert(part.length > 0, "no piece of the content is empty");
        content.push(part.slice());
      });
    } catch (error) {
      if (!(error instanceof MalformedBody)) throw error;
      return { content: textOf(concat(...content)), end: { fault: error.message } };
    }
    assertEquals(piece, before, "the decoder leaves the bytes as they are");
    if (!decoder.isDone) {
      assertEquals(taken, piece.length, "all is taken up to the end");
      continue;
    }
    const rest = concat(piece.subarray(taken), ...pieces.slice(index + 1));
    return { content: textOf(concat(...content)), end: { rest: textOf(rest) } };
  }
  return { content: textOf(concat(...content)), end: null };
}

function whole(content: string, rest = ""): Decoded {
  return { content, end: { rest } };
}

function unfinished(content: string): Decoded {
  return { content, end: null };
}

function malformed(fault: string, content = ""): Decoded {
  return { content, end: { fault } };
}

const NO_SIZE = "A chunk has no size";
const BAD_SIZE = "The size of a chunk is no number";
const LONG_SIZE = "The size of a chunk is too long";
const SIZE_CR = "The size of a chunk has a CR without LF";
const LONGER = "A chunk is longer than its size";
const EXTENSION = "The extension of a chunk has control characters";
const EXTENSIONS = "Its chunks have more than 4096 bytes of extensions";
const TRAILER = "A line of its trailer is malformed";
const TRAILER_CR = "Its trailer has a CR or an LF alone";
const TRAILER_CONTROL = "Its trailer has control characters";
const TRAILER_LONG = "Its trailer has more than 4096 bytes";

const END = "0\r\n\r\n";
const HELLO = `5\r\nHello\r\n${END}`;

function shown(text: string): string {
  return JSON.stringify(text.length > 30 ? `${text.slice(0, 30)}...` : text);
}

/** What it is (a sentence), the body, and what comes of it. */
type Case = readonly [string, string, Decoded];

const CHUNKS: readonly Case[] = [
  ["a chunk is content", HELLO, whole("Hello")],
  ["chunks are joined", `3\r\nHel\r\n2\r\nlo\r\n${END}`, whole("Hello")],
  ["a body may be empty", END, whole("")],
  ["what comes behind it is left", `${HELLO}${HELLO}`, whole("Hello", HELLO)],
  ["what comes behind an empty one is left", `${END}GET /`, whole("", "GET /")],
  ["no byte behind it is looked at", `${END}\0\n\r`, whole("", "\0\n\r")],
  [
    "content may be anything",
    `a\r\n\r\n0\r\n\r\n\0\xff\n\r\n${END}`,
    whole("\r\n0\r\n\r\n\0\xff\n"),
  ],
  ["content that looks like the end is content", `5\r\n0\r\n\r\n\r\n${END}`, whole("0\r\n\r\n")],
  ["a size may have leading zeros", `0005\r\nHello\r\n000\r\n\r\n`, whole("Hello")],
  [
    "a size may have twelve digits",
    `000000000005\r\nHello\r\n000000000000\r\n\r\n`,
    whole("Hello"),
  ],
  ...["a", "A"].map((digit): Case => [
    `the digit ${digit} is 10`,
    `${digit}\r\n${"x".repeat(10)}\r\n${END}`,
    whole("x".repeat(10)),
  ]),
  ["a size may mix cases", `1aB\r\n${"x".repeat(0x1ab)}\r\n${END}`, whole("x".repeat(0x1ab))],
  ...[..."0123456789abcdefABCDEF"].map((digit): Case => [
    `the digit ${digit} is one`,
    `00${digit}\r\n${"x".repeat(parseInt(digit, 16))}`,
    unfinished("x".repeat(parseInt(digit, 16))),
  ]),
  ["nothing is no body yet", "", unfinished("")],
  ["a size alone is no body yet", "5", unfinished("")],
  ["a size with its line is no body yet", "5\r\n", unfinished("")],
  ["a part of a chunk is handed out", "5\r\nHel", unfinished("Hel")],
  ["a chunk without its end is no body yet", "5\r\nHello", unfinished("Hello")],
  ["a chunk with half its end is no body yet", "5\r\nHello\r", unfinished("Hello")],
  ["a chunk without the last one is no body yet", "5\r\nHello\r\n", unfinished("Hello")],
  ["the last chunk without its line is no body yet", "0", unfinished("")],
  ["the last chunk without the empty line is no body yet", "0\r\n", unfinished("")],
  ["half an empty line is no end yet", "0\r\n\r", unfinished("")],
  ["a size of thirteen digits is too long", `${"0".repeat(12)}5`, malformed(LONG_SIZE)],
  ["a size of 2^64 is too long", "10000000000000000\r\n", malformed(LONG_SIZE)],
  ["a size of 2^64 + 5 is too long", "10000000000000005\r\nHello", malformed(LONG_SIZE)],
  ["a size of 2^32 + 5 is not 5", `100000005\r\nHello\r\n`, unfinished("Hello\r\n")],
  ["the largest size is awaited", "ffffffffffff\r\nHello", unfinished("Hello")],
  ["zeros without end are too long", "0".repeat(1000), malformed(LONG_SIZE)],
  [
    "a size too long is found behind a chunk",
    `5\r\nHello\r\n${"0".repeat(13)}`,
    malformed(
      LONG_SIZE,
      "Hello",
    ),
  ],
  ...[
    ...[
      "\r\n",
      "\r",
      "\n",
      " ",
      "\t",
      ";",
      ";x",
      "-5",
      "+5",
      "x",
      "g",
      "G",
      "h5",
      " 5",
      "\t5",
      "\0",
    ],
    ...["/", ":", "@", "`", "_5", ".5", ",5", '"5"', "\xff", "\x10", "\x7f", "$5", "#5", "(5)"],
  ].map((text): Case => [`${shown(text)} is no size`, text, malformed(NO_SIZE)]),
  ["no size behind a chunk is refused", "5\r\nHello\r\n\r\n", malformed(NO_SIZE, "Hello")],
  ...[
    ...["0x5", "0X5", "5x", "5g", "5h", "5_0", "5.", "5.0", "5e+1", "5-", "5+", "5,5", "5:", "5/"],
    ...[
      "5 ",
      "5\t",
      "5 \r\n",
      "5 ;x",
      "5\t;x",
      "1 0",
      "5\0",
      "5\x0b",
      "5\x7f",
      "5\n",
      "5\n\n",
      "5@",
    ],
    ...["5`", "5G", "5\xb2", '5"', "5=", "5(x)", "5#", "5'", "5\xa0"],
  ].map((text): Case => [`${shown(text)} is no number`, text, malformed(BAD_SIZE)]),
  ["a size with a CR alone is refused", "5\rHello", malformed(SIZE_CR)],
  ["a size with two CRs is refused", "5\r\r\nHello", malformed(SIZE_CR)],
  ["a size with a CR and a blank is refused", "5\r \nHello", malformed(SIZE_CR)],
  ["the last size with a CR alone is refused", "0\rX", malformed(SIZE_CR)],
  ["the last size with an LF alone is refused", "0\n\n", malformed(BAD_SIZE)],
  ["a chunk longer than its size is refused", "4\r\nHello\r\n", malformed(LONGER, "Hell")],
  ["a chunk that ends with an LF alone is refused", "5\r\nHello\n", malformed(LONGER, "Hello")],
  ["a chunk that ends with a CR alone is refused", "5\r\nHello\r0", malformed(LONGER, "Hello")],
  ["a chunk that ends with two CRs is refused", "5\r\nHello\r\r\n", malformed(LONGER, "Hello")],
  ["a chunk that ends with LF CR is refused", "5\r\nHello\n\r", malformed(LONGER, "Hello")],
  ["a chunk that ends with blanks is refused", "5\r\nHello \r\n", malformed(LONGER, "Hello")],
  ["a chunk without its end is refused", "5\r\nHello0\r\n\r\n", malformed(LONGER, "Hello")],
  [
    "a chunk shorter than its size takes what follows",
    "6\r\nHello\r\n0",
    malformed(
      LONGER,
      "Hello\r",
    ),
  ],
];

/** Extensions of so many bytes, and the whole body. */
function extended(bytes: number): string {
  return `5;${"x".repeat(bytes)}\r\nHello\r\n${END}`;
}

const EXTENSION_CASES: readonly Case[] = [
  ...[
    ...["", "x", "x=y", " x = y", "\tx\t=\ty ", "x;y", "x=1;y=2", ";;", "=", "x=", "=y", " "],
    ...['x="y"', 'x="', '"', 'x="a;b"', 'x="a\\"b"', 'x="\\', "x=\xff", "x=\x80", "<script>", "5"],
  ].map((extension): Case => [
    `the extension ${shown(extension)} is left out`,
    `5;${extension}\r\nHello\r\n0;${extension}\r\n\r\n`,
    whole("Hello"),
  ]),
  ["a quote does not hide the end of a line", '5;x="\r\nHello\r\n0;"\r\n\r\n', whole("Hello")],
  [
    "a quote over two lines ends with the first",
    `2;x="\r\n";\r\n${END}`,
    whole('";'),
  ],
  ...["\n", "x\n", 'x="\n"', "\0", "x\0", "\x01", "x\x0b", "x\x0c", "\x1f", "\x7f"].map((
    extension,
  ): Case => [
    `the extension ${shown(extension)} is refused`,
    `5;${extension}`,
    malformed(EXTENSION),
  ]),
  ["an LF alone in an extension ends no line", "5;x\nHello\r\n0\r\n\r\n", malformed(EXTENSION)],
  ["a CR alone in an extension is refused", "5;x\ry\r\n", malformed(SIZE_CR)],
  ["a CR alone in a quoted extension is refused", '5;x="\r"\r\n', malformed(SIZE_CR)],
  ["two CRs behind an extension are refused", "5;x\r\r\n", malformed(SIZE_CR)],
  ["an LF alone in the last extension is refused", "0;x\n\r\n", malformed(EXTENSION)],
  ["extensions of 4,096 bytes are left out", extended(4096), whole("Hello")],
  ["extensions of 4,097 bytes are refused", extended(4097), malformed(EXTENSIONS)],
  ["an extension without end is refused", `5;${"x".repeat(5000)}`, malformed(EXTENSIONS)],
  [
    "the extensions of all chunks have 4,096 bytes together",
    `${`1;${"y".repeat(64)}\r\nx\r\n`.repeat(64)}${END}`,
    whole("x".repeat(64)),
  ],
  [
    "the extensions of many chunks are refused with byte 4,097",
    `${`1;${"y".repeat(64)}\r\nx\r\n`.repeat(64)}1;y\r\nx\r\n${END}`,
    malformed(EXTENSIONS, "x".repeat(64)),
  ],
  [
    "the extension of the last chunk counts",
    `1;${"y".repeat(4096)}\r\nx\r\n0;y\r\n\r\n`,
    malformed(EXTENSIONS, "x"),
  ],
];

/** A trailer of so many bytes, with the empty line. */
function trailed(bytes: number): string {
  return `0\r\n${"A: ".padEnd(bytes - 4, "x")}\r\n\r\n`;
}

const TRAILERS: readonly Case[] = [
  ...[
    ...["A: b", "A:", "A: b\r\nC: d", "a: 1\r\na: 2", "A:\tb\t", "A: \xff", "Content-Length: 5"],
    ...["Transfer-Encoding: chunked", "Host: y", "__proto__: x", 'X: a;b="c"', "A: b: c"],
  ].map((trailer): Case => [
    `the trailer ${shown(trailer)} is left out`,
    `5\r\nHello\r\n0\r\n${trailer}\r\n\r\nGET /`,
    whole("Hello", "GET /"),
  ]),
  ...[
    ...[
      "A",
      "A b",
      ": b",
      " : b",
      "A : b",
      "A\t: b",
      " A: b",
      "\tA: b",
      "A: b\r\n c",
      "A: b\r\n\tc",
    ],
    ...["A: b\r\n ", "A(: b", "\xc4: b", "GET / HTTP/1.1", "0", "5", " ", "A: b\r\nC"],
  ].map((trailer): Case => [
    `the trailer ${shown(trailer)} is malformed`,
    `0\r\n${trailer}\r\n\r\n`,
    malformed(TRAILER),
  ]),
  ...["\n", "A: b\n", "A: b\r\n\n", "\rA", "A\r: b", "A: b\r\r\n", "A: b\r\n\r\r", "\r\r\n"].map((
    trailer,
  ): Case => [
    `the trailer ${shown(trailer)} has a CR or an LF alone`,
    `0\r\n${trailer}`,
    malformed(TRAILER_CR),
  ]),
  ...["\0", "A\0: b", "A: \0", "A: \x01", "A: \x0b", "A: \x1f", "A: \x7f"].map((trailer): Case => [
    `the trailer ${shown(trailer)} has control characters`,
    `0\r\n${trailer}`,
    malformed(TRAILER_CONTROL),
  ]),
  ["a trailer that has not ended is no end yet", "0\r\nA: b\r\n", unfinished("")],
  ["a trailer whose line has not ended is no end yet", "0\r\nA: b", unfinished("")],
  ["a trailer of 4,096 bytes is left out", trailed(4096), whole("")],
  ["a trailer of 4,097 bytes is refused", trailed(4097), malformed(TRAILER_LONG)],
  ["a trailer without end is refused", `0\r\n${"A: b\r\n".repeat(1000)}`, malformed(TRAILER_LONG)],
  [
    "a trailer of 200 fields is left out",
    `0\r\n${"A: b\r\n".repeat(200)}\r\n`,
    whole(""),
  ],
  [
    "a trailer of 201 fields is refused",
    `0\r\n${"A: b\r\n".repeat(201)}\r\n`,
    malformed(TRAILER),
  ],
];

const SECTIONS: readonly (readonly [string, readonly Case[]])[] = [
  ["7.1", CHUNKS],
  ["7.1.1", EXTENSION_CASES],
  ["7.1.2", TRAILERS],
];

for (const [section, cases] of SECTIONS) {
  for (const [name, input, expected] of cases) {
    Deno.test(`RFC 9112, section ${section}: ${name}`, () => {
      for (const { how, pieces } of waysToCut(latin1(input))) {
        assertEquals(decode("chunked", pieces), expected, how);
      }
    });
  }
}

/** The length, the bytes, and what comes of them. */
const OF_LENGTH: readonly (readonly [number, string, Decoded])[] = [
  [5, "Hello", whole("Hello")],
  [5, "HelloGET /", whole("Hello", "GET /")],
  [5, "Hell", unfinished("Hell")],
  [5, "", unfinished("")],
  [1, "\r\n", whole("\r", "\n")],
  [5, HELLO, whole(HELLO.slice(0, 5), HELLO.slice(5))],
  [Infinity, "Hello", unfinished("Hello")],
];

for (const [length, input, expected] of OF_LENGTH) {
  Deno.test(`RFC 9112, section 6.2: of ${shown(input)} ${length} bytes are the body`, () => {
    for (const { how, pieces } of waysToCut(latin1(input))) {
      assertEquals(decode({ length }, pieces), expected, how);
    }
  });
}

Deno.test("a body of nothing is done before anything has come, and takes nothing", () => {
  const decoder = new BodyDecoder({ length: 0 });
  assertEquals(decoder.isDone, true);
  assertEquals(decoder.read(latin1("x"), () => assert(false, "there is no content")), 0);
});

Deno.test("a decoder that is done takes nothing more", () => {
  const decoder = new BodyDecoder("chunked");
  assertEquals(decoder.read(latin1(`${END}${END}`), () => {}), END.length);
  assertEquals(decoder.isDone, true);
  assertEquals(decoder.read(latin1(HELLO), () => assert(false, "there is no content")), 0);
});

Deno.test("content is handed out as views of the bytes, each as long as it can be", () => {
  const bytes = Buffer.from(`3\r\nHel\r\n2\r\nlo\r\n${END}`);
  const parts: Uint8Array[] = [];
  new BodyDecoder("chunked").read(bytes, (part) => parts.push(part));
  assertEquals(parts.map(textOf), ["Hel", "lo"]);
  assert(parts.every(({ buffer }) => buffer === bytes.buffer), "they are no copies");
});

Deno.test("an error of who takes the content comes out as it is", () => {
  const mistake = new RangeError("a mistake");
  for (const [framing, bytes] of [["chunked", HELLO], [{ length: 5 }, "Hello"]] as const) {
    const decoder = new BodyDecoder(framing);
    const error = assertThrows(() =>
      decoder.read(latin1(bytes), () => {
        throw mistake;
      })
    );
    assertEquals(error, mistake);
  }
});

const places = fc.array(fc.nat(), { maxLength: 12 });
const token = fc.stringMatching(/^[A-Za-z0-9!#-]{1,8}$/);
const quoted = fc.stringMatching(/^[ !#-[\]-~]{0,8}$/).map((text) => `"${text}"`);
const extension = fc.tuple(token, fc.option(fc.oneof(token, quoted)))
  .map(([name, value]) => value === null ? `;${name}` : `;${name}=${value}`);
const extensions = fc.oneof(
  { weight: 3, arbitrary: fc.constant("") },
  { weight: 1, arbitrary: fc.array(extension, { maxLength: 3 }).map((all) => all.join("")) },
);

/** A size as it may be written. */
function written(size: number, zeros: number, isUpper: boolean): string {
  const digits = size.toString(16).padStart(zeros, "0");
  return isUpper ? digits.toUpperCase() : digits;
}

const shape = fc.record({ zeros: fc.nat(12), isUpper: fc.boolean(), extensions });

/** A chunked body, and its content. */
const chunked = fc.record({
  content: fc.uint8Array({ maxLength: 300 }),
  places,
  shapes: fc.array(shape, { minLength: 14, maxLength: 14 }),
  trailer: fc.array(fc.tuple(token, token), { maxLength: 3 }),
}).map(({ content, places, shapes, trailer }) => {
  const parts = [...cut(content, places).filter(({ length }) => length > 0), new Uint8Array(0)];
  const lines = parts.flatMap((part, index) => {
    const { zeros, isUpper, extensions } = shapes[index] ?? shapes[0] ?? assertNever();
    const line = latin1(`${written(part.length, zeros, isUpper)}${extensions}\r\n`);
    return part.length === 0 ? [line] : [line, part, latin1("\r\n")];
  });
  const fields = trailer.map(([name, value]) => `${name}: ${value}\r\n`);
  return { content, bytes: concat(...lines, latin1(`${fields.join("")}\r\n`)) };
});

function assertNever(): never {
  throw new Error("There are as many shapes as chunks");
}

Deno.test("the content comes out, and the rest stays, however a body is chunked and cut", () => {
  const rest = fc.string({ unit: "binary-ascii", maxLength: 10 });
  fc.assert(
    fc.property(chunked, rest, places, ({ content, bytes }, rest, places) => {
      const input = concat(bytes, latin1(rest));
      const expected = whole(textOf(content), rest);
      assertEquals(decode("chunked", cut(input, places)), expected);
      assertEquals(decode("chunked", bytewise(input)), expected);
    }),
    { numRuns: 500 },
  );
});

Deno.test("a chunked body that is cut off is never whole", () => {
  fc.assert(
    fc.property(chunked, fc.nat(), places, ({ content, bytes }, end, places) => {
      const { content: begun, end: over } = decode(
        "chunked",
        cut(bytes.subarray(0, end % bytes.length), places),
      );
      assertEquals(over, null);
      assert(textOf(content).startsWith(begun));
    }),
  );
});

Deno.test("the content of a length comes out, and the rest stays, however it is cut", () => {
  const bytes = fc.uint8Array({ maxLength: 300 });
  fc.assert(fc.property(bytes, fc.nat(400), places, (bytes, length, places) => {
    const text = textOf(bytes);
    assertEquals(
      decode({ length }, cut(bytes, places)),
      bytes.length < length ? unfinished(text) : whole(text.slice(0, length), text.slice(length)),
    );
  }));
});

/** Chunked bodies with a byte changed, and bytes that are none. */
const anything = fc.oneof(
  fc.uint8Array({ maxLength: 100 }),
  fc.tuple(chunked, fc.nat(), fc.oneof(fc.nat(255), fc.constantFrom(..."\r\n 0;:a\0")))
    .map(([{ bytes }, place, byte]) => {
      const changed = bytes.slice();
      changed[place % changed.length] = typeof byte === "number" ? byte : byte.charCodeAt(0);
      return changed;
    }),
);

Deno.test("any bytes mean the same however they are cut, and throw nothing but that they are no body", () => {
  fc.assert(
    fc.property(anything, places, (input, places) => {
      const expected = decode("chunked", [input]);
      assertEquals(decode("chunked", cut(input, places)), expected);
      assertEquals(decode("chunked", bytewise(input)), expected);
    }),
    { numRuns: 1000 },
  );
});
