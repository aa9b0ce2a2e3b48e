/**
 * Kinds of key pairs, as administrators have them, made with openssl.
 *
 * @module
 */

import type { TlsFiles } from "../../src/config/config.ts";
import type { TlsProblem } from "../../src/net/tls.ts";

/** A pair in files of its own. */
export interface Pair {
  readonly name: string;
  readonly files: TlsFiles;
}

const KIND = "it is broken, or of another kind than RSA with 2048 to 8192 bits";
const PASSWORD = "holds no private key that can be read without a password";
/** What is said of a file that ends too early. */
export const CUT = "It may still be being written";

/** The kinds of {@linkcode makePairs} that are refused, by which key of the configuration and why. */
export const REFUSED: Readonly<Record<string, readonly [TlsProblem["key"], string]>> = {
  "RSA 1024": ["ssl.key", KIND],
  "RSA-PSS key": ["ssl.key", KIND],
  "P-224": ["ssl.key", KIND],
  "secp256k1": ["ssl.key", KIND],
  "brainpoolP256r1": ["ssl.key", KIND],
  "P-256 with explicit parameters": ["ssl.key", "describes its curve in place of naming it"],
  "Ed448": ["ssl.key", KIND],
  "DSA": ["ssl.key", KIND],
  "certificate version 1": ["ssl.cert", "it is of X.509 version 1"],
  "certificate with an unknown critical extension": ["ssl.cert", "it has a critical extension"],
  "authority before the certificate": ["ssl.key", "belongs to certificate 2 in"],
  "chain with a broken certificate": ["ssl.chain", "holds certificate 2, which is broken"],
  "chain without a certificate": ["ssl.chain", "holds no certificate"],
  "chain of 300": ["ssl.chain", "it has more than the 64 KiB that clients take"],
  "key of another": ["ssl.key", "does not belong to certificate"],
  "key and certificate swapped": ["ssl.key", 'Are "ssl.key" and "ssl.cert" swapped?'],
  "encrypted key PKCS#8": ["ssl.key", PASSWORD],
  "encrypted key PKCS#1": ["ssl.key", PASSWORD],
  "UTF-16": ["ssl.cert", "is binary, and PEM is wanted"],
  "DER certificate": ["ssl.cert", "convert it: openssl x509 -inform DER"],
  "DER key": ["ssl.key", "convert it: openssl pkey -inform DER"],
  "empty certificate": ["ssl.cert", "is empty"],
  "empty key": ["ssl.key", "is empty"],
  "half a certificate": ["ssl.cert", CUT],
  "half a key": ["ssl.key", CUT],
  "broken certificate": ["ssl.cert", "holds certificate 1, which is broken"],
  "broken key": ["ssl.key", KIND],
  "TRUSTED CERTIFICATE": ["ssl.cert", "a form of openssl's own"],
  "certificate request": ["ssl.cert", "holds no certificate, only CERTIFICATE REQUEST"],
  "public key": ["ssl.key", "holds no private key, only PUBLIC KEY"],
};

/** What an extension file of openssl gives a server's certificate. */
const LEAF = "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\n";

/** The configuration of `openssl ca`, which alone lets a certificate begin in the future. */
const CA = "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nserial=serial\nnew_certs_dir=.\n" +
  "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n";

const BOM = "\uFEFF";

/** Makes all pairs in a folder. Takes some seconds, most of it for the keys. */
export async function makePairs(folder: string): Promise<readonly Pair[]> {
  const maker = new Maker(folder);
  return [
    ...await maker.keys(),
    ...await maker.certificates(),
    ...await maker.chains(),
    ...await maker.texts(),
  ];
}

/** Makes those of them that differ in their certificates only. */
export function makeCertificates(folder: string): Promise<readonly Pair[]> {
  return new Maker(folder).certificates();
}

/** A pair as texts, or as bytes where it is no text. */
interface Contents {
  readonly key: string | Uint8Array;
  readonly cert: string | Uint8Array;
  readonly chain?: string;
}

class Maker {
  readonly #folder: string;
  #count = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Kinds of keys, each with a certificate that it has signed itself. */
  async keys(): Promise<Pair[]> {
    const kinds: readonly (readonly [string, readonly string[]])[] = [
      ...[1024, 2048, 3072, 4096].map((bits) => [`RSA ${bits}`, rsa(bits)] as const),
      ["RSA with exponent 3", [...rsa(2048), "-pkeyopt", "rsa_keygen_pubexp:3"]],
      ["RSA-PSS key", ["-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"]],
      ...["P-224", "P-256", "P-384", "P-521", "secp256k1", "brainpoolP256r1"].map((curve) =>
        [curve, ec(curve)] as const
      ),
      ["P-256 with explicit parameters", [...ec("P-256"), "-pkeyopt", "ec_param_enc:explicit"]],
      ["Ed25519", ["-algorithm", "ED25519"]],
      ["Ed448", ["-algorithm", "ED448"]],
    ];
    const pairs = await Promise.all(kinds.map(async ([name, args]) => {
      const key = await this.#openssl(["genpkey", ...args]);
      return this.#pair(name, { key, cert: await this.#sign(key) });
    }));
    const parameters = this.#write(await this.#openssl(["dsaparam", "1024"]));
    const key = await this.#openssl(["gendsa", parameters]);
    return [...pairs, this.#pair("DSA", { key, cert: await this.#sign(key) })];
  }

  /** Kinds of certificates, most of them for the same key. */
  async certificates(): Promise<Pair[]> {
    const key = await this.#openssl(["genpkey", ...ec("P-256")]);
    const rsaKey = await this.#openssl(["genpkey", ...rsa(2048)]);
    const kinds: readonly (readonly [string, readonly string[], string])[] = [
      ["version 1", [], ""],
      ["expired", ["-days", "-1"], LEAF],
      ["that calls itself an authority", [], "basicConstraints=critical,CA:TRUE\n"],
      ["without subjectAltName", [], "basicConstraints=CA:FALSE\n"],
      ["with an unknown critical extension", [], `${LEAF}1.2.3.4=critical,DER:0500\n`],
      ["with an unknown extension", [], `${LEAF}1.2.3.4=DER:0500\n`],
      ["for encipherment only", [], `${LEAF}keyUsage=critical,keyEncipherment\n`],
      ["for clients only", [], `${LEAF}extendedKeyUsage=critical,clientAuth\n`],
    ];
    return await Promise.all([
      ...kinds.map(async ([name, args, extensions]) =>
        this.#pair(`certificate ${name}`, {
          key,
          cert: await this.#sign(key, extensions, args),
        })
      ),
      ...["md5", "sha1", "sha512"].map(async (digest) =>
        this.#pair(`signed with ${digest.toUpperCase()}`, {
          key: rsaKey,
          cert: await this.#sign(rsaKey, LEAF, [`-${digest}`]),
        })
      ),
      (async () => {
        const args = ["-sigopt", "rsa_padding_mode:pss"];
        const cert = await this.#sign(rsaKey, LEAF, args);
        return this.#pair("signed with RSA-PSS", { key: rsaKey, cert });
      })(),
      (async () => {
        const cert = await this.#signFuture(key);
        return this.#pair("certificate not yet valid", { key, cert });
      })(),
    ]);
  }

  /** A certificate with those that vouch for it, in orders and numbers of all kinds. */
  async chains(): Promise<Pair[]> {
    const [key, upper, lower] = await Promise.all(
      [1, 2, 3].map(() => this.#openssl(["genpkey", ...ec("P-256")])),
    ) as [string, string, string];
    const authority = "basicConstraints=critical,CA:TRUE\n";
    const root = await this.#sign(upper, authority, [], "Root");
    const between = await this.#sign(lower, authority, this.#issuer(root, upper), "Between");
    const cert = await this.#sign(key, LEAF, this.#issuer(between, lower));
    const foreign = await this.#openssl(["genpkey", ...ec("P-256")]);
    const cases: readonly (readonly [string, Contents])[] = [
      ["chain in a file of its own", { key, cert, chain: between + root }],
      ["chain in the certificate's file", { key, cert: cert + between + root }],
      ["chain upside down", { key, cert, chain: root + between }],
      ["chain twice", { key, cert: cert + between, chain: between }],
      ["chain of others", { key, cert, chain: await this.#sign(foreign) }],
      ["authority before the certificate", { key, cert: between + cert }],
      ["chain with a broken certificate", { key, cert, chain: between + broken(root) }],
      ["chain without a certificate", { key, cert, chain: "text\n" }],
      ["chain of 30", { key, cert, chain: between.repeat(30) }],
      ["chain of 300", { key, cert, chain: between.repeat(300) }],
      ["key of another", { key: foreign, cert }],
      ["key and certificate swapped", { key: cert, cert: key }],
    ];
    return cases.map(([name, contents]) => this.#pair(name, contents));
  }

  /** One good pair, in files of all kinds. */
  async texts(): Promise<Pair[]> {
    const key = await this.#openssl(["genpkey", ...rsa(2048)]);
    const cert = await this.#sign(key);
    const ecKey = await this.#openssl(["genpkey", ...ec("P-256")]);
    const ecCert = await this.#sign(ecKey);
    const keyFile = this.#write(key);
    const ecKeyFile = this.#write(ecKey);
    const certFile = this.#write(cert);
    const sec1 = await this.#openssl(["ec", "-in", ecKeyFile]);
    const parameters = await this.#openssl(["ecparam", "-name", "prime256v1"]);
    const encrypted = ["-in", keyFile, "-aes256", "-passout", "pass:secret"];
    const indented = (text: string) => text.replaceAll(/^/gm, "    ");
    const crlf = (text: string) => text.replaceAll("\n", "\r\n");
    const around = (text: string) =>
      `Bag Attributes\n    localKeyID: 01\nsubject=CN = localhost\n${text}\nThat was it.`;
    const half = (text: string) => text.slice(0, text.length / 2);
    const cases: readonly (readonly [string, Contents])[] = [
      ["key PKCS#8", { key, cert }],
      ["key PKCS#1", { key: await this.#openssl(["rsa", "-in", keyFile, "-traditional"]), cert }],
      ["key SEC1", { key: sec1, cert: ecCert }],
      ["key SEC1 without its public half", {
        key: await this.#openssl(["ec", "-in", ecKeyFile, "-no_public"]),
        cert: ecCert,
      }],
      ["EC PARAMETERS before the key", { key: parameters + sec1, cert: ecCert }],
      ["encrypted key PKCS#8", {
        key: await this.#openssl(["pkcs8", "-topk8", ...pkcs8(keyFile)]),
        cert,
      }],
      ["encrypted key PKCS#1", {
        key: await this.#openssl(["rsa", ...encrypted, "-traditional"]),
        cert,
      }],
      ["byte order mark before the key", { key: BOM + key, cert }],
      ["byte order mark before the certificate", { key, cert: BOM + cert }],
      ["byte order mark before an EC certificate", { key: ecKey, cert: BOM + ecCert }],
      ["UTF-16", { key, cert: utf16(cert) }],
      ["indented", { key: indented(key), cert: indented(cert) }],
      ["CRLF", { key: crlf(key), cert: crlf(cert) }],
      ["spaces at the ends of lines", {
        key: key.replaceAll("\n", "  \n"),
        cert: cert.replaceAll("\n", "\t\n"),
      }],
      ["without line breaks in the body", { key: joined(key), cert: joined(cert) }],
      ["text around", { key: around(key), cert: around(cert) }],
      ["dump of openssl x509 -text", {
        key,
        cert: await this.#openssl(["x509", "-text", "-in", certFile]),
      }],
      ["key and certificate in one file", { key: key + cert, cert: key + cert }],
      ["certificate and key in one file", { key: cert + key, cert: cert + key }],
      ["two keys in a file", { key: key + ecKey, cert }],
      ["another key first in the file", { key: ecKey + key, cert }],
      ["DER certificate", { key, cert: der(cert) }],
      ["DER key", { key: der(key), cert }],
      ["empty certificate", { key, cert: "" }],
      ["empty key", { key: "", cert }],
      ["half a certificate", { key, cert: half(cert) }],
      ["half a key", { key: half(key), cert }],
      ["broken certificate", { key, cert: broken(cert) }],
      ["broken key", { key: broken(key), cert }],
      ["TRUSTED CERTIFICATE", {
        key,
        cert: await this.#openssl(["x509", "-trustout", "-in", certFile]),
      }],
      ["X509 CERTIFICATE", { key, cert: cert.replaceAll("CERTIFICATE", "X509 CERTIFICATE") }],
      ["certificate request", {
        key,
        cert: await this.#openssl(["req", "-new", "-key", keyFile, "-subj", "/CN=localhost"]),
      }],
      ["public key", { key: await this.#openssl(["pkey", "-in", keyFile, "-pubout"]), cert }],
    ];
    return cases.map(([name, contents]) => this.#pair(name, contents));
  }

  #pair(name: string, { key, cert, chain }: Contents): Pair {
    return {
      name,
      files: {
        key: this.#write(key),
        cert: this.#write(cert),
        chain: chain === undefined ? null : this.#write(chain),
      },
    };
  }

  /** The arguments of `openssl x509` that have another key sign. */
  #issuer(cert: string, key: string): string[] {
    return ["-CA", this.#write(cert), "-CAkey", this.#write(key), "-CAcreateserial"];
  }

  /** A certificate for a key: with these extensions, by the key itself unless `args` say otherwise. */
  async #sign(
    key: string,
    extensions: string = LEAF,
    args: readonly string[] = [],
    name: string = "localhost",
  ): Promise<string> {
    const keyFile = this.#write(key);
    const request = this.#write(await this.#request(keyFile, name));
    const by = args.includes("-CA") ? [] : ["-signkey", keyFile];
    const length = args.includes("-days") ? [] : ["-days", "30"];
    const more = extensions === "" ? [] : ["-extfile", this.#write(extensions)];
    return await this.#openssl(
      ["x509", "-req", "-in", request, ...by, ...length, ...more, ...args],
    );
  }

  #request(keyFile: string, name: string): Promise<string> {
    return this.#openssl(["req", "-new", "-key", keyFile, "-subj", `/CN=${name}`]);
  }

  /** A certificate that begins in the year 2090. */
  async #signFuture(key: string): Promise<string> {
    const folder = `${this.#folder}/ca`;
    Deno.mkdirSync(folder);
    for (const [name, text] of [["index", ""], ["serial", "01\n"], ["cnf", CA], ["ext", LEAF]]) {
      Deno.writeTextFileSync(`${folder}/${name}`, text ?? "");
    }
    const keyFile = this.#write(key);
    const request = this.#write(await this.#request(keyFile, "localhost"));
    const args = ["ca", "-batch", "-notext", "-config", "cnf", "-extfile", "ext", "-selfsign"];
    const dates = ["-startdate", "20900101000000Z", "-enddate", "20910101000000Z"];
    return await this.#openssl([...args, "-keyfile", keyFile, "-in", request, ...dates], folder);
  }

  #write(contents: string | Uint8Array): string {
    const path = `${this.#folder}/${this.#count++}`;
    if (typeof contents === "string") Deno.writeTextFileSync(path, contents);
    else Deno.writeFileSync(path, contents);
    return path;
  }

  async #openssl(args: readonly string[], cwd: string = this.#folder): Promise<string> {
    const { code, stdout, stderr } = await new Deno.Command("openssl", {
      args: [...args],
      cwd,
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    if (code !== 0) throw new Error(`openssl ${args.join(" ")}: ${decoder.decode(stderr)}`);
    return decoder.decode(stdout);
  }
}

function rsa(bits: number): string[] {
  return ["-algorithm", "RSA", "-pkeyopt", `rsa_keygen_bits:${bits}`];
}

function ec(curve: string): string[] {
  return ["-algorithm", "EC", "-pkeyopt", `ec_paramgen_curve:${curve}`];
}

function pkcs8(keyFile: string): string[] {
  return ["-in", keyFile, "-passout", "pass:secret"];
}

/** The bytes of the first block. */
function der(pem: string): Uint8Array {
  const body = pem.split("-----")[2] ?? "";
  return Uint8Array.from(atob(body.replaceAll("\n", "")), (each) => each.charCodeAt(0));
}

/** A text as an editor writes that calls UTF-16 "Unicode". */
function utf16(text: string): Uint8Array {
  const units = Uint16Array.from(BOM + text, (each) => each.charCodeAt(0));
  return new Uint8Array(units.buffer);
}

/** A block whose body is one line. */
function joined(pem: string): string {
  const [before, begin, body = "", end] = pem.split("-----");
  return `${before}-----${begin}-----\n${body.replaceAll("\n", "")}\n-----${end}-----\n`;
}

/** A block some of whose bytes are others. */
function broken(pem: string): string {
  const [before, begin, body = "", end] = pem.split("-----");
  const middle = Math.floor(body.length / 2);
  return `${before}-----${begin}-----${body.slice(0, 8)}AAAAAAAA${body.slice(16, middle)}${
    body.slice(middle)
  }-----${end}-----\n`;
}
