import fc from "fast-check";
import type { AdminServerConfig, ClientServerConfig, Config } from "../../src/config/config.ts";
import { ConfigError } from "../../src/config/error.ts";
import { ANY_SERVER_KEYS } from "../../src/config/keys.ts";
import { keysOf } from "../../src/config/table.ts";
import { validate } from "../../src/config/validate.ts";
import { assertEquals, assertStringIncludes, assertThrows } from "../assert.ts";
import { ADMIN, ADMIN_LIMITS, CLIENT, CLIENT_LIMITS } from "../entries.ts";

/** Keys that are added to an entry. */
type Keys = Readonly<Record<string, unknown>>;

/** A parsed file whose client and admin server have these keys, and the top these. */
function file(client: Keys = {}, admin: Keys = {}, top: Keys = {}): unknown {
  return {
    servers: [
      { type: "client", port: 22280, ...client },
      { type: "admin", port: 22281, ...admin },
    ],
    pidfile: "aphlict.pid",
    ...top,
  };
}

/** What a file says, which is accepted. */
function accepted(...keys: Parameters<typeof file>): Config {
  return validate("aphlict.json", file(...keys));
}

/** Path and message of each problem of a file, which is refused. */
function problems(...keys: Parameters<typeof file>): (readonly [string, string])[] {
  const error = assertThrows(() => validate("aphlict.json", file(...keys)), ConfigError);
  return error.problems.map(({ path, message }) => [path, message]);
}

function client(keys: Keys): ClientServerConfig {
  const [entry] = accepted(keys).servers;
  if (entry?.type !== "client") throw new Error("It is no client server");
  return entry;
}

function admin(keys: Keys): AdminServerConfig {
  const [, entry] = accepted({}, keys).servers;
  if (entry?.type !== "admin") throw new Error("It is no admin server");
  return entry;
}

const KIB = 1024;
const MIB = 1024 * KIB;

/** Each limit: whose it is, its key, its place, the least and the most, and what a fault calls it. */
const LIMITS = [
  ["client", "limit.connections", "connections", 1, 1_000_000, "a number of connections"],
  ["client", "limit.address", "address", 0, 1_000_000, "a number of connections from one address"],
  ["client", "limit.subscriptions", "subscriptions", 1, 1_000_000, "a number of topics"],
  ["client", "limit.topic", "topic", 30, 65_536, "a number of characters"],
  ["client", "limit.commands", "commands", 10, 1_000_000, "a number of commands in a second"],
  ["client", "timeout.handshake", "handshake", 1, 300, "a number of seconds"],
  ["client", "timeout.idle", "idle", 5, 3600, "a number of seconds"],
  ["admin", "limit.requests", "requests", 1, 1_000_000, "a number of requests"],
] as const;

for (const [type, key, name, min, max, noun] of LIMITS) {
  const limitsOf = (keys: Keys) => type === "client" ? client(keys).limits : admin(keys).limits;
  const problemsOf = (keys: Keys) => type === "client" ? problems(keys) : problems({}, keys);
  const path = `servers[${type === "client" ? 0 : 1}].${key}`;
  const defaults = type === "client" ? CLIENT_LIMITS : ADMIN_LIMITS;

  Deno.test(`${key} is a whole number from ${min} to ${max}, and null is its absence`, () => {
    for (const value of [min, min + 1, max]) {
      assertEquals(limitsOf({ [key]: value }), { ...defaults, [name]: value });
    }
    assertEquals(limitsOf({ [key]: null }), defaults);
    for (const value of [min - 1, max + 1, min + 0.5, -1, 1e300, true, "", [], {}]) {
      assertEquals(problemsOf({ [key]: value }), [[
        path,
        `${JSON.stringify(value)} is not ${noun}. Use a whole number from ${min} to ${max}.`,
      ]]);
    }
    assertEquals(problemsOf({ [key]: `${max}` }), [[
      path,
      `"${max}" is not ${noun}. Write it without quotes: ${max}.`,
    ]]);
  });

  Deno.test(`${key} is a key of one type of server`, () => {
    const keys = { [key]: max };
    const foreign = type === "client" ? problems({}, keys) : problems(keys);
    assertEquals(foreign, [[
      `servers[${type === "client" ? 1 : 0}].${key}`,
      `Only ${
        type === "client" ? "a client" : "an admin"
      } server has this key. Move it, or remove it.`,
    ]]);
    // Null is as good as nothing there, too.
    if (type === "client") admin({ [key]: null });
    else client({ [key]: null });
  });
}

for (
  const [key, name, min, max, noun, use] of [
    [
      "limit.message",
      "message",
      KIB,
      64 * MIB,
      "a number of bytes from 1 KiB to 64 MiB",
      'bytes, or a text such as "64KiB"',
    ],
    [
      "limit.backlog",
      "backlog",
      64 * KIB,
      1024 * MIB,
      "a number of bytes from 64 KiB to 1 GiB",
      'bytes, or a text such as "1MiB"',
    ],
  ] as const
) {
  Deno.test(`${key} is of bytes, and null is its absence`, () => {
    for (
      const [value, bytes] of [
        [min, min],
        [max, max],
        [min + 1, min + 1],
        ["64KiB", 64 * KIB],
        ["128 KiB", 128 * KIB],
        ["1MiB", MIB],
        [`${max / MIB}MiB`, max],
      ] as const
    ) {
      assertEquals(client({ [key]: value }).limits, { ...CLIENT_LIMITS, [name]: bytes });
    }
    assertEquals(client({ [key]: null }).limits, CLIENT_LIMITS);
    for (const value of [min - 1, max + 1, min + 0.5, 0, -1, "0KiB", "2GiB", "64kb", true, ""]) {
      const [[path, message] = ["", ""], ...others] = problems({ [key]: value });
      assertEquals([path, others], [`servers[0].${key}`, []]);
      assertStringIncludes(message, `${JSON.stringify(value)} is not ${noun}. `);
      if (value === "64kb") {
        assertStringIncludes(message, "or end the text with KiB, MiB or GiB.");
      } else assertStringIncludes(message, `Use ${use}.`);
    }
  });
}

Deno.test("limit.message is a key of both types of server, with a default for each", () => {
  assertEquals(admin({ "limit.message": "2MiB" }).limits, { ...ADMIN_LIMITS, message: 2 * MIB });
  assertEquals(admin({ "limit.message": null }).limits, ADMIN_LIMITS);
  assertEquals([CLIENT_LIMITS.message, ADMIN_LIMITS.message], [64 * KIB, MIB]);
});

Deno.test("limit.backlog is a key of client servers", () => {
  assertEquals(problems({}, { "limit.backlog": MIB }), [[
    "servers[1].limit.backlog",
    "Only a client server has this key. Move it, or remove it.",
  ]]);
});

Deno.test("all limits of a server can be set at once", () => {
  assertEquals(
    client({
      "limit.connections": 10,
      "limit.address": 2,
      "limit.subscriptions": 3,
      "limit.topic": 64,
      "limit.message": "16KiB",
      "limit.commands": 20,
      "limit.backlog": "64KiB",
      "timeout.handshake": 5,
      "timeout.idle": 30,
    }).limits,
    {
      ...CLIENT_LIMITS,
      connections: 10,
      address: 2,
      subscriptions: 3,
      topic: 64,
      message: 16 * KIB,
      commands: 20,
      backlog: 64 * KIB,
      handshake: 5,
      idle: 30,
    },
  );
  assertEquals(admin({ "limit.message": 5000, "limit.requests": 7 }).limits, {
    ...ADMIN_LIMITS,
    message: 5000,
    requests: 7,
  });
});

for (
  const [what, keys] of [
    ["that names it", { engine: "serve" }],
    ["on a host name", { listen: "notify.example.com" }],
  ] as const
) {
  Deno.test(`the time of a handshake cannot be limited on the engine serve, ${what}`, () => {
    assertEquals(problems({ ...keys, "timeout.handshake": 10 }), [[
      "servers[0].timeout.handshake",
      'The engine "serve" cannot hold this limit. Remove the key, or use the engine "socket".',
    ]]);
    assertEquals(client({ ...keys, "timeout.handshake": null }).limits, CLIENT_LIMITS);
    assertEquals(client({ ...keys, "timeout.idle": 30 }).limits.idle, 30);
  });
}

Deno.test("origins are taken as they stand, and none are the absence of the rule", () => {
  const origins = ["https://phorge.example.com", "https://*.example.net:8443", "http://[::1]"];
  assertEquals(client({ origins }), { ...CLIENT, origins });
  assertEquals(client({ origins: null }), CLIENT);
  assertEquals(client({ origins: ["https://x"], engine: "serve" }).origins, ["https://x"]);
});

Deno.test("networks are taken as they stand", () => {
  const networks = ["127.0.0.1", "10.0.0.0/8", "2001:db8::/32", "::ffff:10.0.0.0/104", "0.0.0.0/0"];
  assertEquals(client({ proxies: networks }), { ...CLIENT, proxies: networks });
  assertEquals(admin({ allow: networks }), { ...ADMIN, allow: networks });
});

Deno.test("no proxies are no proxies, however they are written", () => {
  for (const proxies of [null, [], {}]) assertEquals(client({ proxies }), CLIENT);
  assertEquals(admin({ allow: null }), ADMIN);
});

for (const empty of [[], {}]) {
  const text = JSON.stringify(empty);
  Deno.test(`${text} for origins or allow would let nobody in, and is refused`, () => {
    const message = "An empty list lets nobody in. Name somebody, or remove the key.";
    assertEquals(problems({ origins: empty }, { allow: empty }), [
      ["servers[0].origins", message],
      ["servers[1].allow", message],
    ]);
  });
}

Deno.test("each origin and each network that cannot be used is named", () => {
  const use = 'Use an IP address, or a network such as "192.0.2.0/24".';
  assertEquals(
    problems(
      {
        origins: ["https://x", "*", "phorge.example.com", "https://x/", 7, null, "https://"],
        proxies: ["nginx", "10.0.0.0/33"],
      },
      { allow: ["::1", "", "::ffff:10.0.0.0/8", ["10.0.0.1"]] },
    ),
    [
      ["servers[0].origins[1]", '"*" is not an origin. Remove the key to let any page connect.'],
      [
        "servers[0].origins[2]",
        '"phorge.example.com" is not an origin. Begin it with the scheme: "https://phorge.example.com".',
      ],
      [
        "servers[0].origins[3]",
        '"https://x/" is not an origin. An origin ends with the host or its port: "https://x".',
      ],
      ...["7", "null", '"https://"'].map((value, index) =>
        [
          `servers[0].origins[${index + 4}]`,
          `${value} is not an origin. Use the scheme and the host of Phorge as browsers show them, ` +
          'such as "https://phorge.example.com".',
        ] as const
      ),
      [
        "servers[0].proxies[0]",
        '"nginx" is not an address or a network. Write addresses: names are not looked up.',
      ],
      [
        "servers[0].proxies[1]",
        '"10.0.0.0/33" is not an address or a network. ' +
        "After the slash stands a whole number from 0 to 32.",
      ],
      ["servers[1].allow[1]", `"" is not an address or a network. ${use}`],
      [
        "servers[1].allow[2]",
        '"::ffff:10.0.0.0/8" is not an address or a network. ' +
        "Write an IPv4 network in the form 192.0.2.0/24, and an IPv6 network beside it.",
      ],
      ["servers[1].allow[3]", `["10.0.0.1"] is not an address or a network. ${use}`],
    ],
  );
});

Deno.test("a text in place of a list is refused", () => {
  assertEquals(problems({ origins: "https://x", proxies: "127.0.0.1" }, { allow: "127.0.0.1" }), [
    ["servers[0].origins", '"https://x" is not a list. Use a list of origins.'],
    ["servers[0].proxies", '"127.0.0.1" is not a list. Use a list of addresses and networks.'],
    ["servers[1].allow", '"127.0.0.1" is not a list. Use a list of addresses and networks.'],
  ]);
});

for (
  const [key, value, owner] of [
    ["origins", ["https://x"], "client"],
    ["proxies", ["127.0.0.1"], "client"],
    ["allow", ["127.0.0.1"], "admin"],
    ["token.file", "token", "admin"],
  ] as const
) {
  Deno.test(`${key} is a key of ${owner} servers alone`, () => {
    const keys = { [key]: value };
    const index = owner === "client" ? 1 : 0;
    assertEquals(owner === "client" ? problems({}, keys) : problems(keys), [[
      `servers[${index}].${key}`,
      `Only ${owner === "client" ? "a client" : "an admin"} server has this key. ` +
      "Move it, or remove it.",
    ]]);
  });
}

Deno.test("an entry whose type cannot be read is not told whose keys it has", () => {
  assertEquals(
    problems({}, {}, {
      servers: [
        { type: "client", port: 1 },
        { type: "admin", port: 2 },
        { type: "browser", port: 3, origins: ["https://x"], "token.file": "token" },
      ],
    }).map(([path]) => path),
    ["servers[2].type"],
  );
});

Deno.test("a token file is a path, and null or an empty text is its absence", () => {
  assertEquals(admin({ "token.file": "/etc/aphlict/token" }).token, "/etc/aphlict/token");
  for (const none of [null, ""]) assertEquals(admin({ "token.file": none }), ADMIN);
  for (const value of [7, true, ["token"], "a,b", "a\nb", "a\0"]) {
    assertEquals(problems({}, { "token.file": value }).map(([path]) => path), [
      "servers[1].token.file",
    ]);
  }
});

/** A peer with a token. */
function peer(keys: Keys): Keys {
  return { cluster: [{ host: "10.0.0.2", port: 22281, protocol: "http", ...keys }] };
}

Deno.test("a peer's token is in a file, too", () => {
  const tokenOf = (keys: Keys) => accepted({}, {}, peer(keys)).cluster[0]?.token;
  assertEquals(tokenOf({ "token.file": "peer.token" }), "peer.token");
  for (const none of [{}, { "token.file": null }, { "token.file": "" }]) {
    assertEquals(tokenOf(none), null);
  }
  assertEquals(problems({}, {}, peer({ "token.file": 7 })), [[
    "cluster[0].token.file",
    "7 is not a path. Use the path of a file in quotes.",
  ]]);
});

Deno.test("servers and peers may share a token file, and no log may be written to it", () => {
  const token = { "token.file": "token" };
  accepted({}, token, peer(token));
  for (const [admin, top] of [[token, {}], [{}, peer(token)]] as const) {
    const found = problems({}, admin, { ...top, logs: [{ path: "./token" }] });
    assertEquals(found.map(([path]) => path), ["logs[0].path"]);
    assertStringIncludes(found[0]?.[1] ?? "", "token");
  }
});

Deno.test("whatever the keys of a server hold, the file is accepted or its problems are told", () => {
  const names = keysOf(ANY_SERVER_KEYS).map(({ name }) => name)
    .filter((name) => name !== "type" && name !== "port");
  const value = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom(null, 0, 1, 60, 100, 1e6, "64KiB", "1MiB", "serve", "socket", "token", "", []),
    fc.array(fc.constantFrom("https://x", "https://*.x", "127.0.0.1", "10.0.0.0/8", "*", "x")),
  );
  const keys = fc.record(Object.fromEntries(names.map((name) => [name, value])), {
    requiredKeys: [],
  });
  fc.assert(fc.property(keys, keys, (client, admin) => {
    try {
      const config = accepted(client, admin);
      assertEquals(config.servers.map(({ type }) => type), ["client", "admin"]);
      for (const { limits } of config.servers) {
        for (const [name, limit] of Object.entries(limits)) {
          assertEquals(Number.isInteger(limit) && limit >= 0, true, name);
        }
      }
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      assertEquals(error.problems.length > 0, true);
    }
  }));
});
