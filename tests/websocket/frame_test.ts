import fc from "fast-check";
import {
  closePayload,
  frameSize,
  isCloseCode,
  maskedFrame,
  writeFrame,
} from "../../src/websocket/frame.ts";
import { assert, assertEquals, assertThrows } from "../assert.ts";
import { concat, decoded, hex, masked, utf8 } from "./bytes.ts";

/** A frame in an array of its own. */
function written(opcode: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(frameSize(payload));
  writeFrame(bytes, 0, opcode, payload);
  return bytes;
}

function filled(length: number): Uint8Array {
  return new Uint8Array(length).fill(0xab);
}

for (
  const [what, opcode, payload, expected] of [
    ["the text Hello of section 5.7", 1, utf8("Hello"), hex("81 05 48 65 6c 6c 6f")],
    ["the ping of section 5.7", 9, utf8("Hello"), hex("89 05 48 65 6c 6c 6f")],
    ["the 256 bytes of section 5.7", 2, filled(256), concat(hex("82 7e 01 00"), filled(256))],
    [
      "the 64 KiB of section 5.7",
      2,
      filled(65_536),
      concat(hex("82 7f 00 00 00 00 00 01 00 00"), filled(65_536)),
    ],
    ["an empty text", 1, hex(""), hex("81 00")],
    ["an empty close frame", 8, hex(""), hex("88 00")],
    ["a pong", 10, utf8("x"), hex("8a 01 78")],
    ["a payload of 125 bytes", 1, filled(125), concat(hex("81 7d"), filled(125))],
    ["a payload of 126 bytes", 1, filled(126), concat(hex("81 7e 00 7e"), filled(126))],
    ["a payload of 127 bytes", 1, filled(127), concat(hex("81 7e 00 7f"), filled(127))],
    ["a payload of 65,535 bytes", 1, filled(65_535), concat(hex("81 7e ff ff"), filled(65_535))],
    [
      "a payload of 66,051 bytes",
      1,
      filled(0x01_0203),
      concat(hex("81 7f 00 00 00 00 00 01 02 03"), filled(0x01_0203)),
    ],
  ] as const
) {
  Deno.test(`RFC 6455, section 5.2: ${what} is written as it should be`, () => {
    assertEquals(written(opcode, payload), expected);
  });
}

for (const length of [0, 125, 126, 65_535, 65_536]) {
  Deno.test(`a client's frame of ${length} bytes has a mask of its own`, () => {
    const text = "x".repeat(length);
    const [first, second] = [maskedFrame(1, utf8(text)), maskedFrame(1, utf8(text))];
    assertEquals(decoded(1e6, [first, second]), [
      { type: "message", text },
      { type: "message", text },
    ]);
    const start = first.length - length - 4;
    const masks = [first, second].map((frame) => frame.subarray(start, start + 4).join());
    assert(masks[0] !== masks[1], masks[0]);
  });

  Deno.test(`a frame of ${length} bytes at an offset leaves its neighbours alone`, () => {
    const payload = filled(length);
    const size = frameSize(payload);
    const whole = new Uint8Array(size + 8).fill(0xee);
    // A view that does not begin where its buffer does.
    const end = writeFrame(whole.subarray(2), 3, 1, payload);
    assertEquals(end, 3 + size);
    assertEquals(whole.slice(0, 5), hex("ee ee ee ee ee"));
    assertEquals(whole.slice(5 + size), hex("ee ee ee"));
    assertEquals(whole.slice(5, 5 + size), written(1, payload));
  });
}

Deno.test("a frame for which there is no room is not written", () => {
  assertThrows(() => writeFrame(new Uint8Array(6), 0, 1, utf8("Hello")), RangeError);
});

Deno.test("a decoder gets back what a frame was given, once a client has masked it", () => {
  const payload = fc.oneof(
    fc.string({ unit: "binary", maxLength: 200 }),
    fc.constantFrom(125, 126, 127, 65_535, 65_536).map((length) => "x".repeat(length)),
  );
  const key = fc.uint8Array({ minLength: 4, maxLength: 4 });
  fc.assert(fc.property(payload, key, (text, key) => {
    const bytes = written(1, utf8(text));
    const headerSize = bytes.length - utf8(text).length;
    const header = bytes.slice(0, headerSize);
    header[1] = (header[1] ?? 0) | 0x80;
    const input = concat(header, key, masked(bytes.slice(headerSize), key));
    assertEquals(decoded(100_000, [input]), [{ type: "message", text }]);
  }));
});

Deno.test("RFC 6455, section 7.4: of all codes exactly the registered and private ones are valid", () => {
  const valid = new Set([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014]);
  for (let code = 3000; code <= 4999; code++) valid.add(code);
  const wrong: number[] = [];
  for (let code = 0; code <= 65_535; code++) {
    if (isCloseCode(code) !== valid.has(code)) wrong.push(code);
  }
  assertEquals(wrong, []);
});

Deno.test("a close frame's payload is the code and then the reason in UTF-8", () => {
  assertEquals(closePayload(1000, ""), hex("03 e8"));
  assertEquals(closePayload(4999, "né"), hex("13 87 6e c3 a9"));
});

Deno.test("a close frame's reason may have 123 bytes, not characters", () => {
  assertEquals(closePayload(1001, "x".repeat(123)).length, 125);
  assertThrows(() => closePayload(1001, "x".repeat(124)), RangeError, "123 bytes");
  assertThrows(() => closePayload(1001, "é".repeat(62)), RangeError, "123 bytes");
});

for (const code of [-1, 0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65_536 + 1000, NaN]) {
  Deno.test(`a close frame may not say ${code}`, () => {
    assertThrows(() => closePayload(code, ""), RangeError, `${code} is no code`);
  });
}
