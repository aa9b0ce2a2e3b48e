/**
 * `aphlict reload` and SIGHUP: what changes in place, what needs a restart, what is refused.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { assertOutcome } from "../acceptance/process.ts";
import { Browser } from "../acceptance/browser.ts";
import { makeAuthority, makeCertificate } from "../acceptance/certificate.ts";
import { Daemon } from "../acceptance/daemon.ts";
import { freePorts } from "../acceptance/ports.ts";
import { publish } from "../acceptance/server.ts";
import { REQUEST, Wire } from "../acceptance/wire.ts";

const authority = makeAuthority("Test Root");

/** A daemon whose client server speaks TLS with `server.key` and `server.crt` of its folder. */
function secured(): Daemon {
  const daemon = new Daemon();
  renew(daemon, makeCertificate(authority));
  daemon.configure(() => ({
    servers: [
      {
        type: "client",
        port: daemon.written.client,
        listen: "127.0.0.1",
        "ssl.key": `${daemon.folder.path}/server.key`,
        "ssl.cert": `${daemon.folder.path}/server.crt`,
      },
      { type: "admin", port: daemon.written.admin },
    ],
  }));
  return daemon;
}

function renew(
  daemon: Daemon,
  { key, cert }: { readonly key: string; readonly cert: string },
): void {
  daemon.folder.write("server.key", key);
  daemon.folder.write("server.crt", cert);
}

/** Adds a client server to the configuration file, and returns its port. */
function addClientServer(daemon: Daemon): number {
  const [port = 0] = freePorts(1);
  daemon.configure(({ servers }) => ({
    servers: [...servers as unknown[], { type: "client", port, listen: "127.0.0.1" }],
  }));
  return port;
}

Deno.test("reload refuses a certificate that is none, says why, and the old one stays in use", async () => {
  await using daemon = secured();
  await daemon.start();
  Deno.writeTextFileSync(`${daemon.folder.path}/server.crt`, "no certificate");
  const { code, output } = await daemon.run("reload");
  assertEquals(code, 1);
  assertStringIncludes(output, `servers[0].ssl.cert: ${daemon.folder.path}/server.crt holds no`);
  using client = Deno.createHttpClient({ caCerts: [authority.cert] });
  await using browser = await Browser.open(daemon.written.client, { client });
  await browser.pong();
});

Deno.test("reload does not tell warnings among its reasons", async () => {
  await using daemon = secured();
  renew(daemon, makeCertificate(authority, 86_400_000));
  await daemon.start();
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  daemon.configure(({ servers }) => ({
    servers: [...servers as unknown[], { type: "admin", port: taken.addr.port }],
    "memory.hint": 32,
  }));
  const { code, output } = await daemon.run("reload");
  assertEquals(code, 1);
  const [, ...lines] = output.split("\n");
  assertEquals(lines.length, 2, output);
  assertMatch(lines[0] ?? "", /^Cannot use \S+: 1 problem\.$/);
  assertStringIncludes(lines[1] ?? "", "servers[2]: Cannot bind admin server");
});

Deno.test("restart warns of a certificate that ends soon", async () => {
  await using daemon = secured();
  renew(daemon, makeCertificate(authority, 86_400_000));
  await daemon.start();
  const { code, output } = await daemon.run("restart");
  assertEquals(code, 0, output);
  assertMatch(output, /^Warning: Certificate \S+server\.crt expires on /m);
});

Deno.test("reload with an invalid file changes nothing, and tells the caller and the log", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  const before = daemon.members();
  await using browser = await Browser.open(daemon.written.client, { topics: ["A"] });
  daemon.configure(() => ({ servers: [] }));
  const { code, output } = await daemon.run("reload");
  assertEquals(code, 1);
  assertStringIncludes(output, "Reload failed:");
  const problem = "servers: There are no servers.";
  assertStringIncludes(output, problem);
  assertStringIncludes(daemon.log, `ERROR Reload refused: Cannot use ${daemon.written.path}`);
  assertStringIncludes(daemon.log, problem);
  assertEquals(daemon.members(), before);
  await browser.pong();
  assertMatch((await daemon.run("status")).output, /last reload refused: .*There are no servers/);
});

Deno.test("reload that adds a port restarts the service with the permission for it, and says so", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  const [supervisor, service] = [daemon.pid("supervisor"), daemon.pid("service")];
  const added = addClientServer(daemon);
  const { code, output } = await daemon.run("reload");
  assertEquals(code, 0, output);
  assertStringIncludes(output, "servers changed, which a running service cannot take over.");
  assertStringIncludes(output, "The service was restarted.");
  assertEquals(daemon.pid("supervisor"), supervisor);
  assert(daemon.pid("service") !== service);
  await using browser = await Browser.open(added, { topics: ["A"] });
  await publish(daemon.written.admin, { subscribers: ["A"], n: 1 });
  assertEquals(JSON.parse(await browser.next()).n, 1);
  assertStringIncludes((await daemon.run("status")).output, `listening   ws://127.0.0.1:${added}/`);
});

Deno.test("reload to a port or an address that is taken is refused, and the service goes on as it was", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  const before = daemon.members();
  await using browser = await Browser.open(daemon.written.client);
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  daemon.configure(({ servers }) => ({
    servers: [...servers as unknown[], { type: "admin", port: taken.addr.port }],
  }));
  const { code, output } = await daemon.run("reload");
  assertEquals(code, 1);
  assertStringIncludes(output, `Cannot bind admin server 127.0.0.1:${taken.addr.port}`);
  // Its own port, at another address.
  const port = daemon.written.client;
  using _taken = Deno.listen({ hostname: "127.0.0.2", port });
  setKeys(daemon, { listen: "127.0.0.2" });
  const elsewhere = await daemon.run("reload");
  assertEquals(elsewhere.code, 1);
  assertStringIncludes(elsewhere.output, `Cannot bind client server 127.0.0.2:${port}`);
  assertEquals(daemon.members(), before);
  await browser.pong();
});

/** Listens at a port as soon as it is free, which may be for some milliseconds. */
async function takeWhenFree(port: number): Promise<Deno.Listener> {
  const limit = performance.now() + 20_000;
  while (performance.now() < limit) {
    try {
      return Deno.listen({ hostname: "127.0.0.1", port });
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve));
  }
  throw new Error(`Port ${port} was never free`);
}

Deno.test("reload says when the engine serve cannot bind its port again, and so does the next", async () => {
  await using daemon = secured();
  const port = daemon.written.client;
  daemon.configure(({ servers }) => ({
    servers: (servers as Record<string, unknown>[]).map((each) => ({ ...each, engine: "serve" })),
  }));
  await daemon.start();
  renew(daemon, makeCertificate(authority));
  const taking = takeWhenFree(port);
  const { code, output } = await daemon.run("reload");
  using taken = await taking;
  assertEquals(code, 1);
  assertStringIncludes(
    output,
    `Cannot bind client server 127.0.0.1:${port}: the address is already`,
  );
  assertStringIncludes(output, "It is tried again every second.");
  // The other server goes on, and the next reload gets its answer.
  await publish(daemon.written.admin, { subscribers: [] });
  assertEquals((await daemon.run("reload")).code, 0);
  taken.close();
  await daemon.until(async () => {
    try {
      using client = Deno.createHttpClient({ caCerts: [authority.cert] });
      await using _browser = await Browser.open(port, { client });
      return true;
    } catch {
      // It does not listen yet.
      return false;
    }
  });
});

Deno.test("reload changes a log's level and format in place, for browsers that are already connected, too", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  await using browser = await Browser.open(daemon.written.client, { topics: ["A"] });
  const setLevel = async (level: string, format = "text") => {
    daemon.configure(() => ({ logs: [{ path: daemon.logPath, level, format }] }));
    assertEquals((await daemon.run("reload")).code, 0);
  };
  const publishText = async (text: string) => {
    await publish(daemon.written.admin, { subscribers: ["A"], text });
    assertEquals(JSON.parse(await browser.next()).text, text);
    await browser.pong();
  };
  await setLevel("trace");
  await publishText("seen");
  assertMatch(daemon.log, /TRACE <\S+> Wrote message: .*"text":"seen"/);
  assertMatch(daemon.log, /TRACE <\S+> Received message: .*"ping"/);
  await setLevel("trace", "json");
  await publishText("in JSON");
  const line = daemon.log.split("\n").find((each) => /Received message.*in JSON/.test(each)) ?? "";
  const { level, category, fields } = JSON.parse(line);
  assertEquals([level, category, fields.instance], ["trace", "admin", "default"]);
  await setLevel("info");
  await publishText("hidden");
  assertEquals(daemon.log.includes("hidden"), false);
});

/** Adds keys to the entries of a daemon's client and admin server. */
function setKeys(
  daemon: Daemon,
  client: Record<string, unknown>,
  admin: Record<string, unknown> = {},
): void {
  daemon.configure(() => ({
    servers: [
      { type: "client", port: daemon.written.client, listen: "127.0.0.1", ...client },
      { type: "admin", port: daemon.written.admin, ...admin },
    ],
  }));
}

Deno.test("reload holds everybody to other limits and origins in place, and ends no connection", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  const before = daemon.members();
  const { client, admin } = daemon.written;
  await using browser = await Browser.open(client, { topics: ["A"] });
  setKeys(
    daemon,
    { origins: ["https://phorge.example.com"], "limit.subscriptions": 1, "timeout.idle": 30 },
    { "limit.message": 1024 },
  );
  assertOutcome(
    await daemon.run("reload"),
    0,
    "Reloaded.\nConfiguration, certificates, tokens and logs were read again.",
  );
  browser.command("subscribe", ["B"]);
  await browser.pong();
  await publish(admin, { subscribers: ["B"] });
  await publish(admin, { subscribers: ["A"], n: 1 });
  assertEquals((await browser.all()).map((text) => JSON.parse(text).n), [1], "B was one too many");
  using foreign = await Wire.connect(client);
  await foreign.send(REQUEST);
  assertMatch(await foreign.head(), /^HTTP\/1\.1 403 /);
  const large = await fetch(`http://127.0.0.1:${admin}/`, {
    method: "POST",
    body: JSON.stringify({ subscribers: ["A"], filler: "x".repeat(2000) }),
  });
  assertEquals(large.status, 413);
  await large.body?.cancel();
  using kept = await Wire.connect(admin);
  const ask = async () => {
    await kept.send("GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n");
    return (await kept.answer()).status;
  };
  assertEquals(await ask(), 200);
  setKeys(daemon, {}, { allow: ["192.0.2.7"] });
  assertEquals((await daemon.run("reload")).code, 0);
  assertEquals(await ask(), 403, "a connection that was there before is held to it as well");
  await (await Browser.open(client))[Symbol.asyncDispose]();
  const forbidden = await fetch(`http://127.0.0.1:${admin}/status/`);
  assertEquals(forbidden.status, 403);
  await forbidden.body?.cancel();
  assertEquals(daemon.members(), before);
});

Deno.test("reload reads a token anew in place, and another file with a restart", async () => {
  await using daemon = new Daemon();
  const { admin } = daemon.written;
  const [first, second] = ["1".repeat(32), "2".repeat(32)];
  const file = daemon.folder.write("token", first);
  setKeys(daemon, {}, { "token.file": file });
  await daemon.start();
  const before = daemon.members();
  const post = async (token: string) => {
    const response = await fetch(`http://127.0.0.1:${admin}/`, {
      method: "POST",
      body: '{"subscribers":[]}',
      headers: { authorization: `Bearer ${token}` },
    });
    await response.body?.cancel();
    return response.status;
  };
  assertEquals([await post(first), await post(second)], [200, 401]);
  daemon.folder.write("token", "none");
  const { code, output } = await daemon.run("reload");
  assertEquals([code, await post(first)], [1, 200]);
  assertStringIncludes(output, `servers[1].token.file: Token file ${file} does not hold a token`);
  daemon.folder.write("token", second);
  assertEquals((await daemon.run("reload")).code, 0);
  assertEquals([await post(first), await post(second)], [401, 200]);
  assertEquals(daemon.members(), before);
  const other = daemon.folder.write("token2", "none");
  setKeys(daemon, {}, { "token.file": other });
  const refused = await daemon.run("reload");
  assertEquals([refused.code, await post(second)], [1, 200]);
  assertStringIncludes(refused.output, `servers[1].token.file: Token file ${other} does not hold`);
  assertEquals(daemon.members(), before, "it is not stopped for what could not start");
  daemon.folder.write("token2", first);
  const restarted = await daemon.run("reload");
  assertEquals(restarted.code, 0, restarted.output);
  assertStringIncludes(restarted.output, "servers changed, which a running service cannot take");
  assertEquals([await post(first), await post(second)], [200, 401]);
});

Deno.test("SIGHUP follows a log that was renamed: what was before it is there, what comes after is new", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  Deno.renameSync(daemon.logPath, `${daemon.logPath}-old`);
  assertEquals((await daemon.run("reload")).code, 0);
  const old = Deno.readTextFileSync(`${daemon.logPath}-old`);
  assertStringIncludes(old, "INFO Listening: client server");
  await daemon.until(() => daemon.log.includes("Reload: "));
  assertEquals(daemon.log.includes("Listening"), false);
});

Deno.test("reload to a configuration that turns out not to work goes back to the one before", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  const before = daemon.pid("service");
  const browsers = await Promise.all([1, 2].map(() => Browser.open(daemon.written.client)));
  const added = addClientServer(daemon);
  await using reload = daemon.launch("reload");
  // After the check, while the old service is still draining, somebody takes the port.
  await daemon.until(() => daemon.log.includes("The service is restarted."));
  using _taken = Deno.listen({ hostname: "127.0.0.1", port: added });
  assertEquals((await reload.ended()).code, 1);
  assertStringIncludes(reload.output, "The service was stopped for it, and could not start:");
  assertStringIncludes(reload.output, `Cannot bind client server 127.0.0.1:${added}`);
  assertStringIncludes(reload.output, "It was started again as it was before.");
  assert(daemon.pid("service") !== before);
  await publish(daemon.written.admin, { subscribers: [] });
  for (const browser of browsers) assertEquals((await browser.closed).code, 1001);
});

Deno.test("reload says that the engine serve cannot keep its connections when a certificate is renewed", async () => {
  await using daemon = secured();
  daemon.configure(({ servers }) => {
    const [client, admin] = servers as Record<string, unknown>[];
    return { servers: [{ ...client, engine: "serve" }, admin] };
  });
  await daemon.start();
  using client = Deno.createHttpClient({ caCerts: [authority.cert] });
  await using browser = await Browser.open(daemon.written.client, { client });
  renew(daemon, makeCertificate(authority));
  const { code, output } = await daemon.run("reload");
  assertEquals(code, 0, output);
  assertStringIncludes(output, 'Its connections were ended with 1001, because the engine "serve"');
  assertEquals((await browser.closed).code, 1001);
});

Deno.test("reload makes the folder of a new log, and says what only a restart changes", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  const path = `${daemon.folder.path}/new/aphlict.log`;
  daemon.configure(() => ({ logs: [{ path }] }));
  const { code, output } = await daemon.run("reload");
  assertEquals(code, 0, output);
  assertStringIncludes(Deno.readTextFileSync(path), "INFO Listening: ");
  assertStringIncludes(output, `own few lines go to ${daemon.logPath} until the next`);
  daemon.configure(() => ({ user: "nobody" }));
  // Not by a command: root would become that user.
  Deno.kill(daemon.pid("supervisor"), "SIGHUP");
  await daemon.until(() => daemon.log.includes('"user" counts from the next'));
});

Deno.test("a reload that is refused for a log leaves the certificate as it was", async () => {
  await using daemon = secured();
  await daemon.start();
  const { client: port } = daemon.written;
  const other = makeAuthority("Another Root");
  renew(daemon, makeCertificate(other));
  Deno.renameSync(daemon.logPath, `${daemon.logPath}-old`);
  Deno.mkdirSync(daemon.logPath);
  const { code, output } = await daemon.run("reload");
  assertEquals(code, 1);
  assertStringIncludes(output, "Cannot open log file");
  using client = Deno.createHttpClient({ caCerts: [authority.cert] });
  await using browser = await Browser.open(port, { client });
  await browser.pong();
});

Deno.test("SIGHUP for a log in a folder that does not exist is refused, and nobody is disconnected", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  await using browser = await Browser.open(daemon.written.client);
  daemon.configure(() => ({ logs: [{ path: `${daemon.folder.path}/missing/a.log` }] }));
  Deno.kill(daemon.pid("supervisor"), "SIGHUP");
  await daemon.until(() => /ERROR Reload refused: [^]*does not exist\. Make it\./.test(daemon.log));
  await browser.pong();
});

Deno.test("fewer connections and as many again change in place, and the heap stays what it is", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  const before = daemon.members();
  const { client, admin } = daemon.written;
  await using browser = await Browser.open(client);
  const heap = async () => {
    const page = await (await fetch(`http://127.0.0.1:${admin}/metrics/`)).text();
    return /^aphlict_heap_limit_bytes (\d+)$/m.exec(page)?.[1];
  };
  const first = await heap();
  for (const connections of [100, 50_000]) {
    setKeys(daemon, { "limit.connections": connections }, {});
    assertEquals((await daemon.run("reload")).code, 0);
    assertEquals([await heap(), daemon.members()], [first, before]);
  }
  await browser.pong();
});
