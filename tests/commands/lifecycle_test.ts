import { assert, assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { Browser } from "../acceptance/browser.ts";
import { Folder } from "../folder.ts";
import { Process } from "../acceptance/process.ts";
import { ENGINES, testNotOnServe } from "../acceptance/engines.ts";
import { publish, run, writeConfig } from "../acceptance/server.ts";
import { programArguments, serviceArguments } from "../acceptance/program.ts";

for (
  const [signal, engine] of [["SIGTERM", "socket"], ["SIGTERM", "serve"], [
    "SIGINT",
    "socket",
  ]] as const
) {
  Deno.test(`${signal} tells browsers to go away with 1001 and ends the service with 0 (${engine} engine)`, async () => {
    await using running = await run({ engine });
    await using browser = await Browser.open(running.client, { topics: ["A"] });
    running.process.kill(signal);
    assertEquals((await browser.closed).code, 1001);
    assertEquals((await running.process.ended()).code, 0);
    assertMatch(running.log(), new RegExp(`INFO ${signal}: stopping\\.\\n.* INFO Stopped\\.\\n$`));
  });
}

for (const engine of ENGINES) {
  Deno.test(`a stop during a replay delivers the rest of it before 1001 (${engine} engine)`, async () => {
    await using running = await run({ engine });
    const filler = "x".repeat(4000);
    for (let n = 0; n < 500; n++) await publish(running.admin, { subscribers: ["A"], n, filler });
    await using browser = await Browser.open(running.client, { topics: ["A"] });
    browser.command("replay", {});
    const first = await browser.next();
    running.process.kill("SIGTERM");
    assertEquals((await browser.closed).code, 1001);
    assertEquals(JSON.parse(first).n, 0);
    assertEquals(browser.waiting, 499);
    assertEquals((await running.process.ended()).code, 0);
  });
}

for (const engine of ENGINES) {
  Deno.test(`a browser that reads nothing does not keep the service from ending (${engine} engine)`, async () => {
    await using running = await run({ engine });
    using stuck = await Deno.connect({ hostname: "127.0.0.1", port: running.client });
    await stuck.write(new TextEncoder().encode(
      "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    ));
    await stuck.read(new Uint8Array(1024));
    // {"command":"subscribe","data":["A"]} as a text frame with a mask of zeros.
    const command = new TextEncoder().encode('{"command":"subscribe","data":["A"]}');
    await stuck.write(new Uint8Array([0x81, 0x80 | command.length, 0, 0, 0, 0, ...command]));
    await using other = await Browser.open(running.client, { topics: ["B"] });
    const filler = "x".repeat(500_000);
    let published = 0;
    while (!/Ended its connection: \d+ bytes wait for it/.test(running.process.output)) {
      await publish(running.admin, { subscribers: ["A"], filler });
      published++;
      assert(published < 200, "the backlog is bounded");
    }
    await publish(running.admin, { subscribers: ["A", "B"] });
    assertEquals((await other.all()).length, 1, "and the others hear everything");
    running.process.kill("SIGTERM");
    const started = performance.now();
    assertEquals((await running.process.ended()).code, 0);
    assert(performance.now() - started < 6000, "the promised 5 s, and the last lines");
  });
}

Deno.test("a console that nobody reads stops neither the service nor its end", async () => {
  using folder = new Folder();
  const { path, admin } = writeConfig(folder);
  const child = new Deno.Command(Deno.execPath(), {
    args: serviceArguments(path, "debug"),
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  try {
    const log = `${folder.path}/aphlict.log`;
    while (!exists(log) || !Deno.readTextFileSync(log).includes("has fingerprint ")) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    // A pipe holds 64 KiB.
    for (let index = 0; index < 1000; index++) await publish(admin, { subscribers: [], index });
    child.kill("SIGTERM");
    assertEquals((await child.status).code, 0);
    assertEquals(Deno.readTextFileSync(log).match(/Received message \(/g)?.length, 1000);
  } finally {
    await child.stdout.cancel();
  }
});

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

for (const engine of ENGINES) {
  Deno.test(`a server that could accept no more, having too many files open, accepts again (${engine} engine)`, async () => {
    using folder = new Folder();
    const { path, client } = writeConfig(folder, {}, engine);
    await using process = new Process("sh", [
      "-c",
      'ulimit -n 64; exec "$@"',
      "sh",
      Deno.execPath(),
      ...serviceArguments(path, "serve"),
    ]);
    await process.line(/has fingerprint /);
    await using early = await Browser.open(client);
    const connections: Deno.TcpConn[] = [];
    const failed = process.line(
      /ERROR The client server at \S+ accepts no more: /,
    );
    try {
      for (let index = 0; index < 80; index++) {
        connections.push(await Deno.connect({ hostname: "127.0.0.1", port: client }));
      }
    } catch (error) {
      // Which of these depends on how far the kernel had come with the connection.
      const { ConnectionRefused, ConnectionReset, NotConnected } = Deno.errors;
      const isExpected = error instanceof ConnectionRefused || error instanceof ConnectionReset ||
        error instanceof NotConnected;
      if (!isExpected) throw error;
    }
    await failed;
    for (const connection of connections) connection.close();
    await process.line(/INFO The client server at \S+ accepts again/);
    await using browser = await Browser.open(client);
    await browser.pong();
    assertEquals(process.output.match(/accepts no more/g)?.length, 1, "it is told once");
    process.kill("SIGTERM");
    for (const each of [early, browser]) assertEquals((await each.closed).code, 1001);
    assertEquals((await process.ended()).code, 0);
  });
}

Deno.test("nobody is served before every server is bound, and one that cannot be names the reason", async () => {
  using folder = new Folder();
  const { path, admin } = writeConfig(folder);
  using _taken = Deno.listen({ hostname: "127.0.0.1", port: admin });
  await using process = new Process(Deno.execPath(), serviceArguments(path, "serve"));
  assertEquals((await process.ended()).code, 1);
  const reason = `Cannot bind admin server 127.0.0.1:${admin}: the address is already in use. ` +
    'Stop the other program or set "port" of servers[1].';
  assertStringIncludes(process.output, reason);
  assertStringIncludes(Deno.readTextFileSync(`${folder.path}/aphlict.log`), reason);
  assertEquals(process.output.includes("Listening"), false);
});

Deno.test("a missing folder of a log ends the start with 1 and says what to do", async () => {
  using folder = new Folder();
  const log = `${folder.path}/missing/aphlict.log`;
  const { path } = writeConfig(folder, { logs: [{ path: log }] });
  await using process = new Process(Deno.execPath(), serviceArguments(path, "serve"));
  assertEquals((await process.ended()).code, 1);
  assertEquals(
    process.output,
    `Cannot open log file ${log}: its folder does not exist. Create the folder, or change the ` +
      'path in "logs".',
  );
});

Deno.test("the start says where it listens and its fingerprint, and no flags", async () => {
  await using running = await run();
  const { client, admin, process } = running;
  await process.line(
    new RegExp(`INFO Listening: client server at ws://127\\.0\\.0\\.1:${client}/`),
  );
  await process.line(
    new RegExp(`INFO Listening: admin server at http://127\\.0\\.0\\.1:${admin}/`),
  );
  await process.line(/INFO This server has fingerprint \w{16}\./);
  assertEquals(/WARNING|--allow-/.test(process.output), false, process.output);
  assertEquals(process.output.includes("in two other terminals"), false, "this is no terminal");
});

Deno.test("a log of level debug has the flags that the service needs", async () => {
  await using running = await run({ verb: "debug" });
  const { client, admin, process, folder } = running;
  const logs = [0, 1, 2, 3, 4, 5].map((n) => `${folder}/aphlict.log${n ? `.${n}` : ""}`).join(",");
  assertStringIncludes(
    await process.line(/DEBUG Permissions: /),
    "--no-prompt --cached-only --deny-import " +
      "--v8-flags=--max-semi-space-size=8,--heap-growing-percent=50 " +
      `--allow-net=127.0.0.1:${client},127.0.0.1:${admin} ` +
      `--allow-read=${folder}/aphlict.json,${logs} --allow-write=${logs}`,
  );
  assertEquals(process.output.includes("WARNING"), false, "it holds no more than these");
  assertEquals(process.output.includes("bin/aphlict"), false, "there is no person at a pipe");
});

Deno.test("a start with more permissions than needed is warned about", async () => {
  using folder = new Folder();
  await using process = new Process(
    Deno.execPath(),
    programArguments(["--allow-all"], "serve", writeConfig(folder).path),
  );
  assertMatch(
    await process.line(/WARNING The process holds more permissions than it needs/),
    /all of net, read, write, run, env, sys, ffi, import\./,
  );
});

Deno.test("debug shows each connection, subscription, message and delivery on the console", async () => {
  await using running = await run({ verb: "debug" });
  {
    await using browser = await Browser.open(running.client, { path: "/~acme/", topics: ["A"] });
    await publish(running.admin, { subscribers: ["A"], text: "\u001b[31m\r\nforged" }, {
      instance: "acme",
    });
    assertEquals((await browser.all()).length, 1);
  }
  await running.process.line(/TRACE <Listener\/1\/acme> Disconnected\./);
  for (
    const pattern of [
      /TRACE <Listener\/1\/acme> Connected from 127\.0\.0\.1:\d+\./,
      /TRACE <Listener\/1\/acme> Received message: \{"command":"subscribe","data":\["A"\]\}/,
      /TRACE <Listener\/1\/acme> Subscribed to: \["A"\]/,
      /TRACE Received message \(acme\): \{"subscribers":\["A"\],"text":"\\u001b\[31m\\r\\nforged"\}/,
      /TRACE <Listener\/1\/acme> Wrote message: \{"subscribers":\["A"\].*"touched":\["\w{16}"\]\}/,
    ]
  ) {
    assertMatch(running.process.output, pattern);
    assertMatch(running.log(), pattern);
  }
});

Deno.test("an ordinary start logs no connection and no message", async () => {
  await using running = await run();
  {
    await using browser = await Browser.open(running.client, { topics: ["A"] });
    await publish(running.admin, { subscribers: ["A"], secret: "hunter2" });
    assertEquals((await browser.all()).length, 1);
  }
  running.process.kill("SIGTERM");
  await running.process.ended();
  assertEquals(running.log().includes("hunter2"), false);
  assertEquals(running.log().includes("Listener"), false);
});

for (const listen of ["localhost", "::1", "0.0.0.0", "::"]) {
  Deno.test(`a client server that listens on ${listen} serves browsers under its derived flags`, async () => {
    await using running = await run({ servers: [{ type: "client", listen }, { type: "admin" }] });
    const host = listen.includes(":") ? "[::1]" : "127.0.0.1";
    const response = await fetch(`http://${host}:${running.client}/`);
    assertEquals([response.status, await response.text()], [501, "HTTP/501 Use Websockets\n"]);
    running.process.kill("SIGTERM");
    assertEquals((await running.process.ended()).code, 0);
  });
}

Deno.test("SIGHUP goes on in a new log file when the old one was renamed", async () => {
  await using running = await run();
  const log = `${running.folder}/aphlict.log`;
  Deno.renameSync(log, `${log}-old`);
  running.process.kill("SIGHUP");
  await running.process.line(/INFO Reload: /);
  assertMatch(Deno.readTextFileSync(log), /^\[\S+\] INFO Reload: /);
  assertMatch(Deno.readTextFileSync(`${log}-old`), /has fingerprint [^]*SIGHUP: reloading/);
});

Deno.test("SIGHUP leaves the log as it is when a log file cannot be opened", async () => {
  await using running = await run();
  const log = `${running.folder}/aphlict.log`;
  Deno.renameSync(log, `${log}-old`);
  Deno.mkdirSync(log);
  running.process.kill("SIGHUP");
  await running.process.line(/ERROR Reload refused: Cannot open log file \S+: /);
  assertStringIncludes(Deno.readTextFileSync(`${log}-old`), "Reload refused: Cannot open log file");
});

Deno.test("SIGHUP refuses what needs a restart of the service, and says what", async () => {
  await using running = await run();
  const path = `${running.folder}/aphlict.json`;
  const config = JSON.parse(Deno.readTextFileSync(path));
  Deno.writeTextFileSync(path, JSON.stringify({ ...config, "memory.hint": 999 }));
  running.process.kill("SIGHUP");
  await running.process.line(
    /ERROR Reload refused: memory\.hint changed, which needs a restart/,
  );
});

Deno.test("SIGHUP takes another drain over", async () => {
  await using running = await run({ drain: 20 });
  await using one = await Browser.open(running.client);
  await using other = await Browser.open(running.client);
  const path = `${running.folder}/aphlict.json`;
  const config = JSON.parse(Deno.readTextFileSync(path));
  Deno.writeTextFileSync(path, JSON.stringify({ ...config, drain: 0 }));
  running.process.kill("SIGHUP");
  await running.process.line(/INFO Reload: /);
  const stopped = performance.now();
  running.process.kill("SIGTERM");
  for (const browser of [one, other]) assertEquals((await browser.closed).code, 1001);
  assert(performance.now() - stopped < 10_000, "not over the 20 s of before");
  assertEquals((await running.process.ended()).code, 0);
});

testNotOnServe(
  "a hint that is too small for the connections is warned of at the start",
  async () => {
    using folder = new Folder();
    const { path } = writeConfig(folder, { "memory.hint": 100 });
    await using process = new Process(Deno.execPath(), serviceArguments(path, "serve"));
    await process.line(
      /INFO Browsers and Phorge can make it hold 50 MiB: V8's heap may have 100 MiB/,
    );
    await process.line(
      /WARNING The service may hold 50 MiB .* enough for about 4400 of the 50000 /,
    );
  },
);
