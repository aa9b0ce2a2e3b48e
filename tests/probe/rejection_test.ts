import type { ProbeAnswer } from "../../src/probe/request.ts";
import { explainNoWebSocket, explainRejection, peerHints } from "../../src/probe/rejection.ts";
import { ROOT } from "../acceptance/program.ts";
import { assertEquals, assertStringIncludes } from "../assert.ts";

function answer(
  status: number,
  text: string = "",
  headers: Record<string, string> = {},
): ProbeAnswer {
  return { status, body: text, header: (name) => headers[name] ?? null };
}

/** An answer to a request for a WebSocket, what is told about it, and the hint. */
const REFUSALS: readonly [ProbeAnswer, told: string, hint: string][] = [
  [answer(301, "", { location: "https://a/" }), "a redirect to https://a/", "no redirect"],
  [answer(200), "a web page", "conf/examples"],
  [answer(400), "no WebSocket's", "Upgrade"],
  [answer(401), "a password", "Exempt"],
  [answer(403), "the Origin https://x may not connect", '"origins"'],
  [answer(404), "nothing is at this path", "conf/examples"],
  [answer(404, '{"error":"nothing"}'), "nothing is at this path", "client port"],
  [answer(405), "something else", "client port"],
  [answer(429), "as many connections as it may", '"limit.address"'],
  [
    answer(501, "HTTP/501 Use Websockets\n"),
    "without its Upgrade header",
    "its headers Upgrade and Connection",
  ],
  [answer(502), "does not reach Aphlict", "the address that the proxy passes this path on to"],
  [
    answer(503, "", { "retry-after": "5" }),
    "as many connections as there may be",
    '"limit.connections"',
  ],
  [answer(503), "the proxy does not reach Aphlict, or", "Look whether Aphlict runs"],
  [answer(302, "", { location: "\x1b[2J" }), "\\u{1b}[2J", ""],
];

Deno.test("each answer that is no WebSocket is told with its cause and what to do", () => {
  for (const [each, told, hint] of REFUSALS) {
    const error = explainNoWebSocket(each, "https://x", false);
    assertStringIncludes(error.message, `answers ${each.status}`);
    assertStringIncludes(error.message, told);
    assertStringIncludes(error.hint, hint);
  }
});

/** What a proxy calls itself, where its examples are, and what it needs to pass WebSockets on and to lead to Aphlict. */
const PROXIES: readonly (readonly [
  server: string,
  folders: readonly string[],
  needs: string,
  target: string,
])[] = [
  ["nginx/1.22.1", ["nginx"], "proxy_set_header Upgrade", "proxy_pass"],
  ["openresty/1.25.3.1", ["nginx"], "proxy_set_header Upgrade", "proxy_pass"],
  ["Apache/2.4.62 (Debian)", ["apache"], "upgrade=websocket", "ProxyPass"],
  ["Apache", ["apache"], "upgrade=websocket", "ProxyPass"],
  ["Caddy", ["caddy"], "reverse_proxy", "reverse_proxy"],
  // HAProxy does not name itself.
  ...["", "nginxed", "Apache-Coyote/1.1", "\x1b[2J"].map((server) =>
    [server, ["nginx", "apache", "haproxy", "caddy"], "Upgrade and Connection", "passes"] as const
  ),
];

Deno.test("a proxy that is at fault is told of its own example, or of all where it has no name", () => {
  for (const [server, folders, needs, target] of PROXIES) {
    for (const status of [200, 400, 404, 426, 501, 502, 503, 504, 520]) {
      const text = status === 501 ? "HTTP/501 Use Websockets\n" : "";
      const headers = server === "" ? {} : { server };
      const { hint } = explainNoWebSocket(answer(status, text, headers), "https://x", false);
      const named = ["nginx", "apache", "haproxy", "caddy"].filter((name) =>
        hint.includes(`conf/examples/${name}`)
      );
      assertEquals(named, folders, `${server} ${status}: ${hint}`);
      const isUnreached = [502, 503, 504].includes(status);
      assertStringIncludes(hint, isUnreached ? target : needs);
      for (const [, path = ""] of hint.matchAll(/(conf\/examples\/\w+)/g)) {
        assertEquals(Deno.statSync(`${ROOT}${path}`).isDirectory, true);
      }
    }
  }
});

Deno.test("a server of the configuration that answers as no Aphlict does is another program", () => {
  for (const each of [answer(200), answer(400), answer(404, "<html>"), answer(502), answer(301)]) {
    const error = explainNoWebSocket(each, "https://x", true);
    assertStringIncludes(error.message, `answers ${each.status}, which no client port does`);
    assertStringIncludes(error.hint, "Another program has the port");
  }
  const ours = [
    answer(403),
    answer(404, '{"error":"nothing"}'),
    answer(429),
    answer(503, "", { "retry-after": "5" }),
  ];
  for (const each of ours) {
    const [direct, proxied] = [true, false].map((isDirect) =>
      explainNoWebSocket(each, "https://x", isDirect)
    );
    assertEquals(direct?.hint, proxied?.hint);
  }
});

Deno.test("a port that wants TLS is named with the scheme for it", () => {
  for (
    const text of [
      "<center>The plain HTTP request was sent to HTTPS port</center>",
      "You're speaking plain HTTP to an SSL-enabled server port.",
    ]
  ) {
    assertStringIncludes(explainNoWebSocket(answer(400, text), "https://x", false).hint, "wss://");
    assertStringIncludes(explainRejection(answer(400, text)).hint, "https");
  }
});

Deno.test("a peer's refusal names the entry of the peer, and what stands in its place is told", () => {
  const hints = peerHints("cluster[3]");
  const of = (each: ProbeAnswer) => explainRejection(each, hints).hint;
  assertStringIncludes(of(answer(401, '{"error":"x"}')), '"token.file" of cluster[3]');
  assertStringIncludes(of(answer(403, '{"error":"x"}')), "this host's address");
  assertStringIncludes(of(answer(404, "<html>")), "host, port and protocol of cluster[3]");
  assertStringIncludes(of(answer(502)), "Look whether Aphlict runs behind");
});

Deno.test("an admin server's refusal is told in its words, made safe", () => {
  const error = explainRejection(answer(401, '{"error":"no \\u001btoken"}'));
  assertStringIncludes(error.message, "answers 401: no \\u{1b}token");
  assertStringIncludes(error.hint, '"token.file"');
  assertStringIncludes(
    explainRejection(answer(501, "HTTP/501 Use Websockets\n")).message,
    "a client port",
  );
});
