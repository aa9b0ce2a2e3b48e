import fc from "fast-check";
import { originFault, Origins } from "../../src/config/origin.ts";
import { assert, assertEquals } from "../assert.ts";

for (
  const [pattern, fault] of [
    ["*", "Remove the key to let any page connect."],
    ["phorge.example.com", 'Begin it with the scheme: "https://phorge.example.com".'],
    ["phorge.example.com:8443", 'Begin it with the scheme: "https://phorge.example.com:8443".'],
    ["null", 'Begin it with the scheme: "https://null".'],
    [
      "chrome-extension://abc",
      "An origin starts with https:// or http://, as the address of Phorge does.",
    ],
    ["wss://x", "An origin starts with https:// or http://, as the address of Phorge does."],
    ["https://x/", 'An origin ends with the host or its port: "https://x".'],
    ["https://X:8443/~acme/", 'An origin ends with the host or its port: "https://x:8443".'],
    ["https://x?a", 'An origin ends with the host or its port: "https://x".'],
    ["https://x#", 'An origin ends with the host or its port: "https://x".'],
    ["https://x\\evil.net", 'An origin ends with the host or its port: "https://x".'],
    ["https://*.x/", 'An origin ends with the host or its port: "https://*.x".'],
    ["https://user@x", "Remove what stands before the @."],
    ["https://user:password@x", "Remove what stands before the @."],
    ["https://@x", "Remove what stands before the @."],
    ["https://*", "A * stands only for the first part of the host, as in https://*.example.com."],
    ["https://*x", "A * stands only for the first part of the host, as in https://*.example.com."],
    [
      "https://a.*.x",
      "A * stands only for the first part of the host, as in https://*.example.com.",
    ],
    [
      "https://*.*.x",
      "A * stands only for the first part of the host, as in https://*.example.com.",
    ],
    ["https://*.10.0.0.1", "An address has no part that * could be."],
    ["https://*.1", "An address has no part that * could be."],
    ["https://*.[::1]", "An address has no part that * could be."],
    ["https://", ""],
    ["https://*.", ""],
    ["https://x y", ""],
    ["https://x\n", ""],
    ["https://x\t.example.com", ""],
    [" https://x", "An origin starts with https:// or http://, as the address of Phorge does."],
    ["https://x, https://y", ""],
    ["https://x:65536", ""],
  ] as const
) {
  Deno.test(`${JSON.stringify(pattern)} is no origin, and the fault says what to do`, () => {
    assertEquals(originFault(pattern), fault);
  });
}

for (
  const [pattern, origin] of [
    ["https://phorge.example.com", "https://phorge.example.com"],
    ["http://phorge.example.com:8080", "http://phorge.example.com:8080"],
    ["HTTPS://Phorge.Example.COM:443", "https://phorge.example.com"],
    ["http://phorge:80", "http://phorge"],
    ["https://münchen.example", "https://xn--mnchen-3ya.example"],
    ["https://[2001:DB8::1]", "https://[2001:db8::1]"],
    ["https://192.0.2.7:8443", "https://192.0.2.7:8443"],
    ["https://*.example.com", "https://probe.example.com"],
    ["http://*.Example.com:8080", "http://probe.example.com:8080"],
  ] as const
) {
  Deno.test(`${pattern} admits ${origin}, and says so`, () => {
    assertEquals(originFault(pattern), null);
    const origins = new Origins([pattern]);
    assertEquals(origins.admit(origin), true);
    assertEquals(origins.example, origin);
  });
}

Deno.test("the example is of an origin as it stands, if there is one, and there may be none", () => {
  const origins = new Origins(["https://*.example.com", "https://phorge.example.net"]);
  assertEquals(origins.example, "https://phorge.example.net");
  assertEquals(new Origins([]).example, null);
});

/** One host as it stands, and the hosts below another one, each on a port of its own. */
const LISTED = [
  "https://phorge.example.com",
  "https://phorge.example.com:8443",
  "http://[2001:db8::1]",
  "https://xn--mnchen-3ya.example",
  "https://*.wild.example.com",
  "http://*.wild.example.net:8080",
];
const listed = new Origins(LISTED);

/** What an independent look at a header says about {@linkcode LISTED}. */
function isListed(header: string): boolean {
  if (LISTED.includes(header)) return !header.includes("*");
  const [, scheme = "", below = "", host = "", port = ""] =
    /^(https?):\/\/([a-zA-Z0-9_.-]+)\.(wild\.example\.(?:com|net))(:\d+)?$/.exec(header) ?? [];
  if (below.split(".").includes("") || below !== below.toLowerCase()) return false;
  return host.endsWith("com") ? `${scheme}${port}` === "https" : `${scheme}${port}` === "http:8080";
}

Deno.test("the listed origins are admitted, and hosts at any depth below the wild ones", () => {
  for (
    const origin of [
      ...LISTED.filter((each) => !each.includes("*")),
      "https://a.wild.example.com",
      "https://a.b-c.wild.example.com",
      "https://xn--mnchen-3ya.wild.example.com",
      "http://a.wild.example.net:8080",
    ]
  ) {
    assertEquals([listed.admit(origin), isListed(origin)], [true, true], origin);
  }
});

/** Headers of pages that have no business here, and of programs that try their luck. */
const TRICKS: readonly (string | null)[] = [
  null,
  "",
  "null",
  "*",
  "https://*",
  "undefined",
  "file://",
  "about:blank",
  "__proto__",
  "constructor",
  "https://__proto__",
  // A name that only begins or ends like a listed one.
  "https://phorge.example.com.evil.net",
  "https://evilphorge.example.com",
  "https://evil-phorge.example.com",
  "https://phorge.example.co",
  "https://phorge.example.comm",
  "https://example.com",
  "https://a.phorge.example.com",
  "https://evilwild.example.com",
  "https://evil-wild.example.com",
  "https://wild.example.com.evil.net",
  "https://a.wild.example.com.evil.net",
  // The host above.
  "https://wild.example.com",
  "https://.wild.example.com",
  "https://..wild.example.com",
  "https://a..wild.example.com",
  "https://*.wild.example.com",
  "https://evil.net,a.wild.example.com",
  "https://'a'.wild.example.com",
  // Another scheme or port.
  "http://phorge.example.com",
  "wss://phorge.example.com",
  "https://phorge.example.com:444",
  "https://phorge.example.com:80",
  "http://phorge.example.com:8443",
  "http://a.wild.example.com",
  "https://a.wild.example.com:8443",
  "http://a.wild.example.net",
  "https://a.wild.example.net:8080",
  "https://a.wild.example.net",
  // Another spelling, which no browser sends.
  "https://phorge.example.com:443",
  "https://phorge.example.com:",
  "https://phorge.example.com:08443",
  "https://a.wild.example.com:443",
  "HTTPS://phorge.example.com",
  "https://PHORGE.example.com",
  "https://A.wild.example.com",
  "https://phorge.example.com.",
  "https://a.wild.example.com.",
  "https://phorge.example.com/",
  "https://phorge.example.com//",
  "https://a.wild.example.com/",
  "https://phorge.example.com/path",
  "https://phorge.example.com?",
  "https://phorge.example.com#",
  "https:/phorge.example.com",
  "https:phorge.example.com",
  "https:///phorge.example.com",
  "https:\\\\phorge.example.com",
  "//phorge.example.com",
  "phorge.example.com",
  "http://[2001:0db8::1]",
  "http://[2001:DB8::1]",
  "https://münchen.example",
  "https://mu\u0308nchen.example",
  "https://phorge.ex\u00adample.com",
  "https://phorge。example.com",
  "https://phorge.example%2ecom",
  "https://%70horge.example.com",
  // What stands before the @, or behind a backslash, is no host.
  "https://phorge.example.com@evil.net",
  "https://phorge.example.com:8443@evil.net",
  "https://evil.net@phorge.example.com",
  "https://x@a.wild.example.com",
  "https://evil.net\\@phorge.example.com",
  "https://evil.net\\.wild.example.com",
  "https://evil.net/.wild.example.com",
  "https://evil.net?.wild.example.com",
  "https://evil.net#.wild.example.com",
  "https://evil.net/https://phorge.example.com",
  // White space and control characters, some of which a URL leaves out.
  " https://phorge.example.com",
  "https://phorge.example.com ",
  "https://phorge.example.com\n",
  "https://phorge.exam\nple.com",
  "https://phorge.example.com\0",
  "\thttps://a.wild.example.com",
  "https://a.\twild.example.com",
  // Several headers, joined.
  "https://phorge.example.com, https://phorge.example.com",
  "https://phorge.example.com,https://evil.net",
  "https://evil.net, https://phorge.example.com",
  "https://evil.net, https://a.wild.example.com",
  "https://evil.net,https://a.wild.example.com",
  "https://evil.net https://phorge.example.com",
];

Deno.test("no trick in a header's spelling is admitted", () => {
  for (const header of TRICKS) {
    assertEquals(listed.admit(header), false, JSON.stringify(header));
  }
});

/** Headers near the listed origins: tricks, pieces put together, and edits of what is listed. */
const header = fc.oneof(
  fc.constantFrom(...TRICKS, ...LISTED).map((each) => each ?? ""),
  fc.webUrl(),
  fc.string(),
  fc.array(
    fc.constantFrom(
      ...["https:", "http:", "//", "/", "\\", "@", ".", ":", "443", "8443", "8080", ",", " ", "*"],
      ...["phorge", "example", "com", "net", "wild.example.com", "wild.example.net", "evil"],
      ...["phorge.example.com", "https://", "https://a.", "http://a.", "[2001:db8::1]", "%2e", "A"],
    ),
    { maxLength: 6 },
  ).map((parts) => parts.join("")),
  fc.tuple(
    fc.constantFrom("https://phorge.example.com", "https://a.wild.example.com", ...LISTED),
    fc.nat(),
    fc.nat(2),
    fc.oneof(fc.constantFrom("", ".", "/", "@", "\\", "\t", "\0", "-", "A", "*"), fc.string()),
  ).map(([origin, place, deleted, inserted]) => {
    const at = place % (origin.length + 1);
    return origin.slice(0, at) + inserted + origin.slice(at + deleted);
  }),
);

Deno.test("no header is admitted but the listed origins, and those below a wild one", () => {
  fc.assert(
    fc.property(header, (header) => {
      if (listed.admit(header)) assert(isListed(header), JSON.stringify(header));
    }),
    { numRuns: 20_000 },
  );
});

const label = fc.stringMatching(/^[a-z]([a-z0-9-]{0,8}[a-z0-9])?$/).filter((each) =>
  !each.startsWith("xn--")
);
const domain = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join("."));
const port = fc.option(fc.integer({ min: 1, max: 65_535 }).filter((each) => each !== 443));

/** An origin as browsers write it. */
function https(host: string, port: number | null): string {
  return port === null ? `https://${host}` : `https://${host}:${port}`;
}

Deno.test("an origin admits itself and no other host, port or scheme", () => {
  fc.assert(
    fc.property(domain, port, domain, port, (host, port, otherHost, otherPort) => {
      const origins = new Origins([https(host, port)]);
      assertEquals(origins.admit(https(host, port)), true);
      const other = https(otherHost, otherPort);
      assertEquals(origins.admit(other), other === https(host, port));
      assertEquals(origins.admit(https(host, port).replace("https", "http")), false);
      assertEquals(origins.admit(https(`${otherHost}.${host}`, port)), false);
      assertEquals(origins.admit(https(`${host}.${otherHost}`, port)), false);
    }),
  );
});

Deno.test("a wild one admits what is below its host, and neither the host nor its likes", () => {
  fc.assert(
    fc.property(domain, port, domain, port, label, (host, port, below, otherPort, glued) => {
      const origins = new Origins([https(`*.${host}`, port)]);
      assertEquals(origins.admit(https(`${below}.${host}`, port)), true);
      assertEquals(origins.admit(https(`${below}.${host}`, otherPort)), otherPort === port);
      assertEquals(origins.admit(https(`${below}.${host}`, port).replace("https", "http")), false);
      assertEquals(origins.admit(https(host, port)), false);
      assertEquals(origins.admit(https(`${glued}${host}`, port)), false);
      assertEquals(
        origins.admit(https(`${host}.${glued}`, port)),
        `${host}.${glued}`.endsWith(`.${host}`),
      );
    }),
  );
});

Deno.test("what is no pattern admits nothing", () => {
  fc.assert(fc.property(fc.string(), header, (pattern, header) => {
    if (originFault(pattern) !== null) return;
    const origins = new Origins([pattern]);
    assertEquals(origins.admit(origins.example), true, pattern);
    if (origins.admit(header)) assert(/^https?:\/\/[^/@\\\s]+$/.test(header));
  }));
  assertEquals(new Origins([]).admit("https://phorge.example.com"), false);
});
