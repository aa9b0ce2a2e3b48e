import {
  encodeFields,
  encodeResponse,
  encodeUpgrade,
  type Persistence,
} from "../../src/http/response.ts";
import { assert, assertEquals, assertMatch, assertNotMatch } from "../assert.ts";

interface Sent {
  readonly statusLine: string;
  /** The header lines but for the date, in the order in which they are sent. */
  readonly lines: readonly string[];
  readonly body: string;
}

function sent(
  response: Response,
  { body = "", withBody = true, persistence = "stay", fields = {} }: {
    readonly body?: string;
    readonly withBody?: boolean;
    readonly persistence?: Persistence;
    readonly fields?: Readonly<Record<string, string>>;
  } = {},
): Sent {
  const text = encodeResponse(response, body, withBody, persistence, encodeFields(fields));
  const end = text.indexOf("\r\n\r\n");
  const [statusLine = "", ...lines] = text.slice(0, end).split("\r\n");
  return {
    statusLine,
    lines: lines.filter((line) => !line.startsWith("Date: ")),
    body: text.slice(end + 4),
  };
}

Deno.test("a response is its status line, its headers, its length and its body", () => {
  const response = new Response(null, { status: 404, headers: { "content-type": "text/plain" } });
  assertEquals(sent(response, { body: "gone\n" }), {
    statusLine: "HTTP/1.1 404 Not Found",
    lines: ["content-type: text/plain", "Content-Length: 5"],
    body: "gone\n",
  });
});

Deno.test("fields that every answer has stand before the response's own", () => {
  const response = new Response(null, { headers: { c: "3" } });
  const lines = ["a: 1", "b: 2", "c: 3", "Content-Length: 0"];
  assertEquals(sent(response, { fields: { a: "1", b: "2" } }).lines, lines);
});

Deno.test("each status that the service sends has its reason phrase", () => {
  const phrases = [
    [200, "OK"],
    [302, "Found"],
    [400, "Bad Request"],
    [401, "Unauthorized"],
    [403, "Forbidden"],
    [404, "Not Found"],
    [405, "Method Not Allowed"],
    [408, "Request Timeout"],
    [413, "Content Too Large"],
    [417, "Expectation Failed"],
    [426, "Upgrade Required"],
    [429, "Too Many Requests"],
    [431, "Request Header Fields Too Large"],
    [500, "Internal Server Error"],
    [501, "Not Implemented"],
    [503, "Service Unavailable"],
    [505, "HTTP Version Not Supported"],
  ] as const;
  for (const [status, phrase] of phrases) {
    assertEquals(
      sent(new Response(null, { status })).statusLine,
      `HTTP/1.1 ${status} ${phrase}`,
    );
  }
});

Deno.test("RFC 9112, section 4: a status without a phrase keeps the blank before it", () => {
  assertEquals(sent(new Response(null, { status: 299 })).statusLine, "HTTP/1.1 299 ");
});

Deno.test("RFC 9110, section 6.6.1: a response has the date, which is that of its second", () => {
  const text = encodeResponse(new Response(null), "", true, "stay", "");
  const date = /\r\nDate: ([^\r]*)\r\n/.exec(text)?.[1] ?? "";
  assertMatch(date, /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/);
  assert(Math.abs(Date.parse(date) - Date.now()) < 2000, date);
});

Deno.test("the length is one of bytes, and the body goes out as it is", () => {
  const { lines, body } = sent(new Response(null), { body: "é€\0" });
  assertEquals([lines, body], [["Content-Length: 6"], "é€\0"]);
});

Deno.test("RFC 9110, section 9.3.2: HEAD is told the length and sent no body", () => {
  const { lines, body } = sent(new Response(null), { body: "Hello", withBody: false });
  assertEquals([lines, body], [["Content-Length: 5"], ""]);
});

Deno.test("a response of nothing has the length 0, and no content type of its own", () => {
  assertEquals(sent(new Response(null)).lines, ["Content-Length: 0"]);
});

for (const status of [204, 304]) {
  Deno.test(`RFC 9110, section 8.6: a ${status} has neither length nor body`, () => {
    const { lines, body } = sent(new Response(null, { status }), { persistence: "close" });
    assertEquals([lines, body], [["Connection: close"], ""]);
  });
}

/** What the handler says, what becomes of the connection, and the header that goes out. */
const CONNECTIONS: readonly (readonly [string | null, Persistence, string | null])[] = [
  [null, "stay", null],
  [null, "close", "close"],
  [null, "keep-alive", "keep-alive"],
  ["close", "close", "close"],
  ["Close", "close", "close"],
  // What is no option of the connection's own stays.
  ["Upgrade", "close", "Upgrade, close"],
  ["Upgrade", "stay", "Upgrade"],
  ["Upgrade", "keep-alive", "Upgrade, keep-alive"],
];

for (const [named, persistence, expected] of CONNECTIONS) {
  Deno.test(`RFC 9112, section 9: ${named} and a connection of the kind ${persistence} is ${expected}`, () => {
    const headers = new Headers(named === null ? [] : [["connection", named]]);
    const lines = expected === null ? [] : [`Connection: ${expected}`];
    assertEquals(sent(new Response(null, { headers }), { persistence }).lines, [
      ...lines,
      "Content-Length: 0",
    ]);
  });
}

Deno.test("headers go out as the handler has set them, several of a name too", () => {
  const headers = new Headers([
    ["x-name", "J\xfcrgen"],
    ["set-cookie", "a=1"],
    ["set-cookie", "b=2"],
    ["retry-after", "10"],
    ["__proto__", "x"],
  ]);
  assertEquals(sent(new Response(null, { headers })).lines, [
    "__proto__: x",
    "retry-after: 10",
    "set-cookie: a=1",
    "set-cookie: b=2",
    "x-name: J\xfcrgen",
    "Content-Length: 0",
  ]);
});

Deno.test("the framing is the engine's, whatever the handler has set", () => {
  const headers = { "content-length": "99", "transfer-encoding": "chunked", "a": "b" };
  assertEquals(sent(new Response(null, { headers }), { body: "Hello" }).lines, [
    "a: b",
    "Content-Length: 5",
  ]);
});

Deno.test("a response that makes the connection something else has its headers and no length", () => {
  const text = encodeUpgrade({ "Upgrade": "x", "Connection": "Upgrade" });
  assertEquals(
    text,
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
  );
  assertNotMatch(text, /content-length/i);
});
