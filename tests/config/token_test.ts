import fc from "fast-check";
import { readToken, Token, TokenError, tokenReadFault } from "../../src/config/token.ts";
import { assert, assertEquals, assertThrows } from "../assert.ts";
import { Folder } from "../folder.ts";

const TEXT = "0123456789abcdef-._~+/ABCDEFGH==";

/** The token of a file with this content. */
function tokenOf(content: string): Token {
  using folder = new Folder();
  return readToken(folder.write("token", content));
}

for (
  const [what, content] of [
    ["alone", TEXT],
    ["with a line's end", `${TEXT}\n`],
    ["with the end of a line of Windows", `${TEXT}\r\n`],
    ["with empty lines and spaces around it", `\n \t${TEXT} \n\n`],
    ["behind a byte order mark", `\ufeff${TEXT}\n`],
  ] as const
) {
  Deno.test(`a token is read that stands ${what} in its file`, () => {
    assertEquals(tokenOf(content).header, `Bearer ${TEXT}`);
  });
}

Deno.test("a token has 16 characters at least, and its file 4,096 at most", () => {
  assertEquals(tokenOf("x".repeat(16)).header, `Bearer ${"x".repeat(16)}`);
  assertEquals(tokenOf("x".repeat(4096)).header.length, "Bearer ".length + 4096);
});

for (
  const [what, content] of [
    ["nothing", ""],
    ["white space alone", " \n\n"],
    ["15 characters", "x".repeat(15)],
    ["15 characters and white space", `${"x".repeat(15)}   \n`],
    ["two lines", `${TEXT}\n${TEXT}\n`],
    ["two words", `${TEXT} ${TEXT}`],
    ["a name before it", `token: ${TEXT}`],
    ["quotes around it", `"${TEXT}"`],
    ["the header", `Bearer ${TEXT}`],
    ["an equals sign in the middle", `x=${TEXT}`],
    ["letters of other alphabets", "é".repeat(20)],
    ["a control character", `${TEXT}\x1b[2J${TEXT}`],
    ["a zero byte", `${TEXT}\0`],
    ["a key in PEM", "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----\n"],
  ] as const
) {
  Deno.test(`a file with ${what} holds no token, and the error does not show it`, () => {
    using folder = new Folder();
    const path = folder.write("token", content);
    const { message } = assertThrows(() => readToken(path), TokenError);
    assertEquals(
      message,
      `Token file ${path} does not hold a token: 16 to 4096 letters, digits and -._~+/ in one line. ` +
        "Make one: (umask 077; openssl rand -hex 32 > FILE).",
    );
  });
}

Deno.test("a file that is too large, or no file, is not read, and the error says so", () => {
  using folder = new Folder();
  const large = folder.write("large", "x".repeat(4097));
  assertEquals(
    assertThrows(() => readToken(large), TokenError).message,
    `Token file ${large} cannot be used: it is larger than 4096 bytes.`,
  );
  const pipe = `${folder.path}/pipe`;
  new Deno.Command("mkfifo", { args: [pipe] }).outputSync();
  assertEquals(
    assertThrows(() => readToken(pipe), TokenError).message,
    `Token file ${pipe} cannot be used: it is a pipe or a device, no file.`,
  );
});

Deno.test("a file that is not there is named, with how to make it", () => {
  using folder = new Folder();
  const path = `${folder.path}/token`;
  assertEquals(
    assertThrows(() => readToken(path), TokenError).message,
    `Token file ${path} does not exist. Make it: (umask 077; openssl rand -hex 32 > FILE).`,
  );
});

Deno.test("a folder in place of the file is named", () => {
  using folder = new Folder();
  const { message } = assertThrows(() => readToken(folder.path), TokenError);
  assert(message.startsWith(`Token file ${folder.path} cannot be read: `), message);
});

Deno.test("a file that this user may not read is told as such", () => {
  assertEquals(
    tokenReadFault(new Deno.errors.PermissionDenied()),
    "may not be read by this user. Change its owner or mode.",
  );
});

Deno.test({
  name: "a file that the sandbox does not hold is named",
  permissions: { read: false },
  fn() {
    const { message } = assertThrows(() => readToken("/etc/token"), TokenError);
    assert(message.startsWith("Token file /etc/token cannot be read: "), message);
  },
});

Deno.test("a token matches the header that its holder sends, whatever the case of the scheme", () => {
  const token = new Token(TEXT);
  for (const header of [token.header, `bearer ${TEXT}`, `BEARER   ${TEXT}`]) {
    assertEquals(token.matches(header), true, header);
  }
});

for (
  const [what, header] of [
    ["none", null],
    ["an empty one", ""],
    ["the scheme alone", "Bearer"],
    ["the scheme and a space", "Bearer "],
    ["the token without its scheme", TEXT],
    ["another scheme", `Basic ${TEXT}`],
    ["a scheme that only begins like it", `Bearers ${TEXT}`],
    ["a scheme that only ends like it", `XBearer ${TEXT}`],
    ["no space between", `Bearer${TEXT}`],
    ["a tab between", `Bearer\t${TEXT}`],
    ["a space before", ` Bearer ${TEXT}`],
    ["a space behind", `Bearer ${TEXT} `],
    ["a line's end behind", `Bearer ${TEXT}\n`],
    ["a beginning of the token", `Bearer ${TEXT.slice(0, -1)}`],
    ["an end of the token", `Bearer ${TEXT.slice(1)}`],
    ["more than the token", `Bearer ${TEXT}=`],
    ["the token twice", `Bearer ${TEXT}${TEXT}`],
    ["two headers", `Bearer ${TEXT}, Bearer ${TEXT}`],
    ["the token in another case", `Bearer ${TEXT.toUpperCase()}`],
    ["the token as a parameter", `Bearer token=${TEXT}`],
    ["an empty token", "Bearer ="],
  ] as const
) {
  Deno.test(`as a header, ${what} does not match`, () => {
    assertEquals(new Token(TEXT).matches(header), false);
  });
}

const token = fc.stringMatching(/^[\w.~+/-]{16,64}={0,2}$/);

Deno.test("a token that was read matches its own header and no other", () => {
  fc.assert(
    fc.property(token, token, fc.string(), (mine, other, text) => {
      const read = tokenOf(`${mine}\n`);
      assertEquals(read.matches(`Bearer ${mine}`), true);
      assertEquals(read.matches(`Bearer ${other}`), mine === other);
      assertEquals(read.matches(text), false);
      assertEquals(new Token(other).matches(read.header), mine === other);
    }),
    { numRuns: 50 },
  );
});

Deno.test("a token does not show itself", () => {
  fc.assert(fc.property(token, (text) => {
    const token = new Token(text);
    const shown = [
      String(token),
      JSON.stringify({ token }),
      Deno.inspect({ token }, { showHidden: true, depth: 9, getters: false }),
      Object.getOwnPropertyNames(token).join(),
      Object.entries(token).join(),
    ];
    for (const each of shown) assertEquals(each.includes(text), false, each);
  }));
});
