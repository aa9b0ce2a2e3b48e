import { createServer, type Server } from "node:net";
import { createSecureContext, TLSSocket } from "node:tls";
import {
  judgeTls,
  readAuthority,
  readTls,
  TlsError,
  type TlsMaterial,
  validityWarning,
} from "../../src/net/tls.ts";
import { makeAuthority, makeCertificate, makeSelfSigned } from "../acceptance/certificate.ts";
import { assertEquals, assertStringIncludes, assertThrows } from "../assert.ts";
import { Folder } from "../folder.ts";
import { CUT, makePairs, type Pair, REFUSED } from "./pairs.ts";

const authority = makeAuthority("Test");
const { key, cert } = makeCertificate(authority);

/** The lines of a PEM text. */
const lines = (pem: string) => pem.split(/\s+/).filter((line) => line !== "");

Deno.test("readTls() gives the key, the certificate with its chain, and its dates", () => {
  using folder = new Folder();
  const files = {
    key: folder.write("key", key),
    cert: folder.write("cert", cert),
    chain: folder.write("chain", authority.cert),
  };
  const { begins, expires, ...pem } = readTls(files);
  assertEquals(lines(pem.key), lines(key));
  assertEquals(lines(pem.cert), lines(cert + authority.cert));
  assertEquals([begins < new Date(), expires > new Date()], [true, true]);
  assertEquals(lines(readTls({ ...files, chain: null }).cert), lines(cert));
});

Deno.test("readTls() names every file that it cannot use", () => {
  using folder = new Folder();
  const error = assertThrows(
    () =>
      readTls({
        key: folder.write("key", cert),
        cert: `${folder.path}/missing`,
        chain: folder.write("chain", "text"),
      }),
    TlsError,
  );
  assertEquals(
    error.message.replaceAll(folder.path, ""),
    "ssl.key: /key holds no private key, only CERTIFICATE. Point it at a PEM file that begins " +
      'with -----BEGIN PRIVATE KEY----- or the like. Are "ssl.key" and "ssl.cert" swapped?\n' +
      "ssl.cert: Cannot read /missing: it does not exist. Correct the path or the file's " +
      "permissions.\n" +
      "ssl.chain: /chain holds no certificate. Point it at a PEM file that begins with " +
      "-----BEGIN CERTIFICATE-----.",
  );
});

Deno.test("readTls() looks at every certificate of a file", () => {
  using folder = new Folder();
  const garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  const files = { key: folder.write("key", key), cert: folder.write("cert", cert) };
  const error = assertThrows(
    () => readTls({ ...files, chain: folder.write("chain", authority.cert + garbage) }),
    TlsError,
  );
  assertEquals(error.problems.map((problem) => problem.key), ["ssl.chain"]);
  assertStringIncludes(error.message, "holds certificate 2, which is broken");
});

Deno.test("validityWarning() tells of a certificate that is over, about to be, or not valid yet", () => {
  const material: TlsMaterial = {
    key,
    cert,
    begins: new Date("2030-01-01T00:00:00Z"),
    expires: new Date("2030-04-01T00:00:00Z"),
    missingIssuer: null,
  };
  const said = (now: string) => validityWarning("a.crt", material, Date.parse(now));
  assertStringIncludes(
    said("2029-12-31T23:59:59Z") ?? "",
    "a.crt is valid from 2030-01-01T00:00:00.000Z on: browsers refuse it until then.",
  );
  assertEquals(said("2030-01-01T00:00:00Z"), null);
  assertEquals(said("2030-03-18T00:00:00Z"), null);
  assertStringIncludes(
    said("2030-03-18T00:00:01Z") ?? "",
    "a.crt expires on 2030-04-01T00:00:00.000Z: browsers will refuse it. Renew it.",
  );
  assertStringIncludes(
    said("2030-04-01T00:00:01Z") ?? "",
    "a.crt expired on 2030-04-01T00:00:00.000Z: browsers refuse it. Renew it.",
  );
});

/** Its chain's file holds nothing, and without it the pair serves. */
const UNTRIED = "chain without a certificate";

/** Openssl's client wants keyUsage to allow a signature, with TLS 1.2 only. */
const WITH_TLS_1_3_ONLY = "certificate for encipherment only";

Deno.test("the judgement of each kind of pair is what TLS servers on the runtime do with it", async () => {
  using folder = new Folder();
  const pairs = await makePairs(folder.path);
  const names = pairs.map(({ name }) => name);
  assertEquals([names.length > 70, new Set(names).size], [true, names.length]);
  assertEquals(Object.keys(REFUSED).filter((name) => !names.includes(name)), []);
  for (const pair of pairs) {
    const { name, files } = pair;
    const verdict = await verdictOn(pair);
    const [key, reason] = REFUSED[name] ?? [];
    if (verdict instanceof TlsError) {
      const [problem] = verdict.problems;
      assertEquals(problem?.key, key, `${name}: ${verdict.message}`);
      assertStringIncludes(problem?.message ?? "", reason ?? "?", name);
      if (name === UNTRIED) continue;
      const [rawKey = "", ...raw] = [files.key, files.cert, ...files.chain ? [files.chain] : []]
        .map((path) => Deno.readTextFileSync(path));
      const texts = { key: rawKey, cert: raw.join("\n") };
      assertEquals(isLoaded(texts) && await isServed(texts), false, name);
    } else {
      assertEquals([key, reason], [undefined, undefined], name);
      assertEquals([isLoaded(verdict), await isServed(verdict, name)], [true, true], name);
    }
  }
});

async function verdictOn({ files }: Pair): Promise<TlsMaterial | TlsError> {
  try {
    return await judgeTls(files);
  } catch (error) {
    if (!(error instanceof TlsError)) throw error;
    return error;
  }
}

type Texts = Pick<TlsMaterial, "key" | "cert">;

/** Whether `Deno.serve` and the like take a pair. */
function isLoaded({ key, cert }: Texts): boolean {
  try {
    Deno.listenTls({ hostname: "127.0.0.1", port: 0, key, cert }).close();
    return true;
  } catch {
    return false;
  }
}

/** Whether openssl shakes hands, with both versions of TLS, with a server of `node:tls`. */
async function isServed(texts: Texts, name?: string): Promise<boolean> {
  let server: Server;
  try {
    const secureContext = createSecureContext({ ...texts });
    server = createServer((stream) => {
      const secure = new TLSSocket(stream, { isServer: true, secureContext });
      // A client that refuses it, or that has seen enough.
      for (const each of [stream, secure]) each.on("error", () => {});
      secure.on("end", () => secure.destroy()).resume();
    });
  } catch {
    return false;
  }
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const done = await Promise.all(["-tls1_2", "-tls1_3"].map(async (version) => {
      const { success } = await new Deno.Command("openssl", {
        args: ["s_client", "-connect", `127.0.0.1:${port}`, version],
        stdin: "null",
        stdout: "null",
        stderr: "null",
      }).output();
      return success;
    }));
    return done.join() === (name === WITH_TLS_1_3_ONLY ? "false,true" : "true,true");
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

Deno.test("a judgement needs no permission", async () => {
  using folder = new Folder();
  const module = new URL("../../src/net/tls_trial.ts", import.meta.url);
  const { key: other } = makeCertificate(authority);
  const pairs = JSON.stringify([{ key, cert }, { key: other, cert }]);
  const script = folder.write(
    "script.ts",
    `import { whyUnfit } from "${module}";\n` +
      `for (const pair of ${pairs}) console.log((await whyUnfit(pair))?.about ?? "serves");\n`,
  );
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-config", "--no-prompt", "--no-lock", script],
  }).output();
  const [said, complained] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals(said, "serves\nkey\n", complained);
});

Deno.test("readAuthority() gives all certificates of a file, and nothing else that is in it", () => {
  using folder = new Folder();
  const other = makeAuthority("Other").cert;
  const text = `Ours:\n${authority.cert}-----BEGIN PRIVATE KEY-----\nAAAA\nTheirs:\n${other}`;
  assertEquals(
    readAuthority(folder.write("ca", text)).map(String).flatMap(lines),
    [...lines(authority.cert), ...lines(other)],
  );
});

Deno.test("readAuthority() tells why it cannot use a file", () => {
  using folder = new Folder();
  const garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  const messageOf = (path: string) => {
    const { message } = assertThrows(() => readAuthority(path), TlsError);
    return message.replaceAll(folder.path, "");
  };
  assertEquals(
    messageOf(`${folder.path}/missing`),
    "ssl.ca: Cannot read /missing: it does not exist. Correct the path or the file's permissions.",
  );
  const wanted = "Point it at a PEM file that begins with -----BEGIN CERTIFICATE-----.";
  for (
    const [text, clause] of [
      ["text", `holds no certificate. ${wanted}`],
      ["", `is empty. ${CUT}; if it stays so, write it anew.`],
      [key, `holds no certificate, only RSA PRIVATE KEY. ${wanted}`],
      [
        authority.cert.slice(0, 99),
        `ends within its CERTIFICATE. ${CUT}; if it stays so, write it anew.`,
      ],
      [garbage, "holds certificate 1, which is broken. Write it anew."],
      [authority.cert + garbage, "holds certificate 2, which is broken. Write it anew."],
    ] as const
  ) assertEquals(messageOf(folder.write("ca", text)), `ssl.ca: /ca ${clause}`);
});

const pinned = makeSelfSigned({ isAuthority: false });
const expired = makeSelfSigned({ isAuthority: true, validMs: -60_000 });
const pinnedAuthority = makeSelfSigned({ isAuthority: true });
const expiredPinned = makeSelfSigned({ isAuthority: false, validMs: -60_000 });

for (
  const [what, ca, server, refusal] of [
    ["an authority's certificate", authority, { key, cert }, null],
    ["an expired authority's certificate", expired, makeCertificate(expired), null],
    ["a certificate that calls itself no authority", pinned, makeCertificate(pinned), null],
    ["a server's own self-signed certificate", pinned, pinned, null],
    [
      "a server's own expired self-signed certificate",
      expiredPinned,
      expiredPinned,
      "certificate expired",
    ],
    [
      "a server's own self-signed certificate that calls itself an authority",
      pinnedAuthority,
      pinnedAuthority,
      "CaUsedAsEndEntity",
    ],
    [
      "a server's own certificate that another has signed",
      { cert },
      { key, cert },
      "UnknownIssuer",
    ],
    ["another authority's certificate", pinnedAuthority, { key, cert }, "UnknownIssuer"],
  ] as const
) {
  Deno.test(`as a peer's authority, ${what} is ${refusal ? "refused" : "accepted"}`, async () => {
    using folder = new Folder();
    const caCerts = readAuthority(folder.write("ca", ca.cert)).map(String);
    assertStringIncludes(await outcomeOf(server, caCerts), refusal ?? "accepted");
  });
}

/** What a connection to a server comes to that these certificates have to vouch for. */
async function outcomeOf(
  { key, cert }: { readonly key: string; readonly cert: string },
  caCerts: string[],
): Promise<string> {
  using listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, key, cert });
  const serving = (async () => {
    using connection = await listener.accept();
    // Its client may refuse it.
    await connection.handshake().catch(() => {});
  })();
  try {
    const { port } = listener.addr;
    using connection = await Deno.connectTls({ hostname: "localhost", port, caCerts });
    await connection.handshake();
    return "accepted";
  } catch (error) {
    return String(error);
  } finally {
    await serving;
  }
}
