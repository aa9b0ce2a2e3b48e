/**
 * Requests of Java's `java.net.http.HttpClient`, byte by byte as JDK 17 sends them without TLS: it offers
 * to go on in HTTP/2, and the head of a request is mostly there before the body is sent.
 */

import { assertEquals, assertMatch } from "../assert.ts";
import { Browser } from "./browser.ts";
import { testNotOnServe } from "./engines.ts";
import { run } from "./server.ts";
import { Wire } from "./wire.ts";

/** The head of a request, in Java's order. */
function headOf(method: string, path: string, port: number, length: number): string {
  return `${method} ${path} HTTP/1.1\r\n` +
    "Connection: Upgrade, HTTP2-Settings\r\n" +
    `Content-Length: ${length}\r\n` +
    `Host: 127.0.0.1:${port}\r\n` +
    "HTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA\r\n" +
    "Upgrade: h2c\r\n" +
    "User-Agent: Java-http-client/17.0.15\r\n" +
    (method === "POST" ? "Content-Type: application/json\r\n" : "") +
    "\r\n";
}

testNotOnServe(
  "messages that Java's HTTP client posts, offering h2c, are taken and delivered",
  async () => {
    await using running = await run();
    const { admin } = running;
    await using browser = await Browser.open(running.client, { topics: ["A"] });
    using java = await Wire.connect(admin);
    for (const n of [0, 1, 2]) {
      const body = `{"subscribers":["A"],"n":${n}}`;
      const head = headOf("POST", "/", admin, body.length);
      if (n < 2) {
        await java.send(head);
        // It comes in a packet of its own, while the server has only the head.
        await browser.pong();
        await java.send(body);
      } else {
        await java.send(head + body);
      }
      const answer = await java.answer();
      assertEquals(answer.status, 200, answer.head);
      assertMatch(answer.body, /^\{"fingerprint":"\w{16}"\}$/);
      assertEquals(JSON.parse(await browser.next()).n, n);
    }
    await java.send(headOf("GET", "/status/", admin, 0));
    const answer = await java.answer();
    assertEquals([answer.status, JSON.parse(answer.body)["messages.in"]], [200, 3]);
  },
);

testNotOnServe("the client port answers 501 to Java's HTTP client, which offers h2c", async () => {
  await using running = await run();
  using java = await Wire.connect(running.client);
  await java.send(headOf("GET", "/", running.client, 0));
  const answer = await java.answer();
  assertEquals([answer.status, answer.body], [501, "HTTP/501 Use Websockets\n"]);
});
