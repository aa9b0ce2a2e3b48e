/**
 * Messages that PHP's curl posts, as Phorge's own client does. These tests need PHP with curl.
 */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { Browser } from "../acceptance/browser.ts";
import { makeAuthority, makeCertificate } from "../acceptance/certificate.ts";
import { ENGINES } from "../acceptance/engines.ts";
import { Process } from "../acceptance/process.ts";
import { run } from "../acceptance/server.ts";

const SCRIPT = new URL("phorge.php", import.meta.url).pathname;

/** The sizes that the script posts, in bytes. */
const SIZES = [300, 2000, 100_000, 900_000];

/** The ways in which it posts each size: see phorge.php. */
const WAYS = ["kept ", "fresh ", "asked ", "1.0 "];

/**
 * The runtime's server names h2 and http/1.1 to clients that negotiate a protocol in TLS, and refuses
 * those that offer another one alone. curl offers http/1.0 when it is told to speak that.
 */
const NO_HTTP_1_0 = "the engine serve has no HTTP/1.0 over TLS";

/** curl waits for `100 Continue` this long before it sends the body all the same, in ms. */
const CONTINUE_MS = 1000;

/** A request of the script, as it prints it. */
interface Outcome {
  readonly name: string;
  readonly error: string;
  readonly status: number;
  readonly body: string;
  /** Connections that were opened for it. */
  readonly connects: number;
  readonly ms: number;
}

const authority = makeAuthority("Phorge's");
const pair = makeCertificate(authority);

/** Runs the script to its end. */
async function post(...args: readonly string[]): Promise<readonly Outcome[]> {
  await using php = new Process("php", [SCRIPT, ...args]);
  assertEquals((await php.ended()).code, 0, php.output);
  return php.output.split("\n").map((line): Outcome => JSON.parse(line));
}

for (const engine of ENGINES) {
  for (const scheme of ["http", "https"] as const) {
    Deno.test(`Phorge's posts with PHP's curl are taken, of every size, by ${scheme} (${engine} engine)`, async () => {
      const tls = { key: "server.key", cert: "server.crt" };
      const secure = scheme === "https" ? { tls } : {};
      await using running = await run({
        engine,
        servers: [{ type: "client", ...secure }, { type: "admin", ...secure }],
        files: { "server.key": pair.key, "server.crt": pair.cert, "ca.crt": authority.cert },
      });
      using trusting = Deno.createHttpClient({ caCerts: [authority.cert] });
      const options = scheme === "https" ? { client: trusting } : {};
      await using browser = await Browser.open(running.client, { topics: ["A"], ...options });
      const outcomes = await post(
        `${scheme}://127.0.0.1:${running.admin}/`,
        `${scheme}://127.0.0.1:${running.client}/`,
        `${running.folder}/ca.crt`,
      );

      const named = (prefix: string) => outcomes.filter(({ name }) => name.startsWith(prefix));
      const refused = engine === "serve" && scheme === "https" ? named("1.0 ") : [];
      for (const { error } of refused) assertEquals(error, "SSL connect error", NO_HTTP_1_0);
      const posts = [...WAYS.flatMap(named), ...named("last")].filter((each) =>
        !refused.includes(each)
      );
      for (const { name, status, error, body } of posts) {
        assertEquals(status, 200, `${name}: ${error} ${body}`);
        assertMatch(body, /^\{"fingerprint":"\w{16}"\}$/);
      }
      const connects = (prefix: string) => named(prefix).map(({ connects }) => connects);
      assertEquals(connects("kept "), [1, 0, 0, 0], "the connection stays");
      assertEquals(connects("asked "), [0, 0, 0, 0], "also behind 100 Continue");
      const [slowest = NaN] = named("asked ").map(({ ms }) => ms).sort((a, b) => b - a);
      assert(
        slowest < CONTINUE_MS,
        `100 Continue has not come, but the answer after ${slowest} ms`,
      );
      assertEquals(named("oversize").map(({ status }) => status), [413]);
      assertEquals(named("client check").map(({ status, body }) => ({ status, body })), [
        { status: 501, body: "HTTP/501 Use Websockets\n" },
      ]);
      const [check] = named("admin check");
      assertEquals(check?.status, 200);
      assertEquals(JSON.parse(check?.body ?? "")["messages.in"], posts.length);

      const messages = (await browser.all()).map((text) => JSON.parse(text));
      assertEquals(messages.map(({ name }) => name), posts.map(({ name }) => name));
      for (const { touched: _, ...posted } of messages) {
        const size = Number(posted.name.split(" ")[1] ?? SIZES[0]);
        assertEquals(JSON.stringify(posted).length, size);
      }
    });
  }
}
