import { createPrivateKey } from "node:crypto";
import { Certificates } from "../src/certificates.ts";
import type { Config } from "../src/config/config.ts";
import { closeLog } from "../src/log/log.ts";
import { openLogFile } from "./log/open.ts";
import { makeAuthority, makeCertificate } from "./acceptance/certificate.ts";
import { assertEquals, assertMatch } from "./assert.ts";
import { ADMIN, configOf } from "./entries.ts";
import { Folder } from "./folder.ts";

const DAY_MS = 86_400_000;
const root = makeAuthority("Test Root");

/** Certificates of two servers with the same files, and what is logged of them. */
class Watched implements AsyncDisposable {
  readonly #folder = new Folder();
  readonly certificates: Certificates;
  readonly config: Config;

  private constructor(validMs: number) {
    this.renew(validMs);
    const { path } = this.#folder;
    const tls = { key: `${path}/a.key`, cert: `${path}/a.crt`, chain: null };
    const config = configOf({
      servers: [{ ...ADMIN, tls, port: 1 }, { ...ADMIN, tls, port: 2 }],
    });
    this.config = config;
    this.certificates = new Certificates(config);
  }

  static async open(validMs: number): Promise<Watched> {
    const watched = new Watched(validMs);
    await watched.use();
    openLogFile(`${watched.#folder.path}/log`);
    return watched;
  }

  /** Uses what the files hold now. */
  async use(): Promise<void> {
    this.certificates.use((await this.certificates.judge()).found);
  }

  /** A key without its certificate, or text. */
  write(name: string, text: string): void {
    this.#folder.write(name, text);
  }

  renew(validMs: number): void {
    const { key, cert } = makeCertificate(root, validMs);
    this.#folder.write("a.key", key);
    this.#folder.write("a.crt", cert);
  }

  /** The lines so far. */
  get lines(): string[] {
    return Deno.readTextFileSync(`${this.#folder.path}/log`).split("\n").slice(0, -1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeLog();
    this.#folder[Symbol.dispose]();
  }
}

Deno.test("a certificate is warned of from fourteen days before its end, once a day", async () => {
  await using watched = await Watched.open(15 * DAY_MS);
  const { certificates } = watched;
  const now = Date.now();
  certificates.warn(now);
  assertEquals(watched.lines, []);
  for (const days of [1.5, 1.6, 2.4, 2.6, 3.4]) certificates.warn(now + days * DAY_MS);
  assertEquals(watched.lines.length, 2);
  assertMatch(watched.lines[0] ?? "", /WARNING Certificate \S+a\.crt expires on \d{4}-/);
  certificates.warn(now + 16 * DAY_MS);
  assertMatch(watched.lines[2] ?? "", /WARNING Certificate \S+a\.crt expired on \d{4}-/);
});

Deno.test("a renewed certificate is not warned of, unless it is about to expire too", async () => {
  await using watched = await Watched.open(DAY_MS);
  const { certificates } = watched;
  const now = Date.now();
  certificates.warn(now);
  for (const days of [2, 90]) {
    watched.renew(days * DAY_MS);
    await watched.use();
    certificates.warn(now);
  }
  assertEquals(watched.lines.length, 2);
});

Deno.test("what is in use and has not changed is not found again", async () => {
  await using watched = await Watched.open(DAY_MS);
  assertEquals(await watched.certificates.judge(), { found: [], problems: [] });
  watched.renew(DAY_MS);
  const { found } = await watched.certificates.judge();
  assertEquals(found.map(({ index }) => index), [0, 1]);
});

Deno.test("a certificate is warned of thirteen days and a half before its end", async () => {
  await using watched = await Watched.open(13.5 * DAY_MS);
  watched.certificates.warn(Date.now());
  assertEquals(watched.lines.length, 1);
});

Deno.test("the same certificate with another form of its key is found", async () => {
  await using watched = await Watched.open(DAY_MS);
  const { key, cert } = makeCertificate(root, DAY_MS);
  watched.write("a.crt", cert);
  const other = String(createPrivateKey(key).export({ format: "pem", type: "pkcs8" }));
  for (const text of [key, other]) {
    watched.write("a.key", text);
    const { found, problems } = await watched.certificates.judge();
    assertEquals([found.length, problems], [2, []]);
    watched.certificates.use(found);
  }
});

Deno.test("text around the same key and certificate changes nothing", async () => {
  await using watched = await Watched.open(DAY_MS);
  const { key, cert } = makeCertificate(root, DAY_MS);
  watched.write("a.key", key);
  watched.write("a.crt", cert);
  await watched.use();
  watched.write("a.key", `\uFEFFThe key:\r\n${key}`);
  watched.write("a.crt", `${cert}That was it.`);
  assertEquals(watched.certificates.changes(), "");
  assertEquals(await watched.certificates.judge(), { found: [], problems: [] });
});

Deno.test("changes() tells apart what the files hold, and what is wrong with them", async () => {
  await using watched = await Watched.open(DAY_MS);
  const { certificates } = watched;
  assertEquals(certificates.changes(), "");
  const seen: string[] = [];
  for (
    const write of [
      () => watched.renew(DAY_MS),
      () => watched.renew(DAY_MS),
      () => watched.write("a.crt", "-----BEGIN CERTIFICATE-----\nAAAA"),
      () => watched.write("a.crt", "text"),
    ]
  ) {
    write();
    const changes = certificates.changes();
    assertEquals(certificates.changes(), changes);
    assertEquals(seen.includes(changes), false);
    seen.push(changes);
  }
});

Deno.test("while one certificate cannot be used, none is found", async () => {
  const folder = new Folder();
  await using watched = await Watched.open(DAY_MS);
  const write = (name: string) => {
    const { key, cert } = makeCertificate(root);
    const [keyPath, certPath] = [
      folder.write(`${name}.key`, key),
      folder.write(`${name}.crt`, cert),
    ];
    return { key: keyPath, cert: certPath, chain: null };
  };
  try {
    const servers = ["a", "b"].map((name, port) => (
      { ...watched.config.servers[0]!, port: port + 1, tls: write(name) }
    ));
    const certificates = new Certificates({ ...watched.config, servers });
    certificates.use((await certificates.judge()).found);
    write("a");
    folder.write("b.crt", "no certificate");
    const { found, problems } = await certificates.judge();
    assertEquals([found, problems.length], [[], 1]);
  } finally {
    folder[Symbol.dispose]();
  }
});
