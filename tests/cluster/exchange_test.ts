import fc from "fast-check";
import {
  type Reading,
  readReceipt,
  readStatus,
  Requests,
  type StatusReading,
} from "../../src/cluster/exchange.ts";
import { Token } from "../../src/config/token.ts";
import { assertEquals, assertMatch } from "../assert.ts";
import { encode } from "../hub/fixtures.ts";

function answer(status: number, body: string, reason = "X") {
  return { status, reason, body, isLast: false };
}

function faultOf(reading: Reading | StatusReading): string {
  return "fault" in reading ? reading.fault : "";
}

Deno.test("a receipt tells a fingerprint of printable characters, and nothing else does", () => {
  assertEquals(readReceipt(answer(200, '{"fingerprint":"aZ9~!","x":1}')), {
    fingerprint: "aZ9~!",
    receivers: null,
  });
  for (
    const [count, receivers] of [["3", 3], ["-1", null], ['"3"', null], ["1e99", null]] as const
  ) {
    const body = `{"fingerprint":"a","receivers":${count}}`;
    assertEquals(readReceipt(answer(200, body)), { fingerprint: "a", receivers });
  }
  const others = [
    '""',
    "7",
    "null",
    '["x"]',
    '"a b"',
    '"\\u001b[2J"',
    '"é"',
    `"${"x".repeat(65)}"`,
  ];
  for (
    const body of [
      "",
      "null",
      "[]",
      '"x"',
      "{}",
      '{"__proto__":{"fingerprint":"x"}}',
      ...others.map((value) => `{"fingerprint":${value}}`),
    ]
  ) assertMatch(faultOf(readReceipt(answer(200, body))), /admin port/, body);
});

Deno.test("a status page is known by its version, and may tell a fingerprint", () => {
  const read = (body: string) => readStatus(answer(200, body));
  assertEquals(read('{"version":7}'), { fingerprint: null, proof: null });
  assertEquals(read('{"version":7,"fingerprint":"x"}'), { fingerprint: "x", proof: null });
  assertEquals(read('{"version":7,"fingerprint":"x","proof":"y"}'), {
    fingerprint: "x",
    proof: "y",
  });
  assertEquals(read('{"version":7,"proof":["y"]}'), { fingerprint: null, proof: null });
  for (const body of ["", "null", "{}", '{"version":"7"}', '{"fingerprint":"x"}']) {
    assertMatch(faultOf(readStatus(answer(200, body))), /admin port/, body);
  }
});

Deno.test("an answer that is no good is told with what to do", () => {
  const faults = [503, 301, 501].map((status) => faultOf(readReceipt(answer(status, "", ""))));
  assertEquals(faults, [
    "answers 503",
    "answers 301: redirects are not followed. Name the address where it is",
    "answers 501: that is a client port. Name its admin port",
  ]);
});

Deno.test("a peer that wants a token, or does not want this server, is told with what to do", () => {
  assertMatch(
    faultOf(readReceipt(answer(401, ""))),
    /^answers 401 X: .* "token\.file" of the peer$/,
  );
  assertMatch(faultOf(readReceipt(answer(403, ""))), /^answers 403 X: .* its "allow"$/);
});

Deno.test("a token goes with messages and with probes, and nothing does without one", () => {
  const text = (requests: Requests) => new TextDecoder().decode(requests.status("CHALLENGE"));
  const token = new Token("0123456789abcdef");
  assertMatch(
    text(new Requests("::1", 22281, "OURS", token)),
    /\r\nAuthorization: Bearer 0123456789abcdef\r\n/,
  );
  assertEquals(text(new Requests("::1", 22281, "OURS", null)).includes("Authorization"), false);
});

Deno.test("a request for the status page carries its challenge, and is whole", () => {
  const request = new Requests("::1", 22281, "OURS", null).status("CHALLENGE");
  assertEquals(
    new TextDecoder().decode(request),
    "GET /status/ HTTP/1.1\r\nHost: [::1]:22281\r\nUser-Agent: Aphlict\r\n" +
      "aphlict-fingerprint: OURS\r\naphlict-challenge: CHALLENGE\r\n\r\n",
  );
});

Deno.test("for any message and instance, a request is whole, and nothing in it becomes another header", () => {
  const requests = new Requests("::1", 22281, "OURS", null);
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.string(), fc.boolean(), (text, name, flag) => {
      const request = requests.post({
        kind: flag ? "handover" : "copy",
        instance: name,
        encoded: encode({ subscribers: ["A"], text }),
        touched: ["a"],
        others: ["b"],
        isPromised: false,
        at: 0,
        wasSent: false,
      });
      const [head = "", body = ""] = new TextDecoder().decode(request).split("\r\n\r\n", 2);
      const [line, ...headers] = head.split("\r\n");
      assertEquals(line, `POST /?instance=${encodeURIComponent(name)} HTTP/1.1`);
      assertEquals(headers, [
        "Host: [::1]:22281",
        "User-Agent: Aphlict",
        "aphlict-fingerprint: OURS",
        ...flag ? ["aphlict-handover: 1"] : [],
        "Content-Type: application/json",
        `Content-Length: ${new TextEncoder().encode(body).length}`,
      ]);
      assertEquals(JSON.parse(body), { subscribers: ["A"], text, touched: ["a", "b"] });
    }),
  );
});
