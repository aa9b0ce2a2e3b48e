import { readTls, TlsError } from "../../src/config/tls.ts";
import { makeAuthority, makeCertificate } from "../acceptance/certificate.ts";
import { assertEquals, assertThrows } from "../assert.ts";
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
