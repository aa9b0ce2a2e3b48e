import { assertEquals, assertMatch, assertRejects } from "../assert.ts";
import { Browser } from "./browser.ts";
import { makeAuthority, makeCertificate } from "./certificate.ts";
import { ENGINES, testNotOnServe } from "./engines.ts";
import { publish, run } from "./server.ts";

const root = makeAuthority("Test Root");
const intermediate = makeAuthority("Test Intermediate", root);
const direct = makeCertificate(root);
const chained = makeCertificate(intermediate);

for (const engine of ENGINES) {
  Deno.test(`both ports speak TLS, with a chain up to an authority that the browser knows (${engine} engine)`, async () => {
    const tls = { key: "server.key", cert: "server.crt", chain: "chain.crt" };
    await using running = await run({
      engine,
      servers: [{ type: "client", tls }, { type: "admin", tls }],
      files: {
        "server.key": chained.key,
        "server.crt": chained.cert,
        "chain.crt": intermediate.cert,
      },
    });
    await running.process.line(/client server at wss:.*\/$/);
    await running.process.line(/admin server at https:.*\/$/);
    // It knows the root alone, so the handshake proves that the chain is sent.
    using client = Deno.createHttpClient({ caCerts: [root.cert] });
    await using browser = await Browser.open(running.client, {
      path: "/ws/~acme/",
      topics: ["A"],
      client,
    });
    await publish(running.admin, { subscribers: ["A"], text: "😀" }, { instance: "acme", client });
    assertEquals(JSON.parse(await browser.next()).text, "😀");
    const answer = await fetch(`https://localhost:${running.client}/`, { client });
    assertEquals([answer.status, await answer.text()], [501, "HTTP/501 Use Websockets\n"]);
  });
}

for (const engine of ENGINES) {
  Deno.test(`without the chain a browser that knows the root alone refuses the certificate (${engine} engine)`, async () => {
    const tls = { key: "server.key", cert: "server.crt" };
    await using running = await run({
      engine,
      servers: [{ type: "client", tls }, { type: "admin" }],
      files: { "server.key": chained.key, "server.crt": chained.cert },
    });
    using client = Deno.createHttpClient({ caCerts: [root.cert] });
    await assertRejects(() => Browser.open(running.client, { client }), Error);
  });
}

for (const engine of ENGINES) {
  Deno.test(`a plain and a TLS server of one configuration share the listeners (${engine} engine)`, async () => {
    const tls = { key: "server.key", cert: "server.crt" };
    await using running = await run({
      engine,
      servers: [{ type: "client" }, { type: "client", tls }, { type: "admin" }],
      files: { "server.key": direct.key, "server.crt": direct.cert },
    });
    using client = Deno.createHttpClient({ caCerts: [root.cert] });
    const [plainPort = 0, tlsPort = 0] = running.ports;
    await using plain = await Browser.open(plainPort, { topics: ["A"] });
    await using secure = await Browser.open(tlsPort, { topics: ["A"], client });
    await publish(running.admin, { subscribers: ["A"] });
    assertEquals([(await plain.all()).length, (await secure.all()).length], [1, 1]);
  });
}

Deno.test("a key that does not belong to the certificate ends the start and is named", async () => {
  const error = await assertRejects(() =>
    run({
      servers: [{ type: "client", tls: { key: "a.key", cert: "b.crt" } }, { type: "admin" }],
      files: { "a.key": direct.key, "b.crt": chained.cert },
    })
  );
  assertMatch(
    error.message,
    /servers\[0\]\.ssl\.key: Key \S+a\.key does not belong to certificate \S+b\.crt/,
  );
});

Deno.test("an expired certificate is warned about at the start", async () => {
  const expired = makeCertificate(root, -60_000);
  await using running = await run({
    servers: [{ type: "client", tls: { key: "a.key", cert: "a.crt" } }, { type: "admin" }],
    files: { "a.key": expired.key, "a.crt": expired.cert },
  });
  await running.process.line(/WARNING Certificate \S+a\.crt expired on \d{4}-/);
});

for (const engine of ENGINES) {
  Deno.test(`plain text on a TLS port harms nobody (${engine} engine)`, async () => {
    const tls = { key: "server.key", cert: "server.crt" };
    await using running = await run({
      engine,
      servers: [{ type: "client", tls }, { type: "admin" }],
      files: { "server.key": direct.key, "server.crt": direct.cert },
    });
    using plain = await Deno.connect({ hostname: "127.0.0.1", port: running.client });
    await plain.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    for await (const _ of plain.readable.values({ preventCancel: true }));
    using client = Deno.createHttpClient({ caCerts: [root.cert] });
    await using browser = await Browser.open(running.client, { topics: ["A"], client });
    await publish(running.admin, { subscribers: ["A"] });
    assertEquals((await browser.all()).length, 1);
  });
}

testNotOnServe(
  "SIGHUP uses a renewed certificate for new connections, and a bad one is refused",
  async () => {
    const tls = { key: "server.key", cert: "server.crt" };
    await using running = await run({
      servers: [{ type: "client", tls }, { type: "admin" }],
      files: { "server.key": direct.key, "server.crt": direct.cert },
    });
    const write = (pair: { key: string; cert: string }) => {
      Deno.writeTextFileSync(`${running.folder}/server.key`, pair.key);
      Deno.writeTextFileSync(`${running.folder}/server.crt`, pair.cert);
    };
    using old = Deno.createHttpClient({ caCerts: [root.cert] });
    await using before = await Browser.open(running.client, { topics: ["A"], client: old });
    const other = makeAuthority("Another Root");
    write(makeCertificate(other));
    running.process.kill("SIGHUP");
    await running.process.line(
      /INFO Reload: The server at wss:\S+ uses \S+server\.crt as it is now/,
    );
    // A client of its own: an older one could resume its session, or reuse a connection.
    using distrusting = Deno.createHttpClient({ caCerts: [root.cert] });
    await assertRejects(() => Browser.open(running.client, { client: distrusting }), Error);
    using renewed = Deno.createHttpClient({ caCerts: [other.cert] });
    await using after = await Browser.open(running.client, { topics: ["A"], client: renewed });
    // The key of one and the certificate of the other.
    write({ key: direct.key, cert: makeCertificate(other).cert });
    running.process.kill("SIGHUP");
    await running.process.line(
      /ERROR Reload refused: servers\[0\]\.ssl\.key: .*does not belong/,
    );
    await using still = await Browser.open(running.client, { topics: ["A"], client: renewed });
    await publish(running.admin, { subscribers: ["A"] });
    for (const browser of [before, after, still]) assertEquals((await browser.all()).length, 1);
  },
);

Deno.test("a certificate that is about to expire is warned about at the start, once for its servers", async () => {
  const tls = { key: "a.key", cert: "a.crt" };
  await using running = await run({
    servers: [{ type: "client", tls }, { type: "client", tls }, { type: "admin" }],
    files: { "a.key": direct.key, "a.crt": direct.cert },
  });
  await running.process.line(/WARNING Certificate \S+a\.crt expires on \d{4}-/);
  assertEquals(running.process.output.match(/expires on/g)?.length, 1);
});

for (const engine of ENGINES) {
  Deno.test(`a client resumes its session on both ports, with each version of TLS (${engine} engine)`, async () => {
    const tls = { key: "a.key", cert: "a.crt" };
    await using running = await run({
      engine,
      servers: [{ type: "client", tls }, { type: "admin", tls }],
      files: { "a.key": direct.key, "a.crt": direct.cert },
    });
    for (const port of [running.client, running.admin]) {
      for (const version of ["-tls1_2", "-tls1_3"]) {
        const session = `${running.folder}/${port}${version}`;
        assertMatch(await openssl(port, version, "-sess_out", session), /^New, TLSv1\.[23]/m);
        // Once: the runtime's own server takes each ticket of TLS 1.3 one time only.
        assertMatch(await openssl(port, version, "-sess_in", session), /^Reused, TLSv1\.[23]/m);
      }
    }
  });
}

/** What openssl tells of a connection on which it asks for a page. */
async function openssl(port: number, ...args: readonly string[]): Promise<string> {
  const child = new Deno.Command("openssl", {
    args: ["s_client", "-ign_eof", "-connect", `127.0.0.1:${port}`, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  await new Blob([request]).stream().pipeTo(child.stdin);
  return new TextDecoder().decode((await child.output()).stdout);
}
