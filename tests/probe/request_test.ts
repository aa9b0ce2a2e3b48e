import { request, type RequestOptions } from "../../src/probe/request.ts";
import { RequestError } from "../../src/http/failure.ts";
import type { Endpoint } from "../../src/probe/endpoint.ts";
import { TokenError } from "../../src/config/token.ts";
import { assertEquals, assertRejects } from "../assert.ts";
import { Folder } from "../folder.ts";

const TOKEN = "kT2-9sLq.4vXz0bW7hQm3dRc";

/** A server that answers with the `Authorization` that it got first. */
class Echo implements AsyncDisposable {
  readonly #got: (string | null)[] = [];
  readonly #server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    ({ headers }) => {
      this.#got.push(headers.get("authorization"));
      const text = this.#got.find((each) => each !== null) ?? "nothing";
      return new Response(text, { headers: { location: text } });
    },
  );

  /** What came with each request. */
  get got(): readonly (string | null)[] {
    return this.#got;
  }

  endpoint(token: string | null): Endpoint {
    const url = new URL(`http://127.0.0.1:${this.#server.addr.port}/`);
    return { url, trust: { by: "nobody" }, token };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

Deno.test("the token of an endpoint is sent where that is asked for, and is in no answer of it from then on", async () => {
  using folder = new Folder();
  await using echo = new Echo();
  const endpoint = echo.endpoint(folder.write("token", TOKEN));
  for (const isAuthorized of [undefined, true, false]) {
    const answer = await request(endpoint, isAuthorized === undefined ? {} : { isAuthorized });
    const told = isAuthorized === undefined ? "nothing" : "Bearer [the token]";
    assertEquals([answer.body, answer.header("location")], [told, told]);
  }
  assertEquals(echo.got, [null, `Bearer ${TOKEN}`, null]);
});

Deno.test("a token that cannot be read is not sent, and is no matter where none is asked for", async () => {
  using folder = new Folder();
  await using echo = new Echo();
  const endpoint = echo.endpoint(`${folder.path}/none`);
  await assertRejects(
    () => request(endpoint, { isAuthorized: true }),
    TokenError,
    "does not exist",
  );
  assertEquals((await request(endpoint)).body, "nothing");
  assertEquals((await request(echo.endpoint(null), { isAuthorized: true })).body, "nothing");
  assertEquals(echo.got, [null, null]);
});

Deno.test("no question has a header of its own for a token", () => {
  // @ts-expect-error It would be sent, and shown as the server gives it back.
  const question: RequestOptions = { headers: { authorization: `Bearer ${TOKEN}` } };
  assertEquals(question.method, undefined);
});

Deno.test("a token in what breaks a connection off is not told", async () => {
  using folder = new Folder();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    using connection = await listener.accept();
    await connection.read(new Uint8Array(1024));
    await connection.write(new TextEncoder().encode(`HTTP/1.1 200 OK\r\n${TOKEN}\r\n\r\n`));
  })();
  const url = new URL(`http://127.0.0.1:${listener.addr.port}/`);
  const endpoint = { url, trust: { by: "nobody" }, token: folder.write("token", TOKEN) } as const;
  const error = await assertRejects(() => request(endpoint, { isAuthorized: true }), RequestError);
  assertEquals(`${error.message}${error.hint}`.includes(TOKEN), false, error.message);
  await serving;
});
