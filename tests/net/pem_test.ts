import { pemBlocks } from "../../src/net/pem.ts";
import { assertEquals } from "../assert.ts";

const BLOCK = "-----BEGIN X-----\nAAAA\n-----END X-----\n";
const whole = { label: "X", state: "whole", text: BLOCK } as const;

for (
  const [what, text] of [
    ["a byte order mark", `\uFEFF${BLOCK}`],
    ["indentation", BLOCK.replaceAll(/^/gm, " \t")],
    ["CRLF", BLOCK.replaceAll("\n", "\r\n")],
    ["CR", BLOCK.replaceAll("\n", "\r")],
    [
      "white space at the ends and within the lines",
      "-----BEGIN X----- \nAA AA\t\n-----END X-----",
    ],
    ["empty lines", BLOCK.replaceAll("\n", "\n\n")],
    ["text around", `The -----BEGIN X----- of it:\n${BLOCK}-----END Y-----\nThat was it.`],
    ["no line break at the end", BLOCK.trim()],
  ] as const
) {
  Deno.test(`pemBlocks() gives a block as it should be, with ${what}`, () => {
    assertEquals(pemBlocks(text), [whole]);
  });
}

Deno.test("pemBlocks() breaks long bodies into lines of 64", () => {
  const [block] = pemBlocks(`-----BEGIN X-----\n${"A".repeat(130)}==\n-----END X-----`);
  assertEquals(block?.text.split("\n").map((line) => line.length), [17, 64, 64, 4, 15, 0]);
});

Deno.test("pemBlocks() gives all blocks in their order", () => {
  const text = `${BLOCK}${BLOCK.replaceAll("X", "EC PARAMETERS")}text\n${BLOCK}`;
  assertEquals(pemBlocks(text).map(({ label }) => label), ["X", "EC PARAMETERS", "X"]);
});

Deno.test("pemBlocks() tells a block without its end, before another and at the end of the text", () => {
  const cut = { label: "Y", state: "cut", text: "" } as const;
  const begun = "-----BEGIN Y-----\nAAAA\n";
  assertEquals(pemBlocks(begun + BLOCK), [cut, whole]);
  assertEquals(pemBlocks(BLOCK + begun), [whole, cut]);
  assertEquals(pemBlocks(`${begun}-----END Y----`), [cut]);
  assertEquals(pemBlocks(`${begun}-----END Z-----\n`), [cut]);
});

Deno.test("pemBlocks() tells a block that needs a password", () => {
  const older =
    "-----BEGIN K-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END K-----";
  for (const text of [older, BLOCK.replaceAll("X", "ENCRYPTED PRIVATE KEY")]) {
    assertEquals(pemBlocks(text).map(({ state }) => state), ["encrypted"]);
  }
});

Deno.test("pemBlocks() tells a block that holds something else than base64", () => {
  for (const body of ["", "\n", "A=A\n", "A.A\n", "====\n", "\uFFFD\n"]) {
    const [block] = pemBlocks(`-----BEGIN X-----\n${body}-----END X-----`);
    assertEquals(block?.state, "garbled", body);
  }
});

Deno.test("pemBlocks() takes a text without a block for what it is", () => {
  const texts = ["", "\uFEFF", "text", "-----BEGIN -----", "-----END X-----", "----BEGIN X-----"];
  for (const text of texts) assertEquals(pemBlocks(text), [], text);
});
