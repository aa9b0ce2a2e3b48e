/**
 * `aphlict doctor`: everything that is well is said to be, and each breakage has its name.
 */

import type { Finding } from "../../src/cli/doctor/findings.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { Folder } from "../folder.ts";
import { makeAuthority, makeCertificate, makeSelfSigned } from "../acceptance/certificate.ts";
import { Browser } from "../acceptance/browser.ts";
import { aphlict, serve } from "../acceptance/command.ts";
import { Daemon } from "../acceptance/daemon.ts";
import { testNotOnServe } from "../acceptance/engines.ts";
import { freePorts } from "../acceptance/ports.ts";
import { writeConfig, type Written } from "../acceptance/server.ts";

const DAY_MS = 86_400_000;

/** What was found, and the exit code. */
interface Report {
  readonly code: number;
  readonly findings: readonly Finding[];
}

async function doctor({ path }: Written, ...args: readonly string[]): Promise<Report> {
  const { code, stdout } = await aphlict("doctor", "--config", path, "--json", ...args);
  return { code, findings: JSON.parse(stdout) };
}

/** The steps with this outcome. */
function steps({ findings }: Report, wanted: Finding["outcome"]): string[] {
  return findings.filter(({ outcome }) => outcome === wanted).map(({ step }) => step);
}

/** The one failed or doubtful finding of a step. */
function fault({ findings }: Report, wanted: string): string {
  const found = findings.filter(({ step, outcome }) =>
    step === wanted && (outcome === "failed" || outcome === "warning")
  );
  assertEquals(found.length, 1, JSON.stringify(findings, null, 1));
  return `${found[0]?.detail} ${found[0]?.hint}`;
}

/** Some web server of a test, in place of a proxy or a peer. */
function web(
  answer: (request: Request) => Response | Promise<Response>,
  options: Partial<Deno.ServeTcpOptions & Deno.TlsCertifiedKeyPem> = {},
): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {}, ...options }, answer);
}

/** A service with a client server that has these keys, too. */
function writeWith(folder: Folder, keys: Readonly<Record<string, unknown>>): Written {
  const [client = 0, admin = 0] = freePorts(2);
  const { path } = writeConfig(folder, {
    servers: [
      { type: "client", port: client, listen: "127.0.0.1", ...keys },
      { type: "admin", port: admin },
    ],
  });
  return { path, client, admin };
}

Deno.test("of a service that is well every step is, with TLS, a peer, an instance and a public address", async () => {
  using folder = new Folder();
  const authority = makeAuthority("Test", undefined, 100 * DAY_MS);
  const { key, cert } = makeCertificate(authority, 100 * DAY_MS);
  const ca = folder.write("ca.pem", authority.cert);
  const [client = 0, admin = 0, other = 0] = freePorts(3);
  const tls = { "ssl.key": folder.write("a.key", key), "ssl.cert": folder.write("a.crt", cert) };
  const token = folder.write("token", "a-token-that-nobody-guesses");
  Deno.chmodSync(token, 0o600);
  const origins = [`https://localhost:${client}`];
  await using daemon = new Daemon(() => ({
    servers: [
      {
        type: "client",
        port: client,
        ...tls,
        origins,
        "limit.connections": 100,
        "limit.topic": 30,
      },
      { type: "admin", port: admin, ...tls, "token.file": token },
      { type: "admin", port: other },
    ],
    cluster: [{
      host: "localhost",
      port: admin,
      protocol: "https",
      "ssl.ca": ca,
      "token.file": token,
    }],
  }));
  await daemon.start();
  const url = `wss://localhost:${client}/ws/`;
  const report = await doctor(daemon.written, "--url", url, "--ca", ca, "--instance", "acme");
  // Where localhost is ::1 as well, nobody listens there.
  const open = ["open files", "public address"];
  const bad = report.findings.filter(({ outcome, step }) =>
    outcome !== "ok" && !open.includes(step)
  );
  assertEquals(bad, []);
  assertEquals(report.code, 0);
  for (
    const step of [
      ...["configuration", "files", "addresses", "service", "admin server", "client server"],
      ...["certificate", "WebSocket", "message", "origin", "public name", "public address"],
      ...["public certificate", "public WebSocket", "public message", "peer"],
    ]
  ) assert(report.findings.some((each) => each.step === step), step);
});

Deno.test("as text each step is a line, and the verdict the last", async () => {
  using folder = new Folder();
  const written = writeConfig(folder);
  await using _service = await serve(written);
  const { code, output } = await aphlict("doctor", "--config", written.path);
  assertEquals(code, 0);
  assertMatch(output, /^✓ configuration {7}\S+aphlict\.json$/m);
  assertMatch(output, /^✓ service {13}It runs without a supervisor \(aphlict serve\), up \d+s\.$/m);
  assertMatch(output, /^✓ message .*, one came out at ws:\S+ after [\d.]+ ms\.$/m);
  assertMatch(output, /^- public address .*--url wss:/m);
  assertMatch(output, /\n\nAll is well\.$/);
});

Deno.test("a service that does not run is told with how to start it, and what depends on it is skipped", async () => {
  using folder = new Folder();
  const report = await doctor(writeConfig(folder));
  assertEquals(report.code, 1);
  assertEquals(steps(report, "failed"), ["service"]);
  assertEquals(
    fault(report, "service"),
    "Aphlict does not run. aphlict start; under systemd: systemctl start aphlict",
  );
  for (const step of ["admin server", "client server", "WebSocket", "message"]) {
    assert(steps(report, "skipped").includes(step), step);
  }
});

Deno.test("a client port that another program has is told", async () => {
  using folder = new Folder();
  const written = writeConfig(folder);
  using _taken = Deno.listen({ hostname: "127.0.0.1", port: written.client });
  const report = await doctor(written);
  assertEquals(steps(report, "failed"), ["addresses", "service"]);
  assertStringIncludes(
    fault(report, "addresses"),
    `client server 127.0.0.1:${written.client}: the address is already in use`,
  );
  assertStringIncludes(fault(report, "addresses"), `ss -ltnp 'sport = :${written.client}'`);
});

Deno.test("a configuration that is broken has each of its problems told, and nothing else is looked at", async () => {
  using folder = new Folder();
  const path = folder.write("aphlict.json", '{"servers": [{"type": "clinet", "port": 1}]}');
  const report = await doctor({ path, client: 0, admin: 0 });
  assertEquals(report.code, 1);
  assertEquals(
    new Set(report.findings.map(({ step }) => step)),
    new Set(["configuration", "the rest"]),
  );
  assertMatch(report.findings[0]?.detail ?? "", /aphlict\.json: servers\[0\]\.type: .*"client"/);
});

Deno.test("a page that may not connect is told, and who may", async () => {
  using folder = new Folder();
  const written = writeWith(folder, { origins: ["https://phorge.example.com"] });
  await using _service = await serve(written);
  const url = `ws://127.0.0.1:${written.client}/`;
  const report = await doctor(written, "--url", url);
  assertEquals(steps(report, "failed"), ["origin"]);
  assertMatch(
    fault(report, "origin"),
    /^A page of http:\/\/127\.0\.0\.1:\d+ may not connect: https:\/\/phorge\.example\.com may\. Add /,
  );
  const named = await doctor(written, "--url", url, "--origin", "https://phorge.example.com");
  assertEquals(steps(named, "failed"), []);
  assertEquals(named.code, 0);
});

/** A proxy's answer to whatever comes, what is told of it, and what to do. */
const PROXIES: readonly [name: string, Response, told: RegExp][] = [
  [
    "does not reach Aphlict",
    new Response("Bad Gateway", { status: 502 }),
    /answers 502: the proxy does not reach Aphlict\. .*passes this path on to .*conf\/examples\/haproxy/,
  ],
  [
    "redirects",
    new Response(null, { status: 301, headers: { location: "https://a.example/ws/" } }),
    /answers 301, a redirect to https:\/\/a\.example\/ws\/\. .*wss:/,
  ],
  [
    "has no location and says that it is nginx",
    new Response("no", { status: 404, headers: { server: "nginx/1.26.3" } }),
    /answers 404: nothing is .* nginx needs a location .*: see conf\/examples\/nginx\.$/,
  ],
  [
    "shows a page",
    new Response("<html>"),
    /answers 200: that is a web page.*conf\/examples\/caddy/,
  ],
];

for (const [name, answer, told] of PROXIES) {
  Deno.test(`a reverse proxy that ${name} is told`, async () => {
    using folder = new Folder();
    const written = writeConfig(folder);
    await using _service = await serve(written);
    await using proxy = web(() => answer.clone());
    const report = await doctor(written, "--url", `ws://127.0.0.1:${proxy.addr.port}/ws/`);
    assertEquals(report.code, 1);
    assertEquals(steps(report, "failed"), ["public WebSocket"]);
    assertMatch(fault(report, "public WebSocket"), told);
  });
}

Deno.test("a reverse proxy that does not pass Upgrade on is told", async () => {
  using folder = new Folder();
  const written = writeConfig(folder);
  await using _service = await serve(written);
  // What fetch sends has none.
  await using proxy = web(() => fetch(`http://127.0.0.1:${written.client}/`));
  const report = await doctor(written, "--url", `ws://127.0.0.1:${proxy.addr.port}/`);
  assertEquals(steps(report, "failed"), ["public WebSocket"]);
  assertMatch(
    fault(report, "public WebSocket"),
    /answers 501: .* without its Upgrade header\. .*its headers Upgrade and Connection/,
  );
});

Deno.test("a reverse proxy that leads to another Aphlict is told", async () => {
  using folder = new Folder();
  using elsewhere = new Folder();
  const [written, other] = [writeConfig(folder), writeConfig(elsewhere)];
  await using _service = await serve(written);
  await using _other = await serve(other);
  const report = await doctor(written, "--url", `ws://127.0.0.1:${other.client}/`);
  assertEquals(steps(report, "failed"), ["public message"]);
  assertMatch(fault(report, "public message"), /does not bring a message .* different Aphlicts/);
});

Deno.test("a public address that leads nowhere is told: its name, its port, its TLS", async () => {
  using folder = new Folder();
  const written = writeConfig(folder);
  await using _service = await serve(written);
  const [free = 0] = freePorts(1);
  for (
    const [url, step, told] of [
      ["wss://phorge.invalid/ws/", "public name", /phorge\.invalid cannot be resolved: /],
      [`ws://127.0.0.1:${free}/`, "public address", /refuses the connection.*reverse proxy runs/],
      [`wss://127.0.0.1:${written.client}/`, "public certificate", /does not speak TLS/],
    ] as const
  ) {
    const report = await doctor(written, "--url", url);
    assertEquals(steps(report, "failed"), [step]);
    assertMatch(fault(report, step), told);
    assert(steps(report, "skipped").includes("public WebSocket"));
  }
});

for (
  const [what, scheme, step, told] of [
    ["a proxy that never answers", "ws", "public WebSocket", /does not answer within 5 s/],
    [
      "a public address that takes connections and speaks no TLS",
      "wss",
      "public certificate",
      /does not speak TLS within 5 s\. Look what/,
    ],
  ] as const
) {
  Deno.test(`${what} is given up on, and told as that`, async () => {
    using folder = new Folder();
    const written = writeConfig(folder);
    await using _service = await serve(written);
    // The system takes connections for it, which nobody ever reads.
    using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const report = await doctor(written, "--url", `${scheme}://127.0.0.1:${silent.addr.port}/`);
    assertMatch(fault(report, step), told);
  });
}

Deno.test("a certificate that browsers refuse is told with the reason", async () => {
  const authority = makeAuthority("Test");
  using folder = new Folder();
  const written = writeConfig(folder);
  await using _service = await serve(written);
  const ca = ["--ca", folder.write("ca.pem", authority.cert)];
  for (
    const [{ key, cert }, host, args, told] of [
      [makeCertificate(authority, -DAY_MS), "localhost", ca, /that expired on \d{4}-.* Renew it/],
      // Nothing names this one, which is this host as well.
      [
        makeCertificate(authority),
        "127.0.0.2",
        ca,
        /for localhost, 127\.0\.0\.1, not for 127\.0\.0\.2/,
      ],
      [makeCertificate(authority), "localhost", [], /an unknown issuer \(CN=Test\)\. .*fullchain/],
      [makeSelfSigned({ isAuthority: false }), "localhost", [], /of its own making/],
    ] as const
  ) {
    await using proxy = web(() => new Response(), { hostname: "0.0.0.0", key, cert });
    const report = await doctor(written, "--url", `wss://${host}:${proxy.addr.port}/`, ...args);
    assertEquals(steps(report, "failed"), ["public certificate"]);
    assertMatch(fault(report, "public certificate"), told);
  }
});

Deno.test("a certificate that ends soon is a warning, and not the one of its file a failure", async () => {
  using folder = new Folder();
  const { key, cert } = makeSelfSigned({ isAuthority: true, validMs: 5 * DAY_MS });
  const path = folder.write("a.crt", cert);
  const written = writeWith(folder, { "ssl.key": folder.write("a.key", key), "ssl.cert": path });
  await using _service = await serve(written);
  const soon = await doctor(written);
  assertEquals([soon.code, steps(soon, "failed")], [0, []]);
  assertMatch(fault(soon, "certificate"), /expires on \d{4}-\d\d-\d\d, in [45] days\. Renew it/);
  folder.write("a.crt", makeSelfSigned({ isAuthority: true, validMs: 50 * DAY_MS }).cert);
  const other = await doctor(written);
  assert(steps(other, "failed").includes("certificate"));
  assertMatch(fault(other, "certificate"), /another certificate than that in \S+ .*aphlict reload/);
});

Deno.test("a peer that is down is told, and one whose clock is off", async () => {
  using folder = new Folder();
  const [free = 0] = freePorts(1);
  await using wrong = web(() =>
    Response.json({ version: 7 }, {
      headers: { date: new Date(Date.now() - 90_000).toUTCString() },
    })
  );
  await using right = web(() => Response.json({ version: 7 }));
  await using strange = web(() => new Response("hello"));
  const peers = [free, wrong.addr.port, right.addr.port, strange.addr.port];
  const written = writeConfig(folder, {
    cluster: peers.map((port) => ({ host: "127.0.0.1", port, protocol: "http" })),
  });
  await using _service = await serve(written);
  const report = await doctor(written);
  assertEquals(report.code, 1);
  const told = report.findings.filter(({ step }) => step === "peer" || step === "clock")
    .map(({ step, outcome, detail }) => `${outcome} ${step} ${detail}`);
  const at = (port: number) => `http://127.0.0.1:${port}/`;
  assertEquals(told.map((line) => line.replace(/ (89|9[01]) s /, " 90 s ")), [
    `failed peer ${at(free)} refuses the connection: nothing listens there.`,
    `ok peer ${at(wrong.addr.port)} answers, and takes messages.`,
    `warning clock ${at(wrong.addr.port)} is 90 s behind this host.`,
    `ok peer ${at(right.addr.port)} answers, and takes messages.`,
    `ok clock ${at(right.addr.port)} has the same time as this host.`,
    `failed peer ${at(strange.addr.port)} does not answer as the admin port of an Aphlict does.`,
  ]);
});

Deno.test("a peer that takes no messages from here is told with what it says", async () => {
  using folder = new Folder();
  using elsewhere = new Folder();
  const [client = 0, admin = 0] = freePorts(2);
  const other = writeConfig(elsewhere, {
    servers: [
      { type: "client", port: client, listen: "127.0.0.1" },
      {
        type: "admin",
        port: admin,
        "token.file": elsewhere.write("token", "a-token-that-nobody-guesses"),
      },
    ],
  });
  await using _other = await serve(other);
  const written = writeConfig(folder, {
    cluster: [{ host: "127.0.0.1", port: admin, protocol: "http" }],
  });
  await using _service = await serve(written);
  const report = await doctor(written);
  assertMatch(fault(report, "peer"), /answers 401: This server takes messages only with a token/);
});

Deno.test("what a peer refuses is to be mended in this configuration, and so is whom it is trusted by", async () => {
  using folder = new Folder();
  const authority = makeAuthority("Test");
  const identity = makeCertificate(authority);
  await using strict = web(
    (request) =>
      request.method === "POST"
        ? Response.json({ error: "no token" }, { status: 401 })
        : Response.json({ version: 8, fingerprint: "0123456789abcdef" }),
    { hostname: "0.0.0.0" },
  );
  await using unknown = web(() => Response.json({ version: 7 }), identity);
  const missing = `${folder.path}/missing`;
  const at = (host: string, server: Deno.HttpServer<Deno.NetAddr>, protocol: string) => ({
    host,
    port: server.addr.port,
    protocol,
  });
  const written = writeConfig(folder, {
    cluster: [
      at("127.0.0.1", strict, "http"),
      at("localhost", unknown, "https"),
      { ...at("127.0.0.2", strict, "http"), "token.file": missing },
    ],
  });
  const { findings } = await doctor(written);
  const told = findings.filter(({ step }) => step === "peer")
    .map(({ outcome, detail, hint }) => `${outcome}: ${detail} ${hint}`);
  assertEquals(told.length, 3);
  assertMatch(
    told[0] ?? "",
    /^failed: .* answers 401: no token\. Write .* in the "token\.file" of cluster\[0\]\.$/,
  );
  assertMatch(told[1] ?? "", /^failed: .* unknown issuer .* with "ssl\.ca" of cluster\[1\]\.$/);
  assertMatch(
    told[2] ?? "",
    /^failed: .* Token file \S+ does not exist\. .* "token\.file" of cluster\[2\] names that file\.$/,
  );
});

Deno.test("client servers that admit different pages are told apart, and the attempt decides", async () => {
  using folder = new Folder();
  const [narrow = 0, open = 0, admin = 0] = freePorts(3);
  const { path } = writeConfig(folder, {
    servers: [
      { type: "client", port: narrow, listen: "127.0.0.1", origins: ["https://other.example"] },
      { type: "client", port: open, listen: "127.0.0.1" },
      { type: "admin", port: admin },
    ],
  });
  const written = { path, client: narrow, admin };
  const page = "https://phorge.example.com";
  await using _service = await serve(written);
  const told = new RegExp(
    `^A page of ${page} may connect to 127.0.0.1:${open}, and not to 127.0.0.1:${narrow}\\. `,
  );
  const refused = await doctor(written, "--url", `ws://127.0.0.1:${narrow}/`, "--origin", page);
  assertEquals(steps(refused, "failed"), ["public WebSocket"]);
  assertMatch(fault(refused, "origin"), told);
  assertMatch(fault(refused, "public WebSocket"), /answers 403: the Origin .* may not connect/);
  const admitted = await doctor(written, "--url", `ws://127.0.0.1:${open}/`, "--origin", page);
  assertEquals([admitted.code, steps(admitted, "failed")], [0, []]);
  assertMatch(fault(admitted, "origin"), told);
});

Deno.test("an admin server that refuses this host is left aside where another answers, and told", async () => {
  const [client = 0, closed = 0, open = 0] = freePorts(3);
  const serversWith = (allow: unknown) => [
    { type: "client", port: client, listen: "127.0.0.1" },
    { type: "admin", port: closed, allow: ["192.0.2.1"] },
    { type: "admin", port: open, allow },
  ];
  await using daemon = new Daemon(() => ({ servers: serversWith(null) }));
  const { written } = daemon;
  await daemon.start();
  const report = await doctor(written);
  assertEquals([report.code, steps(report, "failed")], [0, []]);
  assertMatch(
    fault(report, "admin server"),
    new RegExp(`^http://127.0.0.1:${closed}/ answers 403: .* Another .* Is that deliberate\\?`),
  );
  assert(steps(report, "ok").includes("message"));
  for (const args of [["send", "--to", "A"], ["top", "--once"]]) {
    const { code, output } = await aphlict(...args, "--config", written.path);
    assertEquals(code, 0, output);
  }
  assertMatch((await daemon.run("status")).output, /^messages +2 in,/m);

  daemon.configure(() => ({ servers: serversWith(["192.0.2.2"]) }));
  assertEquals((await daemon.run("reload")).code, 0);
  const shut = await doctor(written);
  assertEquals(steps(shut, "failed"), ["admin server", "admin server"]);
  const hint = 'Add the address to "allow" of the admin server.';
  assertEquals(shut.findings.filter((each) => each.hint === hint).length, 2);
  for (const args of [["send", "--to", "A"], ["top", "--once"], ["status"]]) {
    const { output } = await aphlict(...args, "--config", written.path);
    assertMatch(output, /http:\S+ answers 403: .* http:\S+ answers 403: .* Add the address/);
  }
});

Deno.test("a service that was stopped by a signal is told once, and not waited for again", async () => {
  const [client = 0, admin = 0, other = 0] = freePorts(3);
  await using daemon = new Daemon(() => ({
    servers: [
      { type: "client", port: client, listen: "127.0.0.1" },
      { type: "admin", port: admin },
      { type: "admin", port: other },
    ],
  }));
  await daemon.start();
  Deno.kill(daemon.pid("service"), "SIGSTOP");
  const url = `ws://127.0.0.1:${client}/`;
  const report = await doctor(daemon.written, "--url", url);
  assertEquals([report.code, steps(report, "failed")], [1, ["service"]]);
  assertMatch(
    fault(report, "service"),
    /It takes connections, and does not answer within 5 s\. .*log.*CPU.*`aphlict restart`/,
  );
  for (const step of ["admin server", "client server", "message", "public WebSocket"]) {
    const found = report.findings.find((each) => each.step === step);
    assertEquals([found?.outcome, found?.detail], ["skipped", "The service does not answer."]);
  }
  const { code, output } = await aphlict("send", "--to", "A", "--config", daemon.written.path);
  assertEquals(code, 1);
  assertMatch(output, /^Cannot send: http:\S+ does not answer within 5 s\. .*`aphlict restart`/);
  assertEquals(output.includes(`:${other}/`), false, "the other would be as silent");
});

Deno.test("a service without a supervisor that says nothing is told as that, not as one that does not run", async () => {
  using folder = new Folder();
  const written = writeConfig(folder);
  await using service = await serve(written);
  service.kill("SIGSTOP");
  const report = await doctor(written);
  assertMatch(
    fault(report, "service"),
    /No supervisor runs, and what has the port .* within 5 s\./,
  );
});

testNotOnServe(
  "a service that stops is told to stop, while its browsers are told to go",
  async () => {
    await using daemon = new Daemon(() => ({ drain: 60 }));
    await daemon.start();
    const { admin, client } = daemon.written;
    const browsers = await Promise.all([1, 2, 3, 4, 5].map(() => Browser.open(client)));
    await using _stop = daemon.launch("stop");
    await daemon.until(() => refuses(admin));
    const report = await doctor(daemon.written);
    assertEquals([report.code, steps(report, "failed")], [1, ["service"]]);
    assertMatch(
      fault(report, "service"),
      /takes no connections .*: it stops or starts\. `aphlict status`/,
    );
    for (const args of [["send", "--to", "A"], ["top"], ["listen", "A"], ["status"]]) {
      const { output } = await aphlict(...args, "--config", daemon.written.path);
      assertMatch(output, /refuses .* Its supervisor \(\d+\) runs: the service stops or starts\./);
    }
    await Promise.all(browsers.map((browser) => browser[Symbol.asyncDispose]()));
  },
);

/** Whether nothing listens at a port of this host. */
async function refuses(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return false;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return true;
    throw error;
  }
}

Deno.test("a configuration that has changed since the start is told", async () => {
  using folder = new Folder();
  const written = writeConfig(folder);
  await using _service = await serve(written);
  const config = JSON.parse(Deno.readTextFileSync(written.path));
  folder.write("aphlict.json", JSON.stringify({ ...config, drain: 7 }));
  const report = await doctor(written);
  assertEquals(report.code, 0);
  assertMatch(
    fault(report, "service"),
    /runs with another configuration .* Send it SIGHUP, or start it anew/,
  );
});

Deno.test("a service that has ended unexpectedly is told", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  const pid = daemon.pid("service");
  Deno.kill(pid, "SIGKILL");
  await daemon.until(() =>
    daemon.members().some((each) => each.role === "service" && each.pid !== pid)
  );
  await daemon.until(async () => (await daemon.run("status")).output.includes("listening"));
  const report = await doctor(daemon.written);
  assertEquals(report.code, 0);
  assertMatch(fault(report, "service"), /1 restart\. At \S+ it .*SIGKILL/);
});

Deno.test("another Aphlict on the ports is told, as the Node.js one after a move", async () => {
  using folder = new Folder();
  const written = writeConfig(folder);
  await using _original = web(() => Response.json({ version: 7 }), { port: written.admin });
  const report = await doctor(written);
  assertEquals(steps(report, "failed"), ["addresses", "service"]);
  assertMatch(fault(report, "addresses"), /Another Aphlict has it.*phorge\/bin\/aphlict stop/);
});
