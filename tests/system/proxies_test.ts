/**
 * Limits by address behind the example's nginx, for browsers that come from several addresses.
 */

import { connect } from "node:net";
import { requestWith } from "../acceptance/wire.ts";
import { run, type Running } from "../acceptance/server.ts";
import { until } from "../acceptance/until.ts";
import { assertEquals, assertMatch } from "../assert.ts";
import { Nginx } from "./site.ts";

/** A connection from an address of this host. Dispose of it: it is cut. */
class From implements Disposable {
  readonly #socket;
  /** Resolves with the status of the answer. */
  readonly status: Promise<number>;

  constructor(localAddress: string, port: number, headers: Record<string, string> = {}) {
    const answer = Promise.withResolvers<number>();
    this.status = answer.promise;
    this.#socket = connect({ host: "127.0.0.1", port, localAddress }, () => {
      this.#socket.write(requestWith(headers).replace("GET / ", "GET /ws/ "));
    });
    this.#socket.on("error", answer.reject).once("data", (chunk) => {
      answer.resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(String(chunk))?.[1]));
    });
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

/** A service that believes nginx, with nginx in front. */
async function site(
  keys: Record<string, unknown>,
  test: (nginx: Nginx, running: Running) => Promise<void>,
): Promise<void> {
  await using running = await run({
    servers: [{ type: "client", keys: { proxies: ["127.0.0.1"], ...keys } }, { type: "admin" }],
    verb: "debug",
  });
  await using nginx = await Nginx.start(running.client);
  await test(nginx, running);
}

Deno.test("behind nginx an address has as many connections as it may, and another one its own", () =>
  site({ "limit.address": 2 }, async ({ port }, { log }) => {
    using _first = await opened("127.0.0.7", port);
    using _second = await opened("127.0.0.7", port);
    using third = new From("127.0.0.7", port);
    assertEquals(await third.status, 429);
    using other = new From("127.0.0.8", port);
    assertEquals(await other.status, 101);
    await until(() => /Connected from 127\.0\.0\.8 via 127\.0\.0\.1:\d+\./.test(log()));
    assertMatch(
      log(),
      /<127\.0\.0\.7 via 127\.0\.0\.1:\d+> Refused a WebSocket: 127\.0\.0\.7 has 2 connections/,
    );
  }));

Deno.test("behind nginx nobody gets another address by writing one", () =>
  site({ "limit.address": 1 }, async ({ port }) => {
    using _first = await opened("127.0.0.7", port);
    for (
      const headers of [
        { "X-Forwarded-For": "192.0.2.1" },
        { "Forwarded": "for=192.0.2.1" },
        { "X-Forwarded-For": "192.0.2.1", "Forwarded": "for=192.0.2.1" },
      ]
    ) {
      using again = new From("127.0.0.7", port, headers);
      assertEquals(await again.status, 429);
    }
  }));

async function opened(address: string, port: number): Promise<From> {
  const from = new From(address, port);
  assertEquals(await from.status, 101);
  return from;
}
