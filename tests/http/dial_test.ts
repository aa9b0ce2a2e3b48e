import { connectTrusted, dial } from "../../src/http/dial.ts";
import { RequestError } from "../../src/http/failure.ts";
import { makeAuthority, makeCertificate, makeSelfSigned } from "../acceptance/certificate.ts";
import { assertEquals, assertRejects, assertStringIncludes } from "../assert.ts";

const never = new AbortController().signal;
const authority = makeAuthority("Test");
const NAMED = "--ca";

/** Connects as a command and as the service do, trusting {@linkcode authority}. */
function attempts(host: string, port: number, isSecure: boolean): (() => Promise<unknown>)[] {
  const more = [authority.cert];
  const tls = isSecure ? { by: "authorities", more, named: NAMED } as const : null;
  const trusted = isSecure ? { authorities: more } : null;
  const context = { named: NAMED, redact: String };
  return [
    () => dial({ host, port, tls }, String),
    () => connectTrusted({ hostname: host, port, tls: trusted }, never, context),
  ];
}

/** Resolves with the reason for which each attempt fails: that of a command, and that of the service. */
async function reasons(
  host: string,
  port: number,
  isSecure: boolean = true,
): Promise<[RequestError, RequestError]> {
  const [command, service] = attempts(host, port, isSecure).map((attempt) =>
    assertRejects(attempt, RequestError)
  );
  if (!command || !service) throw new Error("There are two attempts");
  return await Promise.all([command, service]);
}

/** A server at this host's own addresses, with TLS if it has a certificate. */
function serve(tls: { readonly key: string; readonly cert: string } | null) {
  const options = { hostname: "127.0.0.1", port: 0, onListen() {} };
  return Deno.serve({ ...options, ...tls }, () => new Response());
}

const names = (...altNames: readonly Record<string, unknown>[]) => ({
  name: "subjectAltName",
  altNames,
});

for (
  const [what, pair, stage, message, hint] of [
    [
      "whose names do not have the host, although its CN does",
      makeCertificate(
        authority,
        undefined,
        names({ type: 2, value: "a.example" }, {
          type: 7,
          ip: "192.0.2.1",
        }),
      ),
      "certificate",
      "has a certificate for a.example, 192.0.2.1, not for localhost",
      "Name the server by one of these names, or make a certificate whose subjectAltName has localhost. " +
      "The CN of its subject does not count.",
    ],
    [
      "with a CN alone",
      makeCertificate(authority, undefined, { name: "keyUsage", digitalSignature: true }),
      "certificate",
      "has a certificate for no name, not for localhost",
      "Make a certificate whose subjectAltName has localhost.",
    ],
    [
      "that has expired",
      makeCertificate(authority, -60_000),
      "certificate",
      "has a certificate that expired",
      "Renew it",
    ],
    [
      "of another authority",
      makeCertificate(makeAuthority("Other")),
      "certificate",
      "has a certificate of an unknown issuer",
      "name its certificate with --ca",
    ],
    ["that is missing", null, "connection", "does not speak TLS", "give it a certificate"],
  ] as const
) {
  Deno.test(`commands and the service say the same about a certificate ${what}`, async () => {
    await using server = serve(pair);
    for (const error of await reasons("localhost", server.addr.port)) {
      assertEquals(error.stage, stage);
      assertStringIncludes(error.message, message);
      assertStringIncludes(error.hint, hint);
    }
  });
}

Deno.test("commands and the service say the same about a server that cannot be reached", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  for (
    const [host, stage, message] of [
      ["127.0.0.1", "refusal", "refuses the connection: nothing listens there"],
      ["nonexistent.invalid", "name", "has a host name that"],
    ] as const
  ) {
    for (const error of await reasons(host, port, false)) {
      assertEquals(error.stage, stage);
      assertStringIncludes(error.message, message);
    }
  }
});

Deno.test("a certificate that an authority of the reader's own has signed is trusted", async () => {
  await using server = serve(makeCertificate(authority));
  const { port } = server.addr;
  const { socket, certificate } = await dial({
    host: "localhost",
    port,
    tls: { by: "authorities", more: [authority.cert], named: NAMED },
  }, String);
  socket.destroy();
  assertStringIncludes(certificate?.subject ?? "", "localhost");
  const conn = await connectTrusted(
    { hostname: "127.0.0.1", port, tls: { authorities: [authority.cert] } },
    never,
    { named: NAMED, redact: String },
  );
  conn.close();
});

Deno.test("a peer's certificate that calls itself an authority's is told as that", async () => {
  const pair = makeSelfSigned({ isAuthority: true });
  await using server = serve(pair);
  const error = await assertRejects(
    () =>
      connectTrusted(
        { hostname: "localhost", port: server.addr.port, tls: { authorities: [pair.cert] } },
        never,
        { named: '"ssl.ca" of the peer', redact: String },
      ),
    RequestError,
  );
  assertEquals(
    error.clause,
    "has a certificate that calls itself an authority's. Make it with basicConstraints=critical,CA:FALSE",
  );
});
