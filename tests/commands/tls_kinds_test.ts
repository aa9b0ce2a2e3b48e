/**
 * Kinds of key pairs, and that `check`, a start, a renewal and a handshake agree on each.
 */

import { X509Certificate } from "node:crypto";
import { connect } from "node:tls";
import { judge } from "../../src/cli/judgement.ts";
import type { Config, TlsFiles } from "../../src/config/config.ts";
import { closeLog } from "../../src/log/log.ts";
import { readTls } from "../../src/net/tls.ts";
import { type Service, startService } from "../../src/service.ts";
import { StartError } from "../../src/server.ts";
import { assertEquals, assertStringIncludes } from "../assert.ts";
import { ADMIN, CLIENT, configOf } from "../entries.ts";
import { Folder } from "../folder.ts";
import { openLogFile } from "../log/open.ts";
import { makeCertificates, makePairs, type Pair, REFUSED } from "../net/pairs.ts";
import { Daemon } from "../acceptance/daemon.ts";
import { freePorts } from "../acceptance/ports.ts";
import { ENGINES } from "../acceptance/engines.ts";
import { Looks } from "../acceptance/looks.ts";
import { until } from "../acceptance/until.ts";

/** A look at the files comes this often where a test waits for it, in ms. */
const LOOK_MS = 20;

/** The fingerprint of the first certificate of a text. */
const fingerprint = (pem: string) => new X509Certificate(pem).fingerprint256;

/** A client server of each engine, and an admin server, with the same files. */
function configWith(tls: TlsFiles, pidfile: string): Config {
  const [admin = 0, ...ports] = freePorts(1 + ENGINES.length);
  return configOf({
    pidfile,
    servers: [
      { ...ADMIN, port: admin, tls },
      ...ENGINES.map((engine, index) => ({
        ...{ ...CLIENT, engine, tls },
        ...{ port: ports[index] ?? 0, listen: "127.0.0.1" },
      })),
    ],
  });
}

/** The certificates that ports show, each one once; `none` for no handshake. */
async function shown(ports: readonly number[]): Promise<string[]> {
  return [...new Set(await Promise.all(ports.map(certificateAt)))];
}

function certificateAt(port: number): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false });
  return new Promise<string>((resolve) => {
    socket.once("secureConnect", () => {
      resolve(socket.getPeerCertificate().fingerprint256);
    });
    socket.once("error", () => resolve("none"));
  }).finally(() => socket.destroy());
}

const portsOf = ({ servers }: Config) => servers.map(({ port }) => port);

/** Starts a service; what it says when it cannot. */
async function outcomeOf(config: Config): Promise<Service | StartError> {
  try {
    return await startService(config);
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    return error;
  }
}

// Commands and services run in this process, which makes it quick.
Deno.test("check, a start, a renewal and a handshake agree on each kind of pair", async () => {
  using folder = new Folder();
  const pairs = await makePairs(folder.path);
  // Judged in this process.
  const program = { kind: "compiled", config: "" } as const;
  const used = { key: folder.write("key", ""), cert: folder.write("cert", ""), chain: null };
  const renewed = configWith(used, `${folder.path}/pid`);
  const write = ({ key, cert, chain }: TlsFiles) => {
    Deno.copyFileSync(key, used.key);
    Deno.copyFileSync(cert, used.cert);
    // Which file the chain is in makes no difference.
    const text = chain === null ? "" : `\n${Deno.readTextFileSync(chain)}`;
    Deno.writeTextFileSync(used.cert, text, { append: true });
  };
  const good = pairs.find(({ name }) => name === "P-256")!;
  write(good.files);
  const running = await startService(renewed);
  let last = fingerprint(readTls(used).cert);
  try {
    for (const { name, files } of pairs) {
      const [key, reason = ""] = REFUSED[name] ?? [];
      const config = configWith(files, `${folder.path}/pid`);
      const { problems } = await judge(config, program, { isHeld: () => false });
      const service = await outcomeOf(config);
      if (key === undefined) {
        assertEquals(problems, [], name);
        if (service instanceof StartError) throw new Error(`${name}: ${service.message}`);
        assertEquals(await shown(portsOf(config)), [fingerprint(readTls(files).cert)], name);
        await service.stop(0);
      } else {
        // As many as there are servers.
        assertEquals(problems.length >= config.servers.length, true, name);
        assertEquals(problems[0]?.path, `servers[0].${key}`, name);
        assertStringIncludes(problems[0]?.message ?? "", reason, name);
        if (!(service instanceof StartError)) throw new Error(`${name}: it starts`);
        assertEquals(
          service.message,
          problems.map(({ path, message }) => `${path}: ${message}`).join("\n"),
          name,
        );
      }
      if (name === "chain without a certificate") continue;
      write(files);
      const begun = performance.now();
      const use = await running.read(renewed).catch((error: unknown) => error);
      assertEquals(performance.now() - begun < 5000, true, `${name}: it answers at once`);
      assertEquals(use instanceof StartError, key !== undefined, `${name}: ${use}`);
      if (typeof use === "function") {
        await use();
        last = fingerprint(readTls(used).cert);
      }
      assertEquals(await shown(portsOf(renewed)), [last], name);
    }
  } finally {
    await running.stop(0);
  }
});

/** Kinds of certificates by name, and a place in which one of them stands at a time. */
class Place implements Disposable {
  readonly #folder: Folder;
  readonly #pairs: readonly Pair[];
  readonly files: TlsFiles;

  private constructor(folder: Folder, pairs: readonly Pair[]) {
    this.#folder = folder;
    this.#pairs = pairs;
    this.files = { key: `${folder.path}/key`, cert: `${folder.path}/cert`, chain: null };
  }

  static async make(): Promise<Place> {
    const folder = new Folder();
    return new Place(folder, await makeCertificates(folder.path));
  }

  /** Puts a pair there, and returns its fingerprint. */
  put(name: string): string {
    const { files } = this.#pairs.find((pair) => pair.name === name)!;
    Deno.copyFileSync(files.key, this.files.key);
    Deno.copyFileSync(files.cert, this.files.cert);
    return fingerprint(Deno.readTextFileSync(files.cert));
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
  }
}

Deno.test("reload, restart and doctor tell why a pair cannot be used, and what runs keeps the old one", async () => {
  using place = await Place.make();
  const first = place.put("signed with SHA512");
  await using daemon = new Daemon();
  const tls = { "ssl.key": place.files.key, "ssl.cert": place.files.cert };
  const [serve = 0] = freePorts(1);
  const { client, admin } = daemon.written;
  daemon.configure(() => ({
    servers: [
      { type: "client", port: client, listen: "127.0.0.1", ...tls },
      { type: "client", port: serve, listen: "127.0.0.1", engine: "serve", ...tls },
      { type: "admin", port: admin, ...tls },
    ],
  }));
  await daemon.start();
  const before = daemon.members();
  place.put("certificate version 1");
  for (const verb of ["check", "reload", "restart", "doctor"]) {
    const { code, output } = await daemon.run(verb);
    assertEquals(code, 1, output);
    for (const index of [0, 1, 2]) {
      assertStringIncludes(
        output,
        `servers[${index}].ssl.cert: The runtime cannot serve TLS with certificate ${place.files.cert}: it is ` +
          "of X.509 version 1",
      );
    }
    assertEquals(daemon.members(), before, verb);
    assertEquals(await shown([client, serve, admin]), [first], verb);
  }
  const second = place.put("signed with SHA1");
  const { code, output } = await daemon.run("reload");
  assertEquals(code, 0, output);
  assertEquals(await shown([client, serve, admin]), [second]);
});

Deno.test("start refuses a pair that cannot be used, and leaves nothing running", async () => {
  using place = await Place.make();
  place.put("certificate with an unknown critical extension");
  await using daemon = new Daemon();
  daemon.configure(() => ({
    servers: [
      { type: "client", port: daemon.written.client, listen: "127.0.0.1" },
      {
        ...{ type: "admin", port: daemon.written.admin },
        ...{ "ssl.key": place.files.key, "ssl.cert": place.files.cert },
      },
    ],
  }));
  const { code, output } = await daemon.run("start");
  assertEquals([code, daemon.members()], [1, []], output);
  assertStringIncludes(
    output,
    "servers[1].ssl.cert: The runtime cannot serve TLS with certificate",
  );
});

// The last, as what is logged after a log has been closed is complained of.
Deno.test("a renewal waits for whole files, tells a pair that cannot be used once, and uses one that can", async () => {
  using place = await Place.make();
  const first = place.put("signed with SHA512");
  const log = `${place.files.key}.log`;
  openLogFile(log);
  try {
    const config = configWith(place.files, `${place.files.key}.pid`);
    const service = await startService(config, { certificateIntervalMs: LOOK_MS });
    const looks = new Looks(place.files.key);
    try {
      place.put("signed with SHA1");
      const whole = Deno.readTextFileSync(place.files.cert);
      Deno.writeTextFileSync(place.files.cert, whole.slice(0, whole.length / 2));
      await looks.next();
      Deno.writeTextFileSync(place.files.cert, whole);
      await until(async () => (await shown(portsOf(config))).join() === fingerprint(whole));
      assertEquals(Deno.readTextFileSync(log).includes(" ERROR "), false);
      place.put("certificate version 1");
      await until(() => Deno.readTextFileSync(log).includes("The certificates in use stay"));
      for (let count = 0; count < 5; count++) await looks.next();
      const told = Deno.readTextFileSync(log).match(/The certificates in use stay/g);
      assertEquals(told?.length, config.servers.length);
      assertEquals(await shown(portsOf(config)), [fingerprint(whole)]);
      assertEquals(place.put("signed with SHA512"), first);
      await until(async () => (await shown(portsOf(config))).join() === first);
    } finally {
      looks[Symbol.dispose]();
      await service.stop(0);
    }
  } finally {
    await closeLog();
  }
});
