/**
 * The versions, ciphers and groups of TLS that are taken and refused, as docs/security.md lists them, in the
 * eyes of `openssl s_client`.
 */

import { assertEquals } from "../assert.ts";
import { Folder } from "../folder.ts";
import { must } from "./process.ts";
import { ROOT } from "./program.ts";
import { run } from "./server.ts";

/** The words of code in the column "taken" of a row of the guide. */
function taken(row: string): string[] {
  const guide = Deno.readTextFileSync(`${ROOT}docs/security.md`);
  const line = guide.split("\n").find((line) => line.startsWith(`| ${row} `)) ?? "";
  return [...(line.split("|")[2] ?? "").matchAll(/`([^`]+)`/g)].map(([, word = ""]) => word);
}

/** Runs openssl to its end. */
async function openssl(...args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await new Deno.Command("openssl", { args: [...args], stdin: "null" })
    .output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

/** Returns the cipher of a handshake, or the alert of the refusal. */
async function outcome(port: number, ...args: readonly string[]): Promise<string> {
  const output = await openssl("s_client", "-connect", `127.0.0.1:${port}`, ...args);
  const [, cipher = "(NONE)"] = /^New, \S+, Cipher is (.*)$/m.exec(output) ?? [];
  const [, alert = output] = /alert ([a-z ]+)/.exec(output) ?? [];
  return cipher === "(NONE)" ? alert.trim() : cipher;
}

const KEYS = {
  "RSA": ["rsa:2048"],
  "EC": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
} as const;

for (const [kind, newKey] of Object.entries(KEYS)) {
  Deno.test(`TLS takes what the guide lists with an ${kind} key, and refuses all else`, async () => {
    using folder = new Folder();
    const [key, cert] = [`${folder.path}/key.pem`, `${folder.path}/cert.pem`];
    const to = ["-nodes", "-days", "90", "-subj", "/CN=localhost", "-keyout", key, "-out", cert];
    must("openssl", ["req", "-x509", "-newkey", ...newKey, ...to]);
    const tls = { key: "key.pem", cert: "cert.pem" };
    await using running = await run({
      servers: [
        { type: "client", engine: "socket", tls },
        { type: "client", engine: "serve", keys: { "limit.connections": 1000 }, tls },
        { type: "admin", tls },
      ],
      files: {
        "key.pem": Deno.readTextFileSync(key),
        "cert.pem": Deno.readTextFileSync(cert),
      },
    });
    const ciphers = taken(`TLS 1.2, ${kind} key`);
    const suites = taken("TLS 1.3 ciphers");
    const groups = taken("key exchange");
    assertEquals([ciphers.length, suites.length, groups.length], [3, 3, 3]);
    // A certificate's own curve has to be among the groups of TLS 1.2.
    const anyTls12 = "ALL:COMPLEMENTOFALL:!PSK:!SRP:@SECLEVEL=0";
    const others = `ALL:COMPLEMENTOFALL:!PSK:!SRP:${
      ciphers.map((name) => `!${name}`).join(":")
    }:@SECLEVEL=0`;
    for (const port of running.ports) {
      const found = (...args: string[]) => outcome(port, ...args);
      for (const name of ciphers) assertEquals(await found("-tls1_2", "-cipher", name), name);
      for (const name of suites) assertEquals(await found("-tls1_3", "-ciphersuites", name), name);
      for (const name of groups) {
        assertEquals(suites.includes(await found("-tls1_3", "-groups", name)), true, name);
      }
      assertEquals(await found("-tls1_2", "-cipher", others), "handshake failure");
      assertEquals(await found("-tls1_3", "-groups", "P-521:X448:ffdhe2048"), "handshake failure");
      for (const version of ["-tls1", "-tls1_1"]) {
        assertEquals(await found(version, "-cipher", anyTls12), "handshake failure");
      }
    }
  });
}
