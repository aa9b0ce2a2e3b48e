import { tryOne } from "../fuzzing.ts";
import { assertEquals } from "../assert.ts";
import { SUBJECTS } from "./fuzz.ts";
import { type ReadRequests, readRequests } from "./reference.ts";

/** Inputs: a second's worth. `deno task fuzz` tries others. */
const SEEDS = 1000;

Deno.test("some bytes of the fuzzer are read as the reference does, whatever the pieces", () => {
  for (let seed = 0; seed < SEEDS; seed++) assertEquals(tryOne(SUBJECTS, seed), null);
});

const HEAD = "POST /a HTTP/1.1\r\nHost: x\r\n";
const A = { method: "POST", target: "/a", version: "1.1" };

/** The reference has to be right before others are compared with it. */
const ROWS: readonly (readonly [string, ReadRequests])[] = [
  ["", { requests: [], end: "" }],
  [`${HEAD}\r\n`, { requests: [{ ...A, content: "" }], end: "" }],
  [`${HEAD}Content-Length: 5\r\n\r\nHelloP`, { requests: [{ ...A, content: "Hello" }], end: "" }],
  [`${HEAD}Content-Length: 5\r\n\r\nHel`, { requests: [], end: "Hel" }],
  [`${HEAD}Transfer-Encoding: chunked\r\n\r\n3;x\r\nHel\r\n2\r\nlo\r\n0\r\nA: b\r\n\r\n`, {
    requests: [{ ...A, content: "Hello" }],
    end: "",
  }],
  [`${HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nHel\r\n2\r\nl`, { requests: [], end: "Hell" }],
  [`${HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nHello`, { requests: [], end: 400 }],
  [`${HEAD}Transfer-Encoding: gzip, chunked\r\n\r\n`, { requests: [], end: 501 }],
  [`${HEAD}Content-Length: 5\r\nContent-Length: 5\r\n\r\n`, { requests: [], end: 400 }],
  [`${HEAD}\r\n${HEAD}\n`, { requests: [{ ...A, content: "" }], end: 400 }],
  ["x".repeat(16_384), { requests: [], end: 431 }],
  ["GET / HTTP/2.0\r\n\r\n", { requests: [], end: 505 }],
];

for (const [text, expected] of ROWS) {
  Deno.test(`the reference reads ${JSON.stringify(text.slice(-40))}`, () => {
    assertEquals(readRequests(text), expected);
  });
}
