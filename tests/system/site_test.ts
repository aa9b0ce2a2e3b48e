/**
 * The service as a site runs it. These tests need nginx and Debian's Chromium.
 */

import { assertEquals, assertMatch } from "../assert.ts";
import { Browser } from "../acceptance/browser.ts";
import { aphlict } from "../acceptance/command.ts";
import { Process } from "../acceptance/process.ts";
import { ENGINES } from "../acceptance/engines.ts";
import { publish, writeConfig, type Written } from "../acceptance/server.ts";
import { serviceArguments } from "../acceptance/program.ts";
import { Folder } from "../folder.ts";
import { startNginx } from "./proxies.ts";
import { Chromium } from "./site.ts";

async function serve({ path }: Written): Promise<Process> {
  const process = new Process(Deno.execPath(), serviceArguments(path, "serve"));
  await process.line(/has fingerprint /);
  return process;
}

const subscribers = ["PHID-USER-a"];

for (const engine of ENGINES) {
  Deno.test(`Chromium connects, receives, is told to go, and comes back (${engine} engine)`, async () => {
    using folder = new Folder();
    const written = writeConfig(folder, {}, engine);
    await using chromium = await (async () => {
      await using process = await serve(written);
      const chromium = new Chromium(`ws://127.0.0.1:${written.client}/ws/`);
      try {
        assertEquals(await chromium.next(), '{"type":"pong"}');
        await publish(written.admin, { subscribers, text: "first é😀" });
        assertEquals(JSON.parse(await chromium.next()).text, "first é😀");
        process.kill("SIGTERM");
        assertEquals(await chromium.next(), "closed 1001");
        assertEquals((await process.ended()).code, 0);
        return chromium;
      } catch (error) {
        await chromium[Symbol.asyncDispose]();
        throw error;
      }
    })();
    await using _process = await serve(written);
    await chromium.until(/pong/);
    await publish(written.admin, { subscribers, text: "second" });
    assertEquals(JSON.parse(await chromium.next()).text, "second");
  });

  Deno.test(`nginx passes Chromium and others on, instances too (${engine} engine)`, async () => {
    using folder = new Folder();
    const written = writeConfig(folder, {}, engine);
    await using process = await serve(written);
    await using nginx = await startNginx(written.client);
    await using chromium = new Chromium(`ws://127.0.0.1:${nginx.port}/ws/~acme/`);
    assertEquals(await chromium.next(), '{"type":"pong"}');
    await using other = await Browser.open(nginx.port, { path: "/ws/", topics: subscribers });
    await publish(written.admin, { subscribers, n: 1 }, { instance: "acme" });
    await publish(written.admin, { subscribers, n: 2 });
    assertEquals(JSON.parse(await chromium.next()).n, 1);
    assertEquals((await other.all()).map((text) => JSON.parse(text).n), [2]);
    const health = await fetch(`http://127.0.0.1:${nginx.port}/ws/`);
    assertEquals([health.status, await health.text()], [501, "HTTP/501 Use Websockets\n"]);
    process.kill("SIGTERM");
    assertMatch(await chromium.next(), /^closed 100[16]$/);
  });
}

Deno.test("nginx ends TLS for browsers, plain ones and instances' alike", async () => {
  using folder = new Folder();
  const written = writeConfig(folder);
  await using _process = await serve(written);
  await using nginx = await startNginx(written.client);
  using client = Deno.createHttpClient({ caCerts: [nginx.authority] });
  const open = (path: string) => Browser.open(nginx.tlsPort, { path, client, topics: subscribers });
  await using browser = await open("/ws/");
  await using acme = await open("/ws/~acme/");
  await publish(written.admin, { subscribers, n: 1 }, { instance: "acme" });
  await publish(written.admin, { subscribers, n: 2 });
  const numbers = async (from: Browser) => (await from.all()).map((text) => JSON.parse(text).n);
  assertEquals(await numbers(browser), [2]);
  assertEquals(await numbers(acme), [1]);
});

Deno.test("nginx passes nothing else on, and keeps a request that asks for no upgrade apart", async () => {
  using folder = new Folder();
  const written = writeConfig(folder);
  await using _process = await serve(written);
  await using nginx = await startNginx(written.client);
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${nginx.port}${path}`);
    await response.body?.cancel();
    return response.status;
  };
  assertEquals(await Promise.all(["/ws/", "/ws/~acme/", "/ws/x", "/x/~acme/"].map(get)), [
    501,
    501,
    200,
    200,
  ]);
});

Deno.test("aphlict doctor goes the whole way through nginx, plain and with TLS, instances too", async () => {
  using folder = new Folder();
  const written = writeConfig(folder);
  await using _process = await serve(written);
  await using nginx = await startNginx(written.client);
  const ca = folder.write("ca.pem", nginx.authority);
  for (
    const way of [
      ["--url", `ws://localhost:${nginx.port}/ws/`],
      ["--url", `wss://localhost:${nginx.tlsPort}/ws/`, "--ca", ca, "--instance", "acme"],
    ]
  ) {
    const { code, output } = await aphlict("doctor", "--config", written.path, ...way);
    assertEquals(code, 0, output);
    assertMatch(output, /^✓ public message .* after [\d.]+ ms\.$/m);
  }
  const elsewhere = ["--url", `ws://localhost:${nginx.port}/notifications/`];
  const { code, output } = await aphlict("doctor", "--config", written.path, ...elsewhere);
  assertEquals(code, 1);
  assertMatch(output, /^✗ public WebSocket .* answers 200: that is a web page, no WebSocket\.$/m);
  const plain = ["--url", `ws://localhost:${nginx.tlsPort}/ws/`];
  const { output: told } = await aphlict("doctor", "--config", written.path, ...plain);
  assertMatch(told, /^✗ public WebSocket .* it speaks TLS\.\n +→ Name it with wss:\/\/ /m);
});
