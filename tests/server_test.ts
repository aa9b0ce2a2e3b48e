import { logCounters } from "../src/log/counters.ts";
import { single } from "../src/metrics/families.ts";
import { type Bound, Server, StartError } from "../src/server.ts";
import { assertEquals, assertRejects } from "./assert.ts";
import { ADMIN } from "./entries.ts";

/** What is bound, until `end` is called. */
function bound(): Bound & { end(): void } {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  return {
    finished: promise,
    end: () => reject(new Error("too many open files")),
    refuse() {},
    shutdown() {
      resolve();
      return promise.catch(() => {});
    },
  };
}

/** A server whose binding comes to each of these in turn. */
function make(...outcomes: readonly (Bound | Error)[]): { server: Server; stop: AbortController } {
  const stop = new AbortController();
  const left = [...outcomes];
  const entry = {
    // deno-lint-ignore require-await -- what is thrown becomes the promise's
    async listen() {
      const next = left.shift();
      if (next === undefined || next instanceof Error) throw next ?? new Error("no more");
      return next;
    },
    metrics: () => ({ aphlict_requests: single(2) }),
  };
  const server = new Server({ entry, config: ADMIN, index: 0, tls: null, stop: stop.signal });
  return { server, stop };
}

Deno.test("the metrics of a server have its URL as a label, and tell whether it is bound", async () => {
  const { server, stop } = make(bound());
  const labels = { server: server.url };
  const metrics = (isListening: number) => ({
    aphlict_server_listening: [[labels, isListening]],
    aphlict_requests: [[labels, 2]],
  });
  assertEquals<unknown>(server.metrics(), metrics(0));
  await server.bind();
  assertEquals<unknown>(server.metrics(), metrics(1));
  stop.abort();
  await server.shutdown(0);
});

Deno.test("an internal error while a server is bound is not explained by its configuration", async () => {
  await assertRejects(() => make(new TypeError("a mistake")).server.bind(), TypeError, "a mistake");
  await assertRejects(
    () => make(new URIError("a bad host")).server.bind(),
    StartError,
    "a bad host",
  );
});

Deno.test("a server is bound again after an internal error, too", async () => {
  const first = bound();
  const { server, stop } = make(first, new TypeError("a mistake"), bound());
  await server.bind();
  const before = logCounters.internalErrors;
  first.end();
  for (let wait = 0; wait < 100 && (wait < 5 || !server.isListening); wait++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assertEquals([server.isListening, logCounters.internalErrors - before], [true, 1]);
  stop.abort();
  await server.shutdown(0);
});
