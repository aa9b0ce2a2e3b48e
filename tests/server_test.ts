import { faultCount } from "../src/log/fault.ts";
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
  const front = {
    // deno-lint-ignore require-await -- what is thrown becomes the promise's
    async listen() {
      const next = left.shift();
      if (next === undefined || next instanceof Error) throw next ?? new Error("no more");
      return next;
    },
  };
  const server = new Server({ front, config: ADMIN, index: 0, tls: null, stop: stop.signal });
  return { server, stop };
}

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
  const before = faultCount();
  first.end();
  for (let wait = 0; wait < 100 && (wait < 5 || !server.isListening); wait++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assertEquals([server.isListening, faultCount() - before], [true, 1]);
  stop.abort();
  await server.shutdown(0);
});
