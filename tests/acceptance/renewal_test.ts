/**
 * Certificates that change while the service runs, seen by the handshakes of new connections. The
 * service runs in this process, where its looks at the files can come faster than every 20 s.
 */

import type { Config, Engine, ServerConfig, ServerType } from "../../src/config/config.ts";
import { closeLog } from "../../src/log/log.ts";
import { openLogFile } from "../log/open.ts";
import { type Service, type ServiceOptions, startService } from "../../src/service.ts";
import { StartError } from "../../src/server.ts";
import { assertEquals, assertRejects, assertStringIncludes } from "../assert.ts";
import { ADMIN, CLIENT, configOf } from "../entries.ts";
import { Folder } from "../folder.ts";
import { Browser } from "./browser.ts";
import { type Authority, makeAuthority, makeCertificate } from "./certificate.ts";
import { Looks } from "./looks.ts";
import { freePorts } from "./ports.ts";
import { publish } from "./server.ts";
import { until } from "./until.ts";

const root = makeAuthority("Old Root");
const other = makeAuthority("New Root");
const first = makeCertificate(root);
const second = makeCertificate(other);

/** A look at the files comes this often where a test waits for it, in ms. */
const LOOK_MS = 20;

type Pair = { readonly key: string; readonly cert: string };

/** A service whose servers share one certificate, but for plain ones. */
class Running implements AsyncDisposable {
  readonly #folder: Folder;
  readonly ports: readonly number[];
  readonly service: Service;
  readonly #config: Config;

  private constructor(
    folder: Folder,
    ports: readonly number[],
    config: Config,
    service: Service,
  ) {
    this.#folder = folder;
    this.ports = ports;
    this.#config = config;
    this.service = service;
  }

  /** Reads the files again, and uses what they hold. */
  async read(): Promise<void> {
    await (await this.service.read(this.#config))();
  }

  static async start(
    servers: readonly (readonly [ServerType, Engine, "plain" | "tls"])[],
    options?: ServiceOptions,
  ): Promise<Running> {
    const folder = new Folder();
    const tls = {
      key: folder.write("server.key", first.key),
      cert: folder.write("server.crt", first.cert),
      chain: null,
    };
    const ports = freePorts(servers.length);
    const config = configOf({
      servers: servers.map(([type, engine, how], index): ServerConfig => ({
        ...(type === "client" ? { ...CLIENT, engine } : ADMIN),
        port: ports[index] ?? 0,
        listen: "127.0.0.1",
        tls: how === "tls" ? tls : null,
      })),
    });
    return new Running(folder, ports, config, await startService(config, options));
  }

  port(index: number): number {
    return this.ports[index] ?? 0;
  }

  write({ key, cert }: Pair): void {
    this.#folder.write("server.key", key);
    this.#folder.write("server.crt", cert);
  }

  /** What is in the folder is replaced as certbot does it: a link is pointed at new files. */
  link({ key, cert }: Pair): void {
    for (const [name, text] of [["server.key", key], ["server.crt", cert]] as const) {
      const target = this.#folder.write(`${name}.2`, text);
      Deno.symlinkSync(target, `${this.#folder.path}/link`);
      Deno.renameSync(`${this.#folder.path}/link`, `${this.#folder.path}/${name}`);
    }
  }

  /** Resolves when the files have been looked at so often. */
  async looks(count: number): Promise<void> {
    using looks = new Looks(`${this.#folder.path}/server.key`);
    for (; count > 0; count--) await looks.next();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.service.stop(0);
    this.#folder[Symbol.dispose]();
  }
}

/** Whether a new handshake shows a certificate of an authority. */
async function shows(port: number, authority: Authority): Promise<boolean> {
  try {
    using connection = await Deno.connectTls({
      hostname: "localhost",
      port,
      caCerts: [authority.cert],
    });
    await connection.handshake();
    return true;
  } catch (error) {
    // While it is being bound again, nobody answers.
    const { ConnectionRefused, ConnectionReset, InvalidData } = Deno.errors;
    const isExpected = error instanceof InvalidData || error instanceof ConnectionRefused ||
      error instanceof ConnectionReset;
    if (!isExpected) throw error;
    return false;
  }
}

Deno.test("a renewed certificate is seen by new connections, and the old ones stay (socket engine)", async () => {
  await using running = await Running.start([["client", "socket", "tls"], [
    "admin",
    "serve",
    "plain",
  ]]);
  using client = Deno.createHttpClient({ caCerts: [root.cert] });
  await using browser = await Browser.open(running.port(0), { topics: ["A"], client });
  running.write(second);
  await running.read();
  assertEquals(await shows(running.port(0), other), true);
  assertEquals(await shows(running.port(0), root), false);
  await publish(running.port(1), { subscribers: ["A"] });
  assertEquals((await browser.all()).length, 1);
});

Deno.test("the engine that cannot keep its browsers tells them 1001, and uses the new certificate (serve engine)", async () => {
  await using running = await Running.start([["client", "serve", "tls"]]);
  using client = Deno.createHttpClient({ caCerts: [root.cert] });
  await using browser = await Browser.open(running.port(0), { client });
  running.write(second);
  await running.read();
  assertEquals((await browser.closed).code, 1001);
  using renewed = Deno.createHttpClient({ caCerts: [other.cert] });
  await using back = await Browser.open(running.port(0), { client: renewed });
  await back.pong();
});

Deno.test("an admin server uses the new certificate, and the hub stays", async () => {
  await using running = await Running.start([["client", "socket", "plain"], [
    "admin",
    "serve",
    "tls",
  ]]);
  await using browser = await Browser.open(running.port(0), { topics: ["A"] });
  running.write(second);
  await running.read();
  using client = Deno.createHttpClient({ caCerts: [other.cert] });
  const fingerprint = await publish(running.port(1), { subscribers: ["A"] }, { client });
  assertEquals(fingerprint, running.service.fingerprint);
  assertEquals((await browser.all()).length, 1);
  assertEquals(await shows(running.port(1), root), false);
});

Deno.test("a message that is being received during a renewal is acknowledged and delivered", async () => {
  await using running = await Running.start([["client", "socket", "plain"], [
    "admin",
    "serve",
    "tls",
  ]]);
  await using browser = await Browser.open(running.port(0), { topics: ["A"] });
  using slow = await Deno.connectTls({
    hostname: "localhost",
    port: running.port(1),
    caCerts: [root.cert],
  });
  const encoder = new TextEncoder();
  await slow.write(encoder.encode(
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 21\r\nExpect: 100-continue\r\n\r\n",
  ));
  // The server says so when it reads the body.
  assertStringIncludes(await heard(slow), "100 Continue");
  await slow.write(encoder.encode('{"subscribers"'));
  running.write(second);
  const renewed = running.read();
  await slow.write(encoder.encode(':["A"]}'));
  assertStringIncludes(await heard(slow), "HTTP/1.1 200 ");
  await renewed;
  assertEquals((await browser.all()).length, 1);
});

Deno.test("a server without TLS keeps its connections when another one is renewed", async () => {
  await using running = await Running.start([["client", "serve", "plain"], [
    "client",
    "serve",
    "tls",
  ]]);
  await using browser = await Browser.open(running.port(0));
  running.write(second);
  await running.read();
  await browser.pong();
});

Deno.test("certificates that have not changed are left alone", async () => {
  await using running = await Running.start([["client", "serve", "tls"]]);
  using client = Deno.createHttpClient({ caCerts: [root.cert] });
  await using browser = await Browser.open(running.port(0), { client });
  running.write(first);
  await running.read();
  await browser.pong();
});

Deno.test("half a renewal changes nothing and is named, and the rest of it is used", async () => {
  await using running = await Running.start([["client", "socket", "tls"], [
    "admin",
    "serve",
    "tls",
  ]]);
  running.write({ key: second.key, cert: first.cert });
  const error = await assertRejects(() => running.read(), StartError);
  for (const index of [0, 1]) {
    assertStringIncludes(error.message, `servers[${index}].ssl.key: Key `);
    assertEquals(await shows(running.port(index), root), true);
  }
  running.write(second);
  await running.read();
  for (const index of [0, 1]) assertEquals(await shows(running.port(index), other), true);
});

Deno.test("renewed certificates are used without being asked, links to new files too", async () => {
  const servers = [["client", "socket", "tls"], ["admin", "serve", "tls"]] as const;
  await using running = await Running.start(servers, { certificateIntervalMs: LOOK_MS });
  running.link(second);
  for (const index of [0, 1]) {
    await until(() => shows(running.port(index), other));
  }
});

Deno.test("a stop during a renewal leaves the ports free", async () => {
  const running = await Running.start([["client", "serve", "tls"], ["admin", "serve", "tls"]]);
  running.write(second);
  const renewed = running.read();
  await running[Symbol.asyncDispose]();
  await renewed;
  for (const port of running.ports) Deno.listen({ hostname: "127.0.0.1", port }).close();
});

Deno.test("a second stop waits for the first", async () => {
  await using running = await Running.start([["client", "socket", "plain"]]);
  await using browsers = await openTwo(running.port(0));
  let isOver = false;
  void running.service.stop(200).then(() => isOver = true);
  await running.service.stop(60_000);
  assertEquals(isOver, true);
  for (const browser of browsers) assertEquals((await browser.closed).code, 1001);
});

// The last, as what is logged after a log has been closed is complained of.
Deno.test("half a renewal that stays so is logged once, and the certificate in use stays", async () => {
  using folder = new Folder();
  const path = `${folder.path}/log`;
  openLogFile(path);
  try {
    const servers = [["admin", "serve", "tls"]] as const;
    await using running = await Running.start(servers, { certificateIntervalMs: LOOK_MS });
    running.write({ key: second.key, cert: first.cert });
    await running.looks(10);
    assertEquals(
      Deno.readTextFileSync(path).match(/ERROR The certificates in use stay/g)?.length,
      1,
    );
    assertEquals(await shows(running.port(0), root), true);
  } finally {
    await closeLog();
  }
});

/** What comes next, as text. */
async function heard(connection: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(4096);
  return new TextDecoder().decode(buffer.subarray(0, await connection.read(buffer) ?? 0));
}

async function openTwo(port: number): Promise<Browser[] & AsyncDisposable> {
  const browsers = [await Browser.open(port), await Browser.open(port)];
  return Object.assign(browsers, {
    async [Symbol.asyncDispose]() {
      for (const browser of browsers) await browser[Symbol.asyncDispose]();
    },
  });
}
