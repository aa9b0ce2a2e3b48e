import { assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { Browser } from "./browser.ts";
import { ENGINES } from "./engines.ts";
import { exchange } from "./raw.ts";
import { publish, residentBytes, run, status } from "./server.ts";

/** Starts a service on each engine, and describes what it does in one test. */
function it(does: string, test: (running: Awaited<ReturnType<typeof run>>) => Promise<void>): void {
  for (const engine of ENGINES) {
    Deno.test(`the admin port on the ${engine} engine ${does}`, async () => {
      await using running = await run({ engine });
      await test(running);
    });
  }
}

async function post(port: number, body: BodyInit): Promise<[number, string | null, unknown]> {
  const response = await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body });
  return [response.status, response.headers.get("content-type"), await response.json()];
}

it("answers a message with a receipt that holds its fingerprint", async ({ admin, process }) => {
  const [, fingerprint] = /fingerprint (\w{16})\.$/.exec(await process.line(/fingerprint/)) ?? [];
  assertEquals(await post(admin, '{"subscribers":[]}'), [200, "application/json", { fingerprint }]);
});

it("answers a message that it has touched with a receipt, and delivers it to nobody", async ({ admin, client }) => {
  await using browser = await Browser.open(client, { topics: ["A"] });
  const fingerprint = await publish(admin, { subscribers: [] });
  assertEquals(
    await publish(admin, { subscribers: ["A"], touched: ["x", fingerprint] }),
    fingerprint,
  );
  assertEquals(await browser.all(), []);
});

it("delivers a message once that Phorge posts twice", async ({ admin, client }) => {
  await using browser = await Browser.open(client, { topics: ["A"] });
  const message = { subscribers: ["A"], uniqueID: "k3j4h5" };
  assertEquals(await publish(admin, message), await publish(admin, message));
  assertEquals((await browser.all()).length, 1);
});

it("adds its fingerprint to those that a message has", async ({ admin, client }) => {
  await using browser = await Browser.open(client, { topics: ["A"] });
  const fingerprint = await publish(admin, { subscribers: ["A"], touched: ["peer"] });
  assertEquals(JSON.parse(await browser.next()).touched, ["peer", fingerprint]);
});

it("answers 400 and JSON to what is no message, and delivers the next one", async ({ admin, client }) => {
  await using browser = await Browser.open(client, { topics: ["A"] });
  for (
    const body of [
      "",
      "garbage",
      "null",
      "[]",
      "{}",
      '{"subscribers":"A"}',
      '{"subscribers":[7]}',
      '\ufeff{"subscribers":["A"]}',
      '{"subscribers":["A"]',
    ]
  ) {
    const [code, type, answer] = await post(admin, body);
    assertEquals([code, type], [400, "application/json"], body);
    assertMatch(JSON.stringify(answer), /^\{"error":".+"\}$/);
  }
  await publish(admin, { subscribers: ["A"] });
  assertEquals((await browser.all()).length, 1);
  browser.command("replay", {});
  assertEquals((await browser.all()).length, 1, "and the history is sound");
});

it("asks for the connection to be closed after 400, and hears the peer's next message", async ({ admin, client }) => {
  await using browser = await Browser.open(client, { topics: ["A"] });
  // The original counts characters, so a message with others than ASCII arrives cut short.
  const cut = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 24\r\n\r\n" +
    '{"subscribers":["A"],"x":"é"}';
  assertMatch(await exchange(admin, cut, /\}$/), /^HTTP\/1\.1 400 [^]*connection: close\r\n/i);
  await publish(admin, { subscribers: ["A"] });
  assertEquals((await browser.all()).length, 1);
});

it("takes a body of exactly the limit and answers 413 to a longer one", async ({ admin }) => {
  const limit = 1024 * 1024;
  const message = (size: number) => {
    const empty = '{"subscribers":[],"x":""}';
    return empty.replace('""', `"${"x".repeat(size - empty.length)}"`);
  };
  assertEquals((await post(admin, message(limit)))[0], 200);
  assertEquals((await post(admin, message(limit + 1)))[0], 413);
});

it("answers 413 to an endless body without a length", async ({ admin }) => {
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(new Uint8Array(65536).fill(120));
    },
  });
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: admin });
  const encoder = new TextEncoder();
  await connection.write(
    encoder.encode("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"),
  );
  const writing = (async () => {
    try {
      for await (const chunk of endless) {
        await connection.write(encoder.encode("10000\r\n"));
        await connection.write(chunk);
        await connection.write(encoder.encode("\r\n"));
      }
    } catch (error) {
      return error;
    }
  })();
  const buffer = new Uint8Array(1024);
  const read = await connection.read(buffer) ?? 0;
  assertMatch(new TextDecoder().decode(buffer.subarray(0, read)), /^HTTP\/1\.1 413 /);
  connection.close();
  await writing;
});

it("keeps a character whole that arrives in two pieces", async ({ admin, client }) => {
  await using browser = await Browser.open(client, { topics: ["A"] });
  const body = new TextEncoder().encode('{"subscribers":["A"],"text":"😀"}');
  const cut = body.indexOf(0xf0) + 2;
  using connection = await Deno.connect({ hostname: "127.0.0.1", port: admin });
  const head = `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`;
  await connection.write(new TextEncoder().encode(head));
  await connection.write(body.subarray(0, cut));
  // An answer to another request shows that the first piece has been read.
  await status(admin);
  await connection.write(body.subarray(cut));
  assertEquals(JSON.parse(await browser.next()).text, "😀");
});

it("answers 400 to a message nested too deeply, and to an instance name that is too long", async ({ admin }) => {
  const deep = `{"subscribers":[],"a":${'{"1":'.repeat(20_000)}1${"}".repeat(20_000)}}`;
  assertEquals((await post(admin, deep))[0], 400);
  const publishTo = (length: number) =>
    fetch(`http://127.0.0.1:${admin}/?instance=${"x".repeat(length)}`, {
      method: "POST",
      body: '{"subscribers":[]}',
    });
  for (const [length, expected] of [[256, 200], [257, 400]] as const) {
    const response = await publishTo(length);
    await response.body?.cancel();
    assertEquals(response.status, expected);
  }
  assertEquals((await status(admin))["messages.in"], 1);
});

it("has 405 for other methods on /, and 404 for other paths, and says what there is", async ({ admin }) => {
  const offers =
    "POST a message to /, or GET /status/, /metrics/, /console/, /health/live or /health/ready";
  for (
    const [method, path, expected] of [
      ["GET", "/", 405],
      ["HEAD", "/", 405],
      ["PUT", "/?instance=x", 405],
      ["GET", "/status//", 404],
      ["GET", "/statuses", 404],
      ["GET", "/console/data/x", 404],
      ["GET", "/favicon.ico", 404],
      ["POST", "/status/", 404],
      ["POST", "/status", 404],
      ["POST", "/console", 404],
      ["POST", "/x/", 404],
    ] as const
  ) {
    const response = await fetch(`http://127.0.0.1:${admin}${path}`, { method });
    assertEquals(response.status, expected, `${method} ${path}`);
    assertEquals(
      response.headers.get("allow"),
      expected === 405 ? "POST" : null,
      `${method} ${path}`,
    );
    if (method === "HEAD") continue;
    const { error, ...others } = await response.json();
    assertEquals([others, error.endsWith(`: ${offers}`)], [{}, true], error);
  }
});

it("answers each page with and without the slash at its end", async ({ admin }) => {
  const look = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${admin}${path}`, { redirect: "manual" });
    const { status, headers } = response;
    return [status, headers.get("content-type"), (await response.text()).slice(0, 10)];
  };
  for (
    const path of [
      "/status",
      "/status?instance=x",
      "/metrics",
      "/health/live",
      "/health/ready",
      "/console/data",
      "/console/message?id=1",
    ]
  ) {
    const [name = "", query] = path.split("?");
    const withSlash = `${name}/${query === undefined ? "" : `?${query}`}`;
    assertEquals(await look(path), await look(withSlash), path);
    assertEquals((await look(path))[0], name === "/console/message" ? 404 : 200, path);
  }
  assertEquals((await look("/metrics"))[2], "# HELP aph");
});

/** Where a request is sent on to, and whether the answer says more than that. */
async function redirectOf(port: number, target: string, fields = ""): Promise<[number, string]> {
  const text =
    `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${fields}Connection: close\r\n\r\n`;
  const answer = await exchange(port, text, /\r\n\r\n$|\}$/);
  const [, status] = /^HTTP\/1\.1 (\d+) /.exec(answer) ?? [];
  return [Number(status), /^location: (.*)\r$/mi.exec(answer)?.[1] ?? ""];
}

/** What browsers send when somebody types an address. */
const NAVIGATION =
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n";

it("leads a browser from / to the live page, and nobody else", async ({ admin }) => {
  const page = `http://127.0.0.1:${admin}/console/`;
  for (const path of ["/", "/?instance=x", "/console", "/console?x"]) {
    const init = { headers: { accept: "text/html,application/xhtml+xml,*/*;q=0.8" } };
    const response = await fetch(`http://127.0.0.1:${admin}${path}`, init);
    assertEquals([response.status, response.url], [200, page], path);
    assertMatch(await response.text(), /^<!DOCTYPE html>/i, path);
  }
  // The page asks for what is below its own address.
  assertEquals(await redirectOf(admin, "/console"), [302, "console/"]);
  for (const accept of ["*/*", "text/plain", "application/json, text/htmlx", "text/*"]) {
    assertEquals(await redirectOf(admin, "/", `Accept: ${accept}\r\n`), [405, ""], accept);
  }
  assertEquals(await redirectOf(admin, "/", "Accept: x, Text/HTML;q=0.9\r\n"), [302, "console/"]);
});

it("redirects nowhere but to its own page, whatever the request says", async ({ admin }) => {
  for (
    const [target, expected] of [
      ["/?next=https://evil.example.net/", 302],
      ["/?\\evil.example.net", 302],
      ["//evil.example.net/..", 404],
      ["//evil.example.net", 404],
      ["//evil.example.net/console", 404],
      ["/\\evil.example.net", 404],
      ["/%5cevil.example.net/..", 302],
      ["/%2f/evil.example.net", 404],
      // A browser says so to a proxy alone. The name is one that anybody could have lead here.
      ["http://evil.example.net/", 403],
      ["http://evil.example.net/console", 403],
    ] as const
  ) {
    const [status, location] = await redirectOf(admin, target, NAVIGATION);
    // The engine `serve` takes the Host of a request for its own.
    const isExpected = status === expected || target.startsWith("http") && status === 302;
    assertEquals(
      [isExpected, location],
      [true, status === 302 ? "console/" : ""],
      `${target} ${status}`,
    );
  }
});

it("leads nobody to the live page by a name that anybody could have lead here", async ({ admin }) => {
  for (const path of ["/", "/console", "/console/"]) {
    const text = `GET ${path} HTTP/1.1\r\nHost: evil.example.net:${admin}\r\n${NAVIGATION}\r\n`;
    const answer = await exchange(admin, text, /\}$/);
    assertMatch(answer, /^HTTP\/1\.1 403 /, path);
    assertEquals(/^location:/mi.test(answer), false, path);
  }
});

it("tells whoever asks for the live page by a long name as much of it as is of use", async ({ admin }) => {
  const name = `${"x".repeat(60)}.`.repeat(100) + "evil.example.net";
  const answer = await exchange(
    admin,
    `GET / HTTP/1.1\r\nHost: ${name}\r\n${NAVIGATION}\r\n`,
    /\}$/,
  );
  assertMatch(answer, /^HTTP\/1\.1 403 .*not as x{60}\.x[^"]*\.\.\. \(6116 characters\)"\}$/s);
  assertEquals(answer.length < 700, true, `${answer.length}`);
});

it("names method and path of a misdirected request in the log, bounded and printable", async ({ admin, process, log }) => {
  const ask = (method: string, target: string) =>
    exchange(admin, `${method} ${target} HTTP/1.1\r\nHost: x\r\n\r\n`, /\}$/);
  await ask("GET", "/metric?secret=hunter2");
  await process.line(/> Answered 404 to GET \/metric: There is nothing here/);
  await ask("DELETE", "/");
  await process.line(/> Answered 405 to DELETE \/: This method is not for \/: POST a message/);
  await ask("GET", `/${"%0a[now]%1b[31m".repeat(10)}${"x".repeat(8000)}`);
  await process.line(/> Answered 404 to GET \/%0a\[now\]%1b.*x\.\.\. \(8151 characters\): There/);
  await ask("X".repeat(5000), "/x");
  const line = await process.line(/> Answered 404 to XXX/);
  assertEquals(line.length < 700, true, `${line.length}`);
  for (const each of log().trimEnd().split("\n")) assertMatch(each, /^\[[\x20-\x7e]+$/);
  assertEquals(log().includes("hunter2"), false);
});

it("answers 400 to a malformed target", async ({ admin }) => {
  const answer = await exchange(admin, "GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n", /\}$/);
  assertMatch(answer, /^HTTP\/1\.1 400 /);
});

it("shows the status of an instance in the keys and the order of the original, and then its own", async ({ admin }) => {
  const response = await fetch(`http://127.0.0.1:${admin}/status/?instance=__proto__`);
  assertEquals(response.headers.get("content-type"), "application/json");
  const text = await response.text();
  assertMatch(
    text,
    /^\{"instance":"__proto__","uptime":\d+,"clients.active":0,"clients.total":0,"messages.in":0,"messages.out":0,"version":7,"history.size":0,"history.age":null,"fingerprint":"\w{16}","cluster":\[\]\}$/,
  );
  assertEquals((await status(admin, ""))["instance"], "default");
  const head = await fetch(`http://127.0.0.1:${admin}/status/`, { method: "HEAD" });
  assertEquals([head.status, await head.text()], [200, ""]);
});

it("logs what it refused, on one line, whatever the request says", async ({ admin, process, log }) => {
  await post(admin, "x\n[now] ERROR forged");
  await process.line(/Answered 400/);
  for (const line of log().trimEnd().split("\n")) {
    assertMatch(line, /^\[[\d-]{10}T[\d:.]{12}[+-]\d\d:\d\d\] (INFO|WARNING) /);
  }
  assertEquals(/^\[now\]/m.test(log()), false);
  assertStringIncludes(
    log(),
    "Answered 400 to POST /: The body is not JSON: there is something else at character 1.",
  );
});

it("tells of its process as Prometheus' clients do, and as the system does", async ({ admin, process }) => {
  const look = async () => {
    const text = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
    return (name: string) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
  };
  const stat = () => {
    const text = Deno.readTextFileSync(`/proc/${process.pid}/stat`);
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ").map(Number);
    // Fields 14, 15 and 22 of proc(5), in hundredths of a second.
    const [user = NaN, system = NaN, start = NaN] = [fields[11], fields[12], fields[19]];
    return { cpu: (user + system) / 100, start: start / 100 };
  };
  const before = stat();
  const value = await look();
  const after = stat();
  const cpu = value("process_cpu_seconds_total");
  assertEquals(cpu >= before.cpu - 0.02 && cpu <= after.cpu + 0.02, true, `${cpu}`);
  const booted = Number(/^btime (\d+)$/m.exec(Deno.readTextFileSync("/proc/stat"))?.[1]);
  const started = value("process_start_time_seconds") - booted - after.start;
  assertEquals(Math.abs(started) < 5, true, `${started}`);
  const resident = value("process_resident_memory_bytes") / residentBytes({ process });
  assertEquals(resident > 0.8 && resident < 1.25, true, `${resident}`);
  for (let asked = 0; asked < 20; asked++) await look();
  assertEquals((await look())("process_cpu_seconds_total") > cpu, true);
  assertEquals((await look())("process_start_time_seconds"), value("process_start_time_seconds"));
});

it("logs 30 refused requests in a minute, and answers all of them", async ({ admin, log }) => {
  for (let index = 0; index < 100; index++) {
    const response = await fetch(`http://127.0.0.1:${admin}/${index}`);
    assertEquals(response.status, 404);
    await response.body?.cancel();
  }
  assertEquals(log().match(/Answered 404/g)?.length, 30);
  const metrics = await (await fetch(`http://127.0.0.1:${admin}/metrics/`)).text();
  assertMatch(metrics, /^aphlict_refused_requests_total\{[^}]*reason="misdirected"\} 100$/m);
  assertMatch(metrics, /^aphlict_log_left_out_total 70$/m);
});
