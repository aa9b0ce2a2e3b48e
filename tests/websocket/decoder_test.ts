import { Buffer } from "node:buffer";
import fc from "fast-check";
import { Decoder, ProtocolError } from "../../src/websocket/decoder.ts";
import { assert, assertEquals, assertThrows } from "../assert.ts";
import {
  bytewise,
  closing,
  concat,
  cut,
  decode,
  decoded,
  fragments,
  frame,
  hex,
  type Outcome,
  utf8,
} from "./bytes.ts";

const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

/** What it is (a sentence), the input, what comes of it, and a limit where 1,000 bytes will not do. */
type Case = readonly [string, Uint8Array, readonly Outcome[], limit?: number];

function message(text: string): Outcome {
  return { type: "message", text };
}

function ping(text: string): Outcome {
  return { type: "ping", payload: utf8(text) };
}

function pong(text: string): Outcome {
  return { type: "pong", payload: utf8(text) };
}

function close(code: number | null, reason = ""): Outcome {
  return { type: "close", code, reason };
}

function error(code: 1002 | 1007 | 1009): Outcome {
  return { type: "error", code };
}

/** A frame that could come next, to show that the decoder still reads, or does not. */
const NEXT = frame("next");

/** Frames with any of these lengths use the form that section 5.2 asks for. */
const LENGTHS = [0, 1, 124, 125, 126, 127, 128, 255, 256, 65_534, 65_535, 65_536, 65_537];

const FRAMING: readonly Case[] = [
  ...LENGTHS.map((length): Case => [
    `a text of ${length} bytes is a message`,
    concat(frame("x".repeat(length)), NEXT),
    [message("x".repeat(length)), message("next")],
    70_000,
  ]),
  ...LENGTHS.map((length): Case => [
    `a binary message of ${length} bytes is taken for text`,
    concat(frame("x".repeat(length), { opcode: OPCODE.binary }), NEXT),
    [message("x".repeat(length)), message("next")],
    70_000,
  ]),
  ["the masked example of section 5.7 says Hello", hex("81 85 37 fa 21 3d 7f 9f 4d 51 58"), [
    message("Hello"),
  ]],
  ["a mask of zeros changes nothing", frame("Hello", { key: hex("00 00 00 00") }), [
    message("Hello"),
  ]],
  ["a mask with all bits set is taken off", frame("Hello", { key: hex("ff ff ff ff") }), [
    message("Hello"),
  ]],
  [
    "each frame has its own mask, from its first byte on",
    concat(
      frame("Hel", { final: false, key: hex("01 02 03 04") }),
      frame("ping", { opcode: OPCODE.ping, key: hex("a0 b0 c0 d0") }),
      frame("lo", { opcode: OPCODE.continuation, key: hex("f5 f6 f7 f8") }),
    ),
    [ping("ping"), message("Hello")],
  ],
  ["a message whose end has not come is none", frame("Hello").slice(0, -1), []],
  ["no bytes are nothing", new Uint8Array(0), []],
  ...([[0, 2], [125, 2], [0, 8], [125, 8], [126, 8], [65_535, 8]] as const).map((
    [length, lengthSize],
  ): Case => [
    `a length of ${length} written in ${lengthSize} bytes is refused`,
    frame("x".repeat(length), { lengthSize }),
    [error(1002)],
    70_000,
  ]),
  ["a length of 2^63 is refused", frame("", { length: 2n ** 63n }), [error(1002)]],
  ["a length of 2^64 - 1 is refused", frame("", { length: 2n ** 64n - 1n }), [error(1002)]],
  ...Object.entries(OPCODE).map(([name, opcode]): Case => [
    `a ${name} frame without a mask is refused`,
    concat(
      opcode === 0 ? frame("x", { final: false }) : hex(""),
      frame("", { opcode, key: null }),
    ),
    [error(1002)],
  ]),
  ["a frame without a mask is refused on its second byte", hex("81 05"), [error(1002)]],
  ...[0x40, 0x20, 0x10, 0x70].flatMap((reserved) =>
    Object.entries(OPCODE).map(([name, opcode]): Case => [
      `a ${name} frame with the reserved bits 0x${reserved.toString(16)} is refused`,
      concat(
        opcode === 0 ? frame("x", { final: false }) : hex(""),
        frame("", { opcode, reserved }),
      ),
      [error(1002)],
    ])
  ),
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].flatMap((opcode) =>
    [
      [`the reserved opcode ${opcode} is refused`, frame("x", { opcode }), [error(1002)]],
      [
        `the reserved opcode ${opcode} is refused within a message`,
        concat(frame("x", { final: false }), frame("", { opcode })),
        [error(1002)],
      ],
    ] satisfies Case[]
  ),
  ["messages before a bad frame come out", concat(NEXT, NEXT, frame("", { opcode: 3 }), NEXT), [
    message("next"),
    message("next"),
    error(1002),
  ]],
];

const LONG = "x".repeat(125);

const FRAGMENTATION: readonly Case[] = [
  ["two fragments are one message", fragments(["Hel", "lo"]), [message("Hello")]],
  ["two binary fragments are one message", fragments(["Hel", "lo"], OPCODE.binary), [
    message("Hello"),
  ]],
  ["500 fragments are one message", fragments(Array(500).fill("ab")), [message("ab".repeat(500))]],
  ["an empty first fragment adds nothing", fragments(["", "Hello"]), [message("Hello")]],
  ["an empty middle fragment adds nothing", fragments(["Hel", "", "lo"]), [message("Hello")]],
  ["an empty last fragment ends the message", fragments(["Hello", ""]), [message("Hello")]],
  ["empty fragments alone are an empty message", fragments(["", "", ""]), [message("")]],
  [
    "a fragmented message is followed by others",
    concat(fragments(["a", "b"]), NEXT, fragments(["c", "d", "e"], OPCODE.binary), NEXT),
    [message("ab"), message("next"), message("cde"), message("next")],
  ],
  ["a message whose last fragment has not come is none", frame("Hello", { final: false }), []],
  ["a continuation of nothing is refused", frame("x", { opcode: OPCODE.continuation }), [
    error(1002),
  ]],
  [
    "a continuation of nothing that is not the last one is refused",
    frame("x", { opcode: OPCODE.continuation, final: false }),
    [error(1002)],
  ],
  [
    "a continuation after a whole message is refused",
    concat(NEXT, frame("x", { opcode: OPCODE.continuation })),
    [message("next"), error(1002)],
  ],
  [
    "a continuation after a fragmented message is refused",
    concat(fragments(["a", "b"]), frame("c", { opcode: OPCODE.continuation })),
    [message("ab"), error(1002)],
  ],
  ...[OPCODE.text, OPCODE.binary].flatMap((opcode) =>
    ["", "a"].map((first): Case => [
      `opcode ${opcode} within a message that began with ${JSON.stringify(first)} is refused`,
      concat(frame(first, { final: false }), frame("b", { opcode })),
      [error(1002)],
    ])
  ),
];

const CONTROL: readonly Case[] = [
  ["a ping brings its payload", frame("Hello", { opcode: OPCODE.ping }), [ping("Hello")]],
  ["a ping may be empty", frame("", { opcode: OPCODE.ping }), [ping("")]],
  ["a ping may have 125 bytes", frame(LONG, { opcode: OPCODE.ping }), [ping(LONG)]],
  ["a ping may hold any bytes", frame(hex("ff 00 c3"), { opcode: OPCODE.ping }), [
    { type: "ping", payload: hex("ff 00 c3") },
  ]],
  ["a pong that nobody asked for is one", frame("Hello", { opcode: OPCODE.pong }), [pong("Hello")]],
  ["a pong may be empty", frame("", { opcode: OPCODE.pong }), [pong("")]],
  ["a pong may have 125 bytes", frame(LONG, { opcode: OPCODE.pong }), [pong(LONG)]],
  ["a ping whose end has not come is none", frame(LONG, { opcode: OPCODE.ping }).slice(0, -1), []],
  ["the limit of messages is not one of pings", frame(LONG, { opcode: OPCODE.ping }), [
    ping(LONG),
  ], 0],
  ...[OPCODE.close, OPCODE.ping, OPCODE.pong].flatMap((opcode) =>
    [
      [`a fragmented frame with opcode ${opcode} is refused`, frame("", { opcode, final: false }), [
        error(1002),
      ]],
      [
        `opcode ${opcode} with 126 bytes is refused on its second byte`,
        frame("", { opcode, length: 126 }).slice(0, 2),
        [error(1002)],
      ],
      [
        `opcode ${opcode} with 65,536 bytes is refused on its second byte`,
        frame("", { opcode, length: 65_536 }).slice(0, 2),
        [error(1002)],
      ],
    ] satisfies Case[]
  ),
  [
    "pings and pongs between fragments are read as they come",
    concat(
      frame("Hel", { final: false }),
      frame("1", { opcode: OPCODE.ping }),
      frame("l", { opcode: OPCODE.continuation, final: false }),
      frame("", { opcode: OPCODE.pong }),
      frame("2", { opcode: OPCODE.ping }),
      frame("o", { opcode: OPCODE.continuation }),
    ),
    [ping("1"), pong(""), ping("2"), message("Hello")],
  ],
  [
    "a close frame between fragments ends everything",
    concat(
      frame("Hel", { final: false }),
      frame(closing(1000), { opcode: OPCODE.close }),
      frame("lo", { opcode: OPCODE.continuation }),
    ),
    [close(1000)],
  ],
];

const VALID_TEXT = [
  "κόσμε",
  "Hello-µ@ßöäüàá-UTF-8!!",
  "\0",
  "\x7f",
  "\x80",
  "\u07ff",
  "\u0800",
  "\ud7ff",
  "\ue000",
  "\ufffd",
  "\ufffe",
  "\uffff",
  "\u{10000}",
  "\u{1f600}",
  "\u{1fffe}",
  "\u{10ffff}",
  // A byte order mark stays: before JSON it makes the message invalid.
  "\ufeff{}",
  "\ufeff",
  "{}\ufeff",
];

/** UTF-8 that is bad whatever follows, and bad on its last byte. */
const BAD_TEXT: readonly [string, string][] = [
  ["a continuation byte alone", "80"],
  ["the last continuation byte alone", "bf"],
  ["a continuation byte after a character", "c2 80 80"],
  ["a NUL in two bytes", "c0"],
  ["a slash in two bytes", "c1"],
  ["a character of two bytes in three", "e0 80"],
  ["the last character of two bytes in three", "e0 9f"],
  ["a character of three bytes in four", "f0 80"],
  ["the last character of three bytes in four", "f0 8f"],
  ["the first surrogate", "ed a0"],
  ["the last surrogate", "ed bf"],
  ["U+110000", "f4 90"],
  ["a character far above U+10FFFF", "f5"],
  ["a character of five bytes", "f8"],
  ["a character of six bytes", "fc"],
  ["the byte FE", "fe"],
  ["the byte FF", "ff"],
  ["a character of two bytes cut off by another", "c3 28"],
  ["a character of three bytes cut off after one", "e2 28"],
  ["a character of three bytes cut off after two", "e2 82 28"],
  ["a character of four bytes cut off after one", "f0 28"],
  ["a character of four bytes cut off after two", "f0 9f 28"],
  ["a character of four bytes cut off after three", "f0 9f 98 28"],
  ["a character cut off by the start of another", "e2 82 e2"],
  ["a byte order mark cut off after two bytes", "ef bb 28"],
];

const TRUNCATED_TEXT = ["c3", "e2", "e2 82", "f0", "f0 9f", "f0 9f 98", "ef bb"];

const UTF8: readonly Case[] = [
  ...VALID_TEXT.flatMap((text) => {
    const shown = [...text].map((character) => character.codePointAt(0)?.toString(16)).join(" ");
    const bytes = utf8(text);
    return [
      [`the text ${shown} is valid`, frame(text), [message(text)]],
      [
        `the text ${shown} may be fragmented within its characters`,
        fragments(bytewise(bytes)),
        [message(text)],
      ],
      [`the binary text ${shown} is the same`, frame(text, { opcode: OPCODE.binary }), [
        message(text),
      ]],
      [`the reason ${shown} is valid`, frame(closing(1000, text), { opcode: OPCODE.close }), [
        close(1000, text),
      ]],
    ] satisfies Case[];
  }),
  ...BAD_TEXT.flatMap(([name, bytes]) => {
    const bad = concat(utf8("ok"), hex(bytes));
    return [
      [`text with ${name} is refused`, frame(bad), [error(1007)]],
      [`text with ${name} is refused before its frame is whole`, frame(bad, { length: 900 }), [
        error(1007),
      ]],
      [
        `text with ${name} is refused before its message is whole`,
        frame(bad, { final: false }),
        [error(1007)],
      ],
      [
        `text with ${name}, a fragment for each byte, is refused before its message is whole`,
        fragments(bytewise(bad), OPCODE.text, false),
        [error(1007)],
      ],
      [`a reason with ${name} is refused`, frame(closing(1000, bad), { opcode: OPCODE.close }), [
        error(1007),
      ]],
    ] satisfies Case[];
  }),
  ...TRUNCATED_TEXT.flatMap((bytes) => {
    const bad = concat(utf8("ok"), hex(bytes));
    return [
      [`text that ends with ${bytes} is refused`, frame(bad), [error(1007)]],
      [`text that may go on after ${bytes} is not refused yet`, frame(bad, { final: false }), []],
      [`a fragmented text that ends with ${bytes} is refused`, fragments([bad, ""]), [
        error(1007),
      ]],
      [
        `a reason that ends with ${bytes} is refused`,
        frame(closing(1000, bad), { opcode: OPCODE.close }),
        [error(1007)],
      ],
    ] satisfies Case[];
  }),
  [
    "a ping between the bytes of a character leaves it whole",
    concat(
      frame(hex("e2 82"), { final: false }),
      frame("€", { opcode: OPCODE.ping }),
      frame(hex("ac"), { opcode: OPCODE.continuation }),
    ),
    [ping("€"), message("€")],
  ],
  [
    "binary that is not UTF-8 gets replacement characters",
    concat(frame(hex("61 ff 62 c3"), { opcode: OPCODE.binary }), NEXT),
    [message("a\ufffdb\ufffd"), message("next")],
  ],
  [
    "fragmented binary that is not UTF-8 gets replacement characters",
    concat(fragments([hex("61 ff"), hex("62 c3")], OPCODE.binary), NEXT),
    [message("a\ufffdb\ufffd"), message("next")],
  ],
  [
    "binary may have its characters fragmented",
    fragments([hex("f0 9f"), hex("98 80")], OPCODE.binary),
    [message("😀")],
  ],
  [
    "binary before text does not spare the text",
    concat(fragments([hex("ff"), hex("ff")], OPCODE.binary), fragments([hex("ff"), hex("ff")])),
    [message("\ufffd\ufffd"), error(1007)],
  ],
];

const VALID_CODES = [
  ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014],
  ...[3000, 3999, 4000, 4999],
];
const INVALID_CODES = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535];

const CLOSE: readonly Case[] = [
  ["a close frame may be empty", concat(frame("", { opcode: OPCODE.close }), NEXT), [close(null)]],
  ["half a code is refused", frame(hex("03"), { opcode: OPCODE.close }), [error(1002)]],
  ...VALID_CODES.map((code): Case => [
    `a client may close with ${code}, and nothing is read after that`,
    concat(frame(closing(code, "why"), { opcode: OPCODE.close }), NEXT, hex("ff ff ff")),
    [close(code, "why")],
  ]),
  ...INVALID_CODES.map((code): Case => [
    `a client may not close with ${code}`,
    concat(frame(closing(code, "why"), { opcode: OPCODE.close }), NEXT),
    [error(1002)],
  ]),
  [
    "a reason may have 123 bytes",
    frame(closing(1000, "é".repeat(61) + "x"), { opcode: OPCODE.close }),
    [close(1000, "é".repeat(61) + "x")],
  ],
  [
    "a reason of 124 bytes is refused",
    frame(closing(1000, "x".repeat(124)), { opcode: OPCODE.close }),
    [error(1002)],
  ],
  [
    "a second close frame is not read",
    concat(
      frame(closing(1000), { opcode: OPCODE.close }),
      frame(closing(1001), { opcode: OPCODE.close }),
    ),
    [close(1000)],
  ],
];

const LIMIT: readonly Case[] = [
  ["a message may have as many bytes as the limit", concat(frame("12345"), NEXT), [
    message("12345"),
    message("next"),
  ], 5],
  ["fragments may have as many bytes as the limit together", fragments(["12", "", "345"]), [
    message("12345"),
  ], 5],
  ["the limit holds for each message anew", concat(fragments(["12", "345"]), frame("12345")), [
    message("12345"),
    message("12345"),
  ], 5],
  ["the limit is one of bytes, not characters", frame("ééé"), [error(1009)], 5],
  ["with a limit of 0 an empty message may come", frame(""), [message("")], 0],
  ["with a limit of 0 no other message may come", frame("x"), [error(1009)], 0],
  ...[6, 125, 126, 65_535, 65_536, 2 ** 33, 2 ** 53, 2n ** 63n - 1n].map((length): Case => [
    `a frame of ${length} bytes is refused before its mask and payload come`,
    frame("", { length }).slice(0, -4),
    [error(1009)],
    5,
  ]),
  [
    "the frame that takes a message over the limit is refused before its payload comes",
    concat(
      frame("123", { final: false }),
      frame("4", { opcode: OPCODE.continuation, final: false }),
      frame("", { opcode: OPCODE.continuation, length: 2 }),
    ),
    [error(1009)],
    5,
  ],
  [
    "binary has the same limit",
    frame("123456", { opcode: OPCODE.binary }),
    [error(1009)],
    5,
  ],
  [
    "pings between fragments do not count",
    concat(
      frame("123", { final: false }),
      frame(LONG, { opcode: OPCODE.ping }),
      frame("45", { opcode: OPCODE.continuation }),
    ),
    [ping(LONG), message("12345")],
    5,
  ],
];

const SECTIONS: readonly [string, readonly Case[]][] = [
  ["5.2", FRAMING],
  ["5.4", FRAGMENTATION],
  ["5.5", CONTROL],
  ["8.1", UTF8],
  ["7.4", CLOSE],
  ["10.4", LIMIT],
];

for (const [section, cases] of SECTIONS) {
  for (const [name, input, outcome, limit = 1000] of cases) {
    Deno.test(`RFC 6455, section ${section}: ${name}`, () => {
      assertEquals(decoded(limit, [input]), [...outcome], "in one chunk");
      assertEquals(decoded(limit, bytewise(input)), [...outcome], "one byte at a time");
    });
  }
}

for (
  const [what, bad] of [
    ["a protocol error", frame("", { opcode: 3 })],
    ["bad text", frame(hex("ff"))],
    ["bad text of which more is to come", frame(hex("ff"), { length: 9 })],
    ["a message that is too big", frame("x".repeat(1001))],
  ] as const
) {
  Deno.test(`after ${what} a decoder says nothing more and throws nothing more`, () => {
    const decoder = new Decoder(() => 1000);
    assertThrows(() => [...decoder.decode(bad.slice())], ProtocolError);
    assertEquals(decode(decoder, [NEXT, bad, ...bytewise(NEXT)]), []);
  });
}

Deno.test("after a close frame in an earlier chunk a decoder says nothing more", () => {
  const decoder = new Decoder(() => 1000);
  assertEquals(decode(decoder, [frame("", { opcode: OPCODE.close })]), [close(null)]);
  assertEquals(decode(decoder, [NEXT, frame("", { opcode: 3 })]), []);
});

Deno.test("when the caller stops early a decoder says nothing more", () => {
  const decoder = new Decoder(() => 1000);
  for (const _ of decoder.decode(concat(NEXT, NEXT))) break;
  assertEquals(decode(decoder, [NEXT]), []);
});

Deno.test("each frame that does not end a message is told of, however it is cut", () => {
  const parts = [
    frame("", { final: false }),
    frame("ab", { opcode: OPCODE.continuation, final: false }),
    frame("", { opcode: OPCODE.continuation, final: false }),
    frame("c", { opcode: OPCODE.continuation }),
  ];
  for (const chunks of [[concat(...parts)], bytewise(concat(...parts))]) {
    const decoder = new Decoder(() => 1000);
    const types = chunks.flatMap((chunk) => [...decoder.decode(chunk)].map(({ type }) => type));
    assertEquals(types, ["fragment", "fragment", "fragment", "message"]);
  }
});

Deno.test("a decoder holds a message that has not come whole, and nothing of the chunks", () => {
  const decoder = new Decoder(() => 100_000);
  assertEquals([decoder.heldBytes, decoder.isUnfinished], [0, false]);
  const big = concat(frame("x".repeat(60_000), { length: 60_001 }));
  assertEquals([...decoder.decode(big)], []);
  assertEquals(decoder.isUnfinished, true);
  assert(decoder.heldBytes >= 60_000 && decoder.heldBytes < 125_000, `${decoder.heldBytes}`);
  big.fill(0);
  const [message] = [...decoder.decode(hex("00"))];
  assert(message?.type === "message" && message.text.startsWith("xxx"), "it was copied");
  assertEquals([decoder.heldBytes, decoder.isUnfinished], [0, false]);
  // A view of a buffer of the runtime, of which `slice` would be a view, too.
  const buffer = Buffer.from(concat(NEXT, NEXT.subarray(0, 5)));
  assertEquals([...decoder.decode(buffer)].length, 1);
  buffer.fill(0);
  assertEquals([...decoder.decode(NEXT.slice(5))].length, 1, "it was copied");
});

Deno.test("bad text on one connection leaves the text of others alone", () => {
  const half = new Decoder(() => 1000);
  assertEquals(decode(half, [frame(hex("f0 9f"), { final: false })]), []);
  assertEquals(decoded(1000, [frame(hex("61 f0 9f"))]), [error(1007)]);
  assertEquals(decode(half, [frame(hex("98 80"), { opcode: 0 })]), [message("😀")]);
  assertEquals(decoded(1000, [frame("é")]), [message("é")]);
});

/** Any text, or one that begins with a byte order mark. */
const text = fc.oneof(
  { weight: 5, arbitrary: fc.string({ unit: "binary", maxLength: 300 }) },
  { weight: 1, arbitrary: fc.string({ maxLength: 5 }).map((rest) => `\ufeff${rest}`) },
);
const key = fc.uint8Array({ minLength: 4, maxLength: 4 });
const places = fc.array(fc.nat(), { maxLength: 12 });

const controlFrame = fc.record({
  opcode: fc.constantFrom(OPCODE.ping, OPCODE.pong),
  payload: fc.uint8Array({ maxLength: 125 }),
  key,
});

/** A message as a client may send it: its frames, and what must come of them. */
const sending = fc.record({
  text,
  opcode: fc.constantFrom(OPCODE.text, OPCODE.binary),
  places,
  keys: fc.array(key, { minLength: 13, maxLength: 13 }),
  between: fc.array(fc.array(controlFrame, { maxLength: 2 }), { maxLength: 13 }),
}).map(({ text, opcode, places, keys, between }) => {
  const frames: Uint8Array[] = [];
  const unmasked: Uint8Array[] = [];
  const outcomes: Outcome[] = [];
  const parts = cut(utf8(text), places);
  for (const [index, part] of parts.entries()) {
    for (const { payload, ...how } of between[index] ?? []) {
      frames.push(frame(payload, how));
      unmasked.push(frame(payload, { ...how, key: null }));
      outcomes.push({ type: how.opcode === OPCODE.pong ? "pong" : "ping", payload });
    }
    const how = {
      opcode: index === 0 ? opcode : OPCODE.continuation,
      final: index === parts.length - 1,
    };
    frames.push(frame(part, { ...how, key: keys[index] ?? null }));
    unmasked.push(frame(part, { ...how, key: null }));
  }
  outcomes.push(message(text));
  return { input: concat(...frames), unmasked: concat(...unmasked), outcomes };
});

Deno.test("messages come out whole and in order, however they are fragmented and cut", () => {
  fc.assert(fc.property(fc.array(sending, { maxLength: 5 }), places, (sendings, places) => {
    const input = concat(...sendings.map(({ input }) => input));
    assertEquals(
      decoded(1200, cut(input, places)),
      sendings.flatMap(({ outcomes }) => outcomes),
    );
  }));
});

Deno.test("a client reads the same frames without masks, and none with a mask", () => {
  fc.assert(fc.property(fc.array(sending, { maxLength: 5 }), places, (sendings, places) => {
    const input = concat(...sendings.map(({ unmasked }) => unmasked));
    const outcomes = sendings.flatMap(({ outcomes }) => outcomes);
    assertEquals(decoded(1200, cut(input, places), "client"), outcomes);
    assertEquals(decoded(1200, cut(concat(input, NEXT), places), "client"), [
      ...outcomes,
      error(1002),
    ]);
  }));
});

Deno.test("a message comes out if its fragments keep to the limit together, else 1009 does", () => {
  const parts = fc.array(fc.nat(200), { minLength: 1, maxLength: 6 });
  fc.assert(fc.property(parts, fc.nat(600), places, (sizes, limit, places) => {
    const input = fragments(sizes.map((size) => "x".repeat(size)));
    const size = sizes.reduce((sum, size) => sum + size, 0);
    assertEquals(decoded(limit, cut(input, places)), [
      size <= limit ? message("x".repeat(size)) : error(1009),
    ]);
  }));
});

/** Frames that are often good, often not, and sometimes no frames. */
const anything = fc.array(
  fc.oneof(
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 20 }) },
    {
      weight: 6,
      arbitrary: fc.tuple(
        fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.string({ unit: "binary" }).map(utf8)),
        fc.record({
          opcode: fc.oneof(
            { weight: 20, arbitrary: fc.constantFrom(0, 0, 1, 1, 2, 9, 10) },
            { weight: 1, arbitrary: fc.nat(15) },
          ),
          final: fc.boolean(),
          key,
          reserved: fc.oneof(
            { weight: 30, arbitrary: fc.constant(0) },
            { weight: 1, arbitrary: fc.constant(0x40) },
          ),
        }),
      ).map(([payload, how]) => frame(payload, how)),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(fc.nat(5000), fc.string({ maxLength: 3 })).map(([code, reason]) =>
        frame(closing(code, reason), { opcode: OPCODE.close })
      ),
    },
  ),
  { maxLength: 12 },
).map((parts) => concat(...parts));

const SMALL = 64;

Deno.test("any bytes give messages within the limit, and at most one error at the end", () => {
  fc.assert(
    fc.property(anything, places, (input, places) => {
      const decoder = new Decoder(() => SMALL);
      const outcomes = decode(decoder, cut(input, places));
      for (const [index, outcome] of outcomes.entries()) {
        if (outcome.type === "message") assertEquals(outcome.text.length <= SMALL, true);
        if (outcome.type === "ping") assertEquals(outcome.payload.length <= 125, true);
        if (outcome.type === "close" || outcome.type === "error") {
          assertEquals(index, outcomes.length - 1);
          assertEquals(decode(decoder, [NEXT]), []);
        }
        if (outcome.type === "error") {
          assertEquals([1002, 1007, 1009].includes(outcome.code), true, `${outcome.code}`);
        }
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("what any bytes give does not depend on how they are cut", () => {
  fc.assert(
    fc.property(anything, places, (input, places) => {
      const whole = decoded(SMALL, [input]);
      assertEquals(decoded(SMALL, cut(input, places)), whole);
      assertEquals(decoded(SMALL, bytewise(input)), whole);
    }),
    { numRuns: 500 },
  );
});
