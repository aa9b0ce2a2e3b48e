/**
 * The engine `serve`: `Deno.serve`, for administrators who prefer the runtime's own HTTP. The limits that it cannot
 * enforce are in docs/decisions/0005-limits-of-the-serve-engine.md.
 *
 * @module
 */

import { within } from "../within.ts";
import type { HttpServer, HttpServerOptions } from "./engine.ts";
import type { HttpRequest } from "./handler.ts";
import { portReleased } from "./port.ts";
import { BodyBroken, type Reception, Receptions } from "./reception.ts";

/** The longest wait for bodies before a port is released, in ms. */
const GRACE_MS = 1000;

/** The interval at which bodies that take too long are given up, in ms. */
const TICK_MS = 1000;

/** The response to a connection that has to close. */
const STOPPING = { status: 503, headers: { "retry-after": "10", "connection": "close" } } as const;

/**
 * Binds a server and answers on it. It enforces only the limits of bodies.
 *
 * @throws {Error} The error of `Deno.serve` when it cannot bind or cannot use the certificate.
 */
// deno-lint-ignore require-await -- what is thrown becomes the promise's, as with every engine
export async function listenServe(options: HttpServerOptions): Promise<HttpServer> {
  return new ServeServer(options);
}

class ServeServer implements HttpServer {
  readonly finished: Promise<void>;
  readonly #options: HttpServerOptions;
  readonly #server: Deno.HttpServer;
  readonly #receptions: Receptions;
  #isRefusing = false;
  #ended: Promise<void> | null = null;

  constructor(options: HttpServerOptions) {
    const { hostname, port, tls, budget, limits } = options;
    this.#options = options;
    this.#receptions = new Receptions(
      budget.account("bodies"),
      limits,
      () => performance.now(),
    );
    this.#server = Deno.serve(
      {
        hostname,
        port,
        ...(tls ? { key: tls.key, cert: tls.cert } : {}),
        onListen() {},
        onError: (error) => this.#complete(options.onError(error)),
      },
      (request, { remoteAddr }) => {
        const response = this.#answer(request, remoteAddr);
        return response instanceof Response
          ? this.#complete(response)
          : response.then((each) => this.#complete(each));
      },
    );
    this.finished = this.#server.finished;
    const timer = setInterval(() => this.#receptions.tick(), TICK_MS);
    const stopTicking = () => clearInterval(timer);
    this.finished.then(stopTicking, stopTicking);
  }

  async release(): Promise<void> {
    await within(GRACE_MS, this.#receptions.settled());
    this.#receptions.interrupt();
    const { hostname, port } = this.#options;
    void this.#end();
    await portReleased(hostname, port);
  }

  /** Answers new requests with 503; the port stays open until {@linkcode shutdown}. */
  refuse(): void {
    this.#isRefusing = true;
    this.#receptions.interrupt();
  }

  async shutdown(graceMs: number): Promise<void> {
    this.refuse();
    const { hostname, port } = this.#options;
    await within(graceMs, Promise.all([this.#end(), portReleased(hostname, port)]));
  }

  /** Shuts the runtime's server down. It reads no body to its end from now on. */
  #end(): Promise<void> {
    return this.#ended ??= this.#server.shutdown();
  }

  /** Adds the fields of every answer. The runtime's own refusals have no content, and nothing can be added to them. */
  #complete(response: Response): Response {
    for (const [name, value] of Object.entries(this.#options.fields)) {
      response.headers.set(name, value);
    }
    return response;
  }

  #answer(request: Request, remoteAddr: Deno.NetAddr): Response | Promise<Response> {
    const { handler, screen } = this.#options;
    const rejection = screen(remoteAddr);
    if (rejection !== null) return rejection;
    // The port is open for as long as there are upgraded connections.
    if (this.#isRefusing) return new Response(null, STOPPING);
    const received: HttpRequest = {
      method: request.method,
      url: request.url,
      headers: request.headers,
      bytes: () => this.#bytesOf(request),
    };
    const upgrade = { engine: "serve", request } as const;
    return handler(received, { remoteAddr, holder: null, upgrade });
  }

  async #bytesOf({ body, headers }: Request): Promise<Uint8Array> {
    if (body === null) return new Uint8Array(0);
    const reception = this.#receptions.begin(announcedIn(headers.get("content-length")), null);
    void receive(body, reception);
    return await reception.whole;
  }
}

/** Returns the bytes that a request announces. The runtime lets two equal lengths pass: `"5, 5"`. */
function announcedIn(length: string | null): number | null {
  return length !== null && /^[0-9]+$/.test(length) ? Number(length) : null;
}

async function receive(
  body: ReadableStream<Uint8Array>,
  reception: Reception,
): Promise<void> {
  try {
    for await (const piece of piecesOf(body)) {
      reception.take(piece);
      if (reception.isOver) return;
    }
    reception.finish();
  } catch (error) {
    // A bug of this server must not be taken for a fault of the client.
    if (!(error instanceof BodyBroken)) throw error;
    reception.fail(error);
  }
}

/** Yields the pieces of a body. An error of the consumer does not become one of the connection. */
async function* piecesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (cause) {
    throw new BodyBroken("The body did not arrive whole", { cause });
  }
}
