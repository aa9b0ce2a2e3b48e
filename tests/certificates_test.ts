import { Certificates } from "../src/certificates.ts";
import type { Config } from "../src/config/config.ts";
import { closeLog } from "../src/log/log.ts";
import { openLogFile } from "./log/open.ts";
import { makeAuthority, makeCertificate } from "./acceptance/certificate.ts";
import { assertEquals, assertMatch } from "./assert.ts";
import { Folder } from "./folder.ts";

const DAY_MS = 86_400_000;
const root = makeAuthority("Test Root");

/** Certificates of two servers with the same files, and what is logged of them. */
class Watched implements AsyncDisposable {
  readonly #folder = new Folder();
  readonly certificates: Certificates;

  private constructor(validMs: number) {
    this.renew(validMs);
    const { path } = this.#folder;
    const tls = { key: `${path}/a.key`, cert: `${path}/a.crt`, chain: null };
    const server = { type: "admin", listen: "127.0.0.1", engine: "serve", tls } as const;
    const config: Config = {
      path: "aphlict.json",
      servers: [{ ...server, port: 1 }, { ...server, port: 2 }],
      logs: [],
      cluster: [],
      pidfile: "aphlict.pid",
      memoryHint: null,
      user: null,
      drain: 0,
    };
    this.certificates = new Certificates(config);
    this.certificates.use(this.certificates.read().found);
  }

  static open(validMs: number): Watched {
    const watched = new Watched(validMs);
    const path = `${watched.#folder.path}/log`;
    openLogFile(path);
    return watched;
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
  await using watched = Watched.open(15 * DAY_MS);
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
  await using watched = Watched.open(DAY_MS);
  const { certificates } = watched;
  const now = Date.now();
  certificates.warn(now);
  for (const days of [2, 90]) {
    watched.renew(days * DAY_MS);
    certificates.use(certificates.read().found);
    certificates.warn(now);
  }
  assertEquals(watched.lines.length, 2);
});

Deno.test("what is in use and has not changed is not found again", async () => {
  await using watched = Watched.open(DAY_MS);
  assertEquals(watched.certificates.read(), { found: [], problems: [] });
  watched.renew(DAY_MS);
  assertEquals(watched.certificates.read().found.map(({ index }) => index), [0, 1]);
});
