import type { Answer } from "../../src/reach/ask.ts";
import { explainDenial, explainRefusal } from "../../src/reach/refusal.ts";
import { assertStringIncludes } from "../assert.ts";

function answer(status: number, text: string = "", headers: Record<string, string> = {}): Answer {
  return { status, text, header: (name) => headers[name] ?? null };
}

/** An answer to a request for a WebSocket, what is told about it, and the hint. */
const REFUSALS: readonly [Answer, told: string, hint: string][] = [
  [answer(301, "", { location: "https://a/" }), "a redirect to https://a/", "no redirect"],
  [answer(200), "a web page", "conf/examples/nginx"],
  [answer(400), "no WebSocket's", "Upgrade"],
  [answer(401), "a password", "Exempt"],
  [answer(403), "the Origin https://x may not connect", '"origins"'],
  [answer(404), "nothing is at this path", "location"],
  [answer(404, '{"error":"nothing"}'), "nothing is at this path", "client port"],
  [answer(405), "something else", "client port"],
  [answer(429), "as many connections as it may", '"limit.address"'],
  [
    answer(501, "HTTP/501 Use Websockets\n"),
    "without its Upgrade header",
    "proxy_set_header Upgrade",
  ],
  [answer(502), "does not reach Aphlict", "upstream"],
  [answer(503), "as many connections as there may be", '"limit.connections"'],
  [answer(302, "", { location: "\x1b[2J" }), "\\u{1b}[2J", ""],
];

Deno.test("each answer that is no WebSocket is told with its cause and what to do", () => {
  for (const [each, told, hint] of REFUSALS) {
    const error = explainRefusal(each, "https://x");
    assertStringIncludes(error.message, `answers ${each.status}`);
    assertStringIncludes(error.message, told);
    assertStringIncludes(error.hint, hint);
  }
});

Deno.test("an admin server's refusal is told in its words, made safe", () => {
  const error = explainDenial(answer(401, '{"error":"no \\u001btoken"}'));
  assertStringIncludes(error.message, "answers 401: no \\u{1b}token");
  assertStringIncludes(error.hint, '"token.file"');
  assertStringIncludes(
    explainDenial(answer(501, "HTTP/501 Use Websockets\n")).message,
    "a client port",
  );
});
