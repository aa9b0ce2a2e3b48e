/**
 * Connects to a server as its client, within a time limit, and with TLS if the server speaks it.
 *
 * The service uses {@linkcode connectTrusted}: with the runtime's own TLS the usual authorities need no permission,
 * while the list of them in `node:tls` needs `--allow-sys`. Commands use {@linkcode dial}: `node:tls` shows the
 * certificate, so that they can report its faults, or compare it with a file.
 *
 * @module
 */

import { X509Certificate } from "node:crypto";
import { connect as connectPlain, isIP, type Socket } from "node:net";
import { connect as connectTls, rootCertificates, type TLSSocket } from "node:tls";
import type { Redact } from "../config/redaction.ts";
import { readAuthority, TlsError } from "../net/tls.ts";
import { within } from "../within.ts";
import { certificateFault, explainFailure, type FailureContext, RequestError } from "./failure.ts";

/** The time limit of connecting, and of the next answer, in ms. */
export const TIMEOUT_MS = 5000;

const UNREACHED = new RequestError(
  "connection",
  `cannot be reached within ${TIMEOUT_MS / 1000} s`,
  "Look for a firewall in between, and whether the address is the right one.",
);

/**
 * The error of a server that accepts connections but no TLS. A server that speaks TLS answers at once, unless it has
 * stopped.
 */
const NO_HANDSHAKE = new RequestError(
  "timeout",
  `takes the connection, and does not speak TLS within ${TIMEOUT_MS / 1000} s`,
  "Look what listens there, whether it speaks TLS at all, and whether it still runs.",
);

/** The address of a server to connect to. */
export interface Address {
  /** The address without brackets, or a host name, which is resolved at each connection. */
  readonly hostname: string;
  readonly port: number;
  /** `null`: plain text. */
  readonly tls: {
    /** PEM certificates of authorities to trust beside the usual ones. */
    readonly authorities: readonly string[];
  } | null;
}

/**
 * Connects within {@linkcode TIMEOUT_MS} to a server whose certificate the runtime trusts.
 *
 * @param stop Aborted when the connection is no longer needed.
 * @throws {RequestError} If that is not possible.
 */
export async function connectTrusted(
  { hostname, port, tls }: Address,
  stop: AbortSignal,
  context: Omit<FailureContext, "host">,
): Promise<Deno.Conn> {
  const limit = AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), stop]);
  let conn: Deno.TcpConn | Deno.TlsConn | null = null;
  const giveUp = () => {
    try {
      conn?.close();
    } catch (error) {
      // It has become part of a TLS connection that is not open yet.
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  };
  limit.addEventListener("abort", giveUp);
  try {
    const tcp = await Deno.connect({ hostname, port, signal: limit });
    conn = tcp;
    tcp.setNoDelay();
    if (tls !== null) {
      const secure = await Deno.startTls(tcp, { hostname, caCerts: [...tls.authorities] });
      conn = secure;
      limit.throwIfAborted();
      await secure.handshake();
    }
    limit.throwIfAborted();
    return conn;
  } catch (error) {
    giveUp();
    if (limit.aborted) throw conn === null ? UNREACHED : NO_HANDSHAKE;
    throw explainFailure(error, { ...context, host: hostname });
  } finally {
    limit.removeEventListener("abort", giveUp);
  }
}

/** The rule for accepting a server's certificate. */
export type CertificateTrust =
  /** Any certificate: no secret is sent or received. */
  | { readonly by: "nobody" }
  /** The certificate in this file and no other, with any name: the one that a server of this host has to show. */
  | { readonly by: "file"; readonly path: string }
  /**
   * A certificate that a browser accepts: valid now, for the host, from a known authority or one of these (PEM). An
   * administrator names these with `named`.
   */
  | { readonly by: "authorities"; readonly more: readonly string[]; readonly named: string };

/** A connection of a command. */
export interface Dialed {
  readonly socket: Socket;
  /** The certificate that the server has shown; `null` without TLS. */
  readonly certificate: X509Certificate | null;
  /** Applied to all text of the server before any of it is cut, read or shown. */
  readonly redact: Redact;
}

/**
 * Connects within {@linkcode TIMEOUT_MS}, and checks the certificate.
 *
 * @param address Its `tls` is `null` for plain text.
 * @throws {RequestError} If that cannot be done, or the certificate is not to be trusted.
 */
export async function dial(
  { host, port, tls }: {
    readonly host: string;
    readonly port: number;
    readonly tls: CertificateTrust | null;
  },
  redact: Redact,
): Promise<Dialed> {
  const context = { host, named: tls?.by === "authorities" ? tls.named : "", redact };
  if (tls === null) {
    const socket = await connected(connectPlain({ host, port }), context);
    return { socket, certificate: null, redact };
  }
  // The runtime reports the fault of a certificate, and continues: it is checked below.
  const socket = connectTls({
    host,
    port,
    ...isIP(host) === 0 ? { servername: host } : {},
    rejectUnauthorized: false,
    ...tls.by === "authorities" && tls.more.length > 0
      ? { ca: [...rootCertificates, ...tls.more] }
      : {},
  });
  await connected(socket, context, "secureConnect");
  const certificate = shownBy(socket);
  const fault = certificate === null
    ? new RequestError("certificate", "shows no certificate")
    : tls.by === "nobody"
    ? null
    : tls.by === "file"
    ? otherThanFile(certificate, tls.path)
    : certificateFault(
      certificate,
      socket.authorized ? null : String(socket.authorizationError),
      context,
    );
  if (fault === null) return { socket, certificate, redact };
  socket.destroy();
  throw fault;
}

async function connected<S extends Socket>(
  socket: S,
  context: FailureContext,
  event: string = "connect",
): Promise<S> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let isReached = false;
  socket.once("connect", () => {
    isReached = true;
  });
  socket.once(event, resolve);
  // This handler stays: a later error goes to the reader or the writer, and must not end the process.
  socket.on("error", (error) => reject(explainFailure(error, context)));
  socket.once(
    "close",
    () => reject(new RequestError("connection", "closes the connection at once")),
  );
  if (await within(TIMEOUT_MS, promise)) return socket;
  socket.destroy();
  throw isReached ? NO_HANDSHAKE : UNREACHED;
}

function shownBy(socket: TLSSocket): X509Certificate | null {
  const { raw } = socket.getPeerCertificate(true);
  return raw ? new X509Certificate(raw) : null;
}

/** Returns the error of a certificate that is not the one in a file; `null` when it is. */
function otherThanFile({ fingerprint256 }: X509Certificate, path: string): RequestError | null {
  try {
    return readAuthority(path)[0]?.fingerprint256 === fingerprint256 ? null : new RequestError(
      "certificate",
      `shows another certificate than that in ${path}`,
      "After a renewal `aphlict reload` takes it over at once. Otherwise another program has the port.",
    );
  } catch (error) {
    if (!(error instanceof TlsError)) throw error;
    const message = `speaks TLS, and its certificate cannot be compared. ${
      error.problems[0]?.message
    }`;
    return new RequestError("file", message);
  }
}
