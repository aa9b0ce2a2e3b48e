/**
 * `aphlict send` and `aphlict listen`, as an administrator types them.
 */

import { UNPRINTABLE } from "../../src/text.ts";
import { assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { Folder } from "../folder.ts";
import { makeAuthority, makeCertificate, makeSelfSigned } from "../acceptance/certificate.ts";
import { Browser } from "../acceptance/browser.ts";
import { peersOf } from "../acceptance/cluster.ts";
import { aphlict, launch, serve } from "../acceptance/command.ts";
import { Link } from "../acceptance/link.ts";
import { freePorts } from "../acceptance/ports.ts";
import { type Process } from "../acceptance/process.ts";
import { APHLICT } from "../acceptance/program.ts";
import { peerAt, publish, run, writeConfig, type Written } from "../acceptance/server.ts";
import { until } from "../acceptance/until.ts";

const TOKEN = "a-token-that-nobody-guesses";

/** Starts `listen`, and waits until it is subscribed. */
async function listen({ path }: Written, ...args: readonly string[]): Promise<Process> {
  const process = launch("listen", "--config", path, ...args);
  await process.line(/^listening$/);
  return process;
}

/** The lines of `listen` that are messages. */
function messages({ output }: Process): string[] {
  return output.split("\n").filter((line) => line !== "" && line !== "listening");
}

/** A configuration with TLS on both servers. */
function writeTls(folder: Folder, { key, cert }: { readonly key: string; readonly cert: string }) {
  const [client = 0, admin = 0] = freePorts(2);
  const tls = { "ssl.key": folder.write("a.key", key), "ssl.cert": folder.write("a.crt", cert) };
  const { path } = writeConfig(folder, {
    servers: [
      { type: "client", port: client, listen: "0.0.0.0", ...tls },
      { type: "admin", port: admin, ...tls },
    ],
  });
  return { path, client, admin };
}

Deno.test("what is sent to a topic arrives at who listens for it, as a line with its type", async () => {
  using folder = new Folder();
  const written = writeConfig(folder);
  await using _service = await serve(written);
  await using listening = await listen(written, "PHID-A", "PHID-B");
  const sent = await aphlict(
    ...["send", "--config", written.path, "--to", "PHID-B,PHID-C", '{"type":"notification"}'],
  );
  assertEquals(sent.code, 0, sent.output);
  assertMatch(
    sent.output,
    /^Sent to PHID-B, PHID-C: received by server \w{16}\.\nHere 1 browser got it\.$/,
  );
  const line = await listening.line(/PHID-B/);
  assertMatch(line, /^\[\d{4}-\d\d-\d\dT\S+\] notification: \{"type":"notification",.*\}$/);
  listening.kill("SIGINT");
  assertEquals((await listening.ended()).code, 0);
});

Deno.test("listen is of one instance, and so is send", async () => {
  using folder = new Folder();
  const written = writeConfig(folder);
  await using _service = await serve(written);
  await using listening = await listen(written, "--instance", "acme", "--json", "A");
  const send = (...args: string[]) =>
    aphlict("send", "--config", written.path, "--to", "A", ...args);
  assertEquals((await send('{"n":1}')).code, 0);
  assertEquals((await send("--instance", "acme", '{"n":2}')).code, 0);
  assertEquals(JSON.parse(await listening.line(/"n"/)).n, 2);
  listening.kill("SIGTERM");
  assertEquals((await listening.ended()).code, 0);
  assertEquals(messages(listening).length, 1);
});

Deno.test("listen --replay begins with what is remembered", async () => {
  using folder = new Folder();
  const written = writeConfig(folder);
  await using _service = await serve(written);
  for (const n of [1, 2]) await publish(written.admin, { subscribers: ["A"], n });
  await using listening = await listen(written, "--json", "--replay", "30", "A");
  await publish(written.admin, { subscribers: ["A"], n: 3 });
  await listening.line(/"n":3/);
  assertEquals(messages(listening).map((line) => JSON.parse(line).n), [1, 2, 3]);
});

for (const format of [[], ["--json"]]) {
  Deno.test(`what is sent to steer a terminal is shown, and steers nothing (${format})`, async () => {
    using folder = new Folder();
    const written = writeConfig(folder);
    await using _service = await serve(written);
    await using listening = await listen(written, ...format, "A");
    const text = "\x1b[2J\u202e\u009b31m\u2028";
    await publish(written.admin, { type: `x${text}`, subscribers: ["A"], text, end: 1 });
    const line = await listening.line(/"end"/);
    assertEquals(line.match(UNPRINTABLE), null);
    if (format.length > 0) assertEquals(JSON.parse(line).text, text);
  });
}

Deno.test("both speak TLS, whatever names the certificate has, as long as it is the configured one", async () => {
  using folder = new Folder();
  const written = writeTls(folder, makeSelfSigned({ isAuthority: true }));
  await using _service = await serve(written);
  await using listening = await listen(written, "A");
  const sent = await aphlict("send", "--config", written.path, "--to", "A");
  assertEquals(sent.code, 0, sent.output);
  await listening.line(/ test: /);
  // What another program on the port would have is another one than the file's.
  folder.write("a.crt", makeSelfSigned({ isAuthority: true }).cert);
  const { code, output } = await aphlict("send", "--config", written.path, "--to", "A");
  assertEquals(code, 1);
  assertMatch(
    output,
    /^Cannot send: https:\S+ shows another certificate than that in \S+a\.crt\. /,
  );
});

Deno.test("a public address has to have a certificate that a browser trusts", async () => {
  using folder = new Folder();
  const authority = makeAuthority("Test");
  const written = writeTls(folder, makeCertificate(authority));
  await using _service = await serve(written);
  const url = `wss://localhost:${written.client}/`;
  const refused = await aphlict("listen", "--url", url, "A");
  assertEquals(refused.code, 1);
  assertMatch(refused.output, /^wss:\S+ has a certificate of an unknown issuer \(CN=Test\)\. /);
  const ca = folder.write("ca.pem", authority.cert);
  await using listening = await listen(written, "--url", url, "--ca", ca, "A");
  assertEquals((await aphlict("send", "--config", written.path, "--to", "A")).code, 0);
  await listening.line(/ test: /);
});

Deno.test("send has the token of the admin server, and says so where it has another", async () => {
  using folder = new Folder();
  const [client = 0, admin = 0] = freePorts(2);
  const file = folder.write("token", TOKEN);
  const written = writeConfig(folder, {
    servers: [
      { type: "client", port: client, listen: "127.0.0.1" },
      { type: "admin", port: admin, "token.file": file },
    ],
  });
  await using _service = await serve(written);
  const send = () => aphlict("send", "--config", written.path, "--to", "A");
  assertEquals((await send()).code, 0);
  folder.write("token", `${TOKEN}-another`);
  const wrong = await send();
  assertEquals(wrong.code, 1);
  assertMatch(wrong.output, /^Cannot send: http:\S+ answers 401: The token is not the one/);
  Deno.removeSync(file);
  const without = await send();
  assertEquals(without.code, 1);
  assertMatch(without.output, /^Cannot send: Token file \S+ does not exist\. Make it: /);
});

Deno.test("listen sends an Origin that is admitted, and says so when another one is not", async () => {
  using folder = new Folder();
  const [client = 0, admin = 0] = freePorts(2);
  const origins = ["https://*.example.com"];
  const written = writeConfig(folder, {
    servers: [
      { type: "client", port: client, listen: "127.0.0.1", origins },
      { type: "admin", port: admin },
    ],
  });
  await using _service = await serve(written);
  await using _listening = await listen(written, "A");
  const { code, output } = await aphlict(
    ...["listen", "--config", written.path, "--origin", "https://example.org", "A"],
  );
  assertEquals(code, 1);
  assertMatch(output, /^ws:\S+ answers 403: the Origin https:\/\/example\.org may not connect\. /);
});

Deno.test("listen and send fail with the reason when the service is not there", async () => {
  using folder = new Folder();
  const written = writeConfig(folder);
  for (const args of [["listen", "A"], ["send", "--to", "A"]]) {
    const { code, output } = await aphlict(...args, "--config", written.path);
    assertEquals(code, 1);
    assertStringIncludes(output, "refuses the connection: nothing listens there");
  }
});

Deno.test("listen comes back when the network does, and shows what it has missed, each message once", async () => {
  using folder = new Folder();
  const written = writeConfig(folder);
  await using _service = await serve(written);
  const [port = 0] = freePorts(1);
  await using link = new Link(port, written.client);
  await using listening = launch("listen", "--json", "--url", `ws://127.0.0.1:${port}/`, "A");
  await listening.line(/^listening$/);
  const send = (n: number, more: object = {}) =>
    publish(written.admin, { subscribers: ["A"], n, ...more });
  await send(1);
  await send(1);
  await send(2, { uniqueID: "two" });
  await listening.line(/"n":2/);
  link.cut();
  await listening.line(/^Disconnected: ws:\S+ closed the connection\.$/);
  await send(3);
  await send(4, { uniqueID: "four" });
  await listening.line(/^Still disconnected: ws:\S+ refuses the connection/);
  link.heal();
  await listening.line(/^Connected again after \d+\.\d s\. /);
  await send(5);
  await listening.line(/"n":5/);
  const shown = listening.output.split("\n").filter((line) => line.startsWith("{"));
  assertEquals(shown.map((line) => JSON.parse(line).n).sort(), [1, 1, 2, 3, 4, 5]);
  listening.kill("SIGINT");
  assertEquals((await listening.ended()).code, 0);
});

Deno.test("listen goes on when the service is started again, and can be interrupted meanwhile", async () => {
  using folder = new Folder();
  const written = writeConfig(folder, { drain: 0 });
  await using listening = await (async () => {
    await using service = await serve(written);
    const listening = await listen(written, "A");
    service.kill("SIGTERM");
    await service.ended();
    return listening;
  })();
  await listening.line(/^Disconnected: ws:\S+ ended the connection with 1001/);
  {
    await using _service = await serve(written);
    await listening.line(/^Connected again after /);
    await publish(written.admin, { type: "news", subscribers: ["A"] });
    await listening.line(/ news: /);
  }
  await listening.line(
    /^Still disconnected: ws:\S+ refuses the connection: nothing listens there\.$/,
  );
  listening.kill("SIGTERM");
  assertEquals((await listening.ended()).code, 0);
});

Deno.test("send tells how many browsers got a message, here and at peers", async () => {
  const [down = 0] = freePorts(1);
  await using far = await run();
  await using near = await run({ cluster: () => [peerAt(far.admin), peerAt(down)] });
  await using _here = await Browser.open(near.client, { topics: ["A"] });
  await using _there = await Browser.open(far.client, { topics: ["A"] });
  await using _also = await Browser.open(far.client, { topics: ["A", "B"] });
  await until(async () => (await peersOf(near.admin))[0]?.state === "up");
  const send = (...args: string[]) =>
    aphlict("send", "--config", `${near.folder}/aphlict.json`, ...args);
  const { code, output } = await send("--to", "A");
  assertEquals(code, 0, output);
  assertEquals(output.split("\n").slice(1), [
    "Here 1 browser got it.",
    `At http://127.0.0.1:${far.admin}/ 2 browsers got it.`,
    `Peer http://127.0.0.1:${down}/ is not up: the message waits for it, for a minute at most.`,
  ]);
  assertStringIncludes((await send("--to", "C")).output, "Here no browser got it.");
  assertEquals((await send("--to", "A", '{"uniqueID":"u"}')).code, 0);
  assertMatch(
    (await send("--to", "A", '{"uniqueID":"u"}')).output,
    /^No browser got it: the server has had a message with this uniqueID/m,
  );
});

Deno.test("send does not wait for a peer that takes a message and says nothing", async () => {
  await using mute = await run();
  await using near = await run({ cluster: () => [peerAt(mute.admin)] });
  await until(async () => (await peersOf(near.admin))[0]?.state === "up");
  mute.process.kill("SIGSTOP");
  const { code, output } = await aphlict(
    ...["send", "--config", `${near.folder}/aphlict.json`, "--to", "A"],
  );
  assertEquals(code, 0, output);
  assertMatch(output, /^Peer http:\S+ has not said how many browsers got it\.$/m);
});

Deno.test("Phorge and peers get the original's receipt, to the byte", async () => {
  await using service = await run();
  for (const headers of [{}, { "aphlict-fingerprint": "abc" }]) {
    const response = await fetch(`http://127.0.0.1:${service.admin}/`, {
      method: "POST",
      body: '{"subscribers":["A"]}',
      headers,
    });
    assertMatch(await response.text(), /^\{"fingerprint":"\w{16}"\}$/);
  }
});

/** Runs `send` with something on its standard input. */
async function pipe(input: string, ...args: readonly string[]): Promise<string> {
  const child = new Deno.Command(APHLICT, {
    args: ["send", ...args],
    ...{ stdin: "piped", stdout: "piped", stderr: "piped" },
    env: { DENO: Deno.execPath() },
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { stdout, stderr } = await child.output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

Deno.test("send takes the message from standard input, or a text that looks like an option", async () => {
  using folder = new Folder();
  const written = writeConfig(folder);
  await using _service = await serve(written);
  await using listening = await listen(written, "--json", "A");
  const to = ["--config", written.path, "--to", "A"];
  const said = await pipe(`{"type":"x","n":"${"é".repeat(50_000)}"}\n`, ...to, "-");
  assertMatch(said, /^Sent to A: /);
  assertEquals(JSON.parse(await listening.line(/"type":"x"/)).n.length, 50_000);
  assertMatch(await pipe("a text\n", ...to, "-"), /^Sent to A: /);
  assertEquals(JSON.parse(await listening.line(/a text/)).text, "a text");
  const sent = await aphlict("send", ...to, "--", "-h");
  assertEquals([sent.code, /^Sent to A: /.test(sent.output)], [0, true], sent.output);
  assertEquals(JSON.parse(await listening.line(/"-h"/)).text, "-h");
});

Deno.test("listen tells of another program at the port of the configuration", async () => {
  using folder = new Folder();
  const written = writeConfig(folder);
  // One for all: that a server of `Deno.serve` has ended does not mean that its port is free.
  let answer = 0;
  await using _web = Deno.serve(
    { hostname: "127.0.0.1", port: written.client, onListen() {} },
    () => new Response("<html>", { status: answer }),
  );
  for (const status of [200, 404, 502]) {
    answer = status;
    const { code, output } = await aphlict("listen", "--config", written.path, "A");
    assertEquals(code, 1);
    assertMatch(
      output,
      new RegExp(
        `^ws:\\S+ answers ${status}, which no client port does\\. Another program has the port`,
      ),
    );
  }
});

Deno.test("send prefers an admin server whose token it can read, and goes on to the next one", async () => {
  using folder = new Folder();
  const [client = 0, first = 0, second = 0, third = 0] = freePorts(4);
  const unreadable = folder.write("token", TOKEN);
  const written = writeConfig(folder, {
    servers: [
      { type: "client", port: client, listen: "127.0.0.1" },
      { type: "admin", port: first, "token.file": unreadable },
      { type: "admin", port: second, "limit.message": 1024 },
      { type: "admin", port: third },
    ],
  });
  await using _service = await serve(written);
  Deno.removeSync(unreadable);
  const { code, output } = await aphlict(
    ...["send", "--config", written.path, "--to", "A", JSON.stringify({ x: "x".repeat(2000) })],
  );
  assertEquals(code, 0, output);
});

Deno.test("a message that the server does not take is refused with its reason", async () => {
  using folder = new Folder();
  const [client = 0, admin = 0] = freePorts(2);
  const written = writeConfig(folder, {
    servers: [
      { type: "client", port: client, listen: "127.0.0.1" },
      { type: "admin", port: admin, "limit.message": 1024 },
    ],
  });
  await using _service = await serve(written);
  const { code, output } = await aphlict(
    ...["send", "--config", written.path, "--to", "A", JSON.stringify({ x: "x".repeat(2000) })],
  );
  assertEquals(code, 1);
  assertMatch(output, /answers 413: The body is longer than 1024 bytes\. Send a shorter message/);
});

Deno.test("what makes no sense is wrong usage", async () => {
  for (
    const [args, reason] of [
      [["listen"], '"listen" needs TOPIC.\n'],
      [["listen", "--replay", "soon", "A"], '"--replay soon"'],
      [["listen", "--url", "https://a.example/", "A"], "wss://"],
      [["listen", "--origin", "x\n\x1b[31m", "A"], '"--origin x\\u{a}\\u{1b}[31m" is no origin'],
      [["doctor", "--origin", "x\n\x1b[31m"], "is no origin of a page. Write it as https://"],
      [["send", "--to", "A", "{nonsense"], "The message is not JSON"],
      [["send"], "--to TOPIC"],
      [["send", "--to", "A", "{}", "{}"], '"send" does not take "{}"'],
    ] as const
  ) {
    const [verb, ...rest] = args;
    const { code, output } = await aphlict(verb, "--config=conf/aphlict.local.json", ...rest);
    assertEquals(code, 2, output);
    assertStringIncludes(output, reason);
  }
});
