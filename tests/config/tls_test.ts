import { readAuthority, readTls, TlsError } from "../../src/config/tls.ts";
import { makeAuthority, makeCertificate, makeSelfSigned } from "../acceptance/certificate.ts";
import { assertEquals, assertStringIncludes, assertThrows } from "../assert.ts";
import { Folder } from "../folder.ts";

const authority = makeAuthority("Test");
const { key, cert } = makeCertificate(authority);

Deno.test("readTls() gives the key, the certificate with its chain, and its end", () => {
  using folder = new Folder();
  const files = {
    key: folder.write("key", key),
    cert: folder.write("cert", cert),
    chain: folder.write("chain", authority.cert),
  };
  const { expires, ...pem } = readTls(files);
  assertEquals(pem, { key, cert: `${cert}\n${authority.cert}` });
  assertEquals(expires > new Date(), true);
  assertEquals(readTls({ ...files, chain: null }).cert, cert);
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
    "ssl.key: /key holds no private key that can be read without a password. Point it at a PEM " +
      "file that begins with -----BEGIN PRIVATE KEY----- or the like, not ENCRYPTED.\n" +
      "ssl.cert: Cannot read /missing: it does not exist. Correct the path or the file's " +
      "permissions.\n" +
      "ssl.chain: /chain holds no certificate. Point it at a PEM file that begins with " +
      "-----BEGIN CERTIFICATE-----.",
  );
});

Deno.test("readTls() takes key and certificate from one file, in either order", () => {
  using folder = new Folder();
  for (const both of [key + cert, cert + key]) {
    const path = folder.write("both", both);
    const tls = readTls({ key: path, cert: path, chain: null });
    Deno.listenTls({ hostname: "127.0.0.1", port: 0, key: tls.key, cert: tls.cert }).close();
  }
});

Deno.test("readTls() looks at every certificate of a file", () => {
  using folder = new Folder();
  const garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  const files = { key: folder.write("key", key), cert: folder.write("cert", cert) };
  for (const chain of [authority.cert + garbage, cert.replaceAll("CERTIFICATE", "TRUSTED")]) {
    const error = assertThrows(
      () => readTls({ ...files, chain: folder.write("chain", chain) }),
      TlsError,
    );
    assertEquals(error.problems.map((problem) => problem.key), ["ssl.chain"]);
  }
});

Deno.test("readTls() refuses a key that was made for another certificate", () => {
  using folder = new Folder();
  const files = {
    key: folder.write("key", makeCertificate(authority).key),
    cert: folder.write("cert", cert),
    chain: null,
  };
  assertThrows(() => readTls(files), TlsError, "does not belong to certificate");
});

Deno.test("readAuthority() gives all certificates of a file, and nothing else that is in it", () => {
  using folder = new Folder();
  const other = makeAuthority("Other").cert;
  const text = `Ours:\n${authority.cert}-----BEGIN PRIVATE KEY-----\nAAAA\nTheirs:\n${other}`;
  const lines = (pem: string) => pem.split(/\s+/).filter((line) => line !== "");
  assertEquals(
    readAuthority(folder.write("ca", text)).map(String).flatMap(lines),
    [...lines(authority.cert), ...lines(other)],
  );
});

Deno.test("readAuthority() tells why it cannot use a file", () => {
  using folder = new Folder();
  const garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  const noCertificate = "/ca holds no certificate. Point it at a PEM file that begins with " +
    "-----BEGIN CERTIFICATE-----.";
  const messageOf = (path: string) => {
    const { message } = assertThrows(() => readAuthority(path), TlsError);
    return message.replaceAll(folder.path, "");
  };
  assertEquals(
    messageOf(`${folder.path}/missing`),
    "ssl.ca: Cannot read /missing: it does not exist. Correct the path or the file's permissions.",
  );
  for (const text of ["", key, garbage, authority.cert + garbage]) {
    assertEquals(messageOf(folder.write("ca", text)), `ssl.ca: ${noCertificate}`);
  }
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
