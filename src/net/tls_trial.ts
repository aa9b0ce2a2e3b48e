/**
 * A test of a key and its certificates: the runtime loads them, and does a handshake with itself inside this process.
 *
 * @module
 */

import { duplexPair } from "node:stream";
import { connect, createSecureContext, TLSSocket } from "node:tls";
import { messageOf } from "../text.ts";

/**
 * The time limit of a handshake. In memory it takes some ms; it may take as many seconds in which the process has a
 * turn.
 */
const LIMIT_SECONDS = 10;

/** A PEM key, and its PEM certificate followed by its chain. */
export interface PemPair {
  readonly key: string;
  readonly cert: string;
}

/** The reason why the runtime cannot serve with a pair. */
export interface Unfitness {
  /** The part at fault; `pair` when the runtime does not name it. */
  readonly about: "key" | "certificate" | "chain" | "pair";
  /** A clause whose subject is that part, such as "it is broken". */
  readonly reason: string;
}

/**
 * Returns why the runtime cannot serve with a pair, or `null` when it can. Needs no permission, and costs some 2 ms of
 * processor time.
 *
 * The pair is loaded as `Deno.serve` loads it. Then `node:tls` serves one handshake to the runtime's own client, which
 * does not check dates, names and authorities. Measured on Deno 2.9.6: neither step alone finds everything. `node:tls`
 * serves a certificate of X.509 version 1, with which `Deno.serve` cannot be bound. `Deno.serve` loads a chain that is
 * too long for any client. A handshake with TLS 1.2 beside that with TLS 1.3 finds nothing more.
 */
export async function whyUnfit(pair: PemPair): Promise<Unfitness | null> {
  try {
    // No other call loads a pair in this way without binding a port.
    Deno.createHttpClient(pair).close();
    await shakeHands(pair);
    return null;
  } catch (error) {
    return explain(messageOf(error));
  }
}

/** @throws {Error} The error of the side that ends the handshake. */
async function shakeHands(pair: PemPair): Promise<void> {
  const [here, there] = duplexPair();
  const server = new TLSSocket(here, {
    isServer: true,
    secureContext: createSecureContext(pair),
  });
  const client = connect({
    socket: there,
    servername: "localhost",
    rejectUnauthorized: false,
  });
  const done = Promise.withResolvers<void>();
  // After a stall of the process a timer fires at once, an interval only once.
  let seconds = 0;
  const timer = setInterval(() => {
    if (++seconds === LIMIT_SECONDS) done.reject(new Error("It took too long"));
  }, 1000);
  let sides = 0;
  const ready = () => {
    if (++sides === 2) done.resolve();
  };
  server.once("secure", ready).on("error", done.reject);
  client.once("secureConnect", ready).on("error", done.reject);
  try {
    await done.promise;
  } finally {
    clearInterval(timer);
    for (const stream of [client, server, here, there]) stream.destroy();
  }
}

/** The meanings of the runtime's messages, by a part of each. */
const WORDS: readonly (readonly [string, Unfitness])[] = [
  ["UnsupportedCertVersion", {
    about: "certificate",
    reason: "it is of X.509 version 1, and clients want version 3. Issue it with a subjectAltName",
  }],
  ["UnsupportedCriticalExtension", {
    about: "certificate",
    reason: "it has a critical extension that the runtime does not know. Issue it without",
  }],
  ["failed to parse private key", {
    about: "key",
    reason:
      "it is broken, or of another kind than RSA with 2048 to 8192 bits, P-256, P-384, P-521 and " +
      "Ed25519. Make another, and have a certificate issued for it",
  }],
  // `readTls` compares all keys except those that do not name their curve.
  ["KeyMismatch", {
    about: "key",
    reason:
      "it does not belong to the certificate, or describes its curve in place of naming it. Make " +
      "another, and have a certificate issued for it",
  }],
  ["BadEncoding", { about: "certificate", reason: "it is broken. Write it anew" }],
  ["HandshakePayloadTooLarge", {
    about: "chain",
    reason:
      "it has more than the 64 KiB that clients take. Leave out what does not vouch for the certificate",
  }],
];

function explain(message: string): Unfitness {
  return WORDS.find(([part]) => message.includes(part))?.[1] ??
    { about: "pair", reason: `a handshake with it fails: ${message}` };
}
