/**
 * The engine `serve`: `Deno.serve`, for whoever prefers the runtime's own HTTP. What it cannot bound is in
 * docs/decisions/0005-limits-of-the-serve-engine.md.
 *
 * @module
 */

import { within } from "../within.ts";
import type { HttpServer, HttpServerOptions } from "./engine.ts";
import type { HttpRequest } from "./handler.ts";
import { portReleased } from "./port.ts";
import { BodyBroken, type Reception, Receptions } from "./reception.ts";

/** The time that a port which is given up waits for bodies, in ms. */
const GRACE_MS = 1000;

/** The interval at which bodies that take too long are looked for, in ms. */
const TICK_MS = 1000;

/** For a connection that has nothing more to ask for. */
const STOPPING = { status: 503, headers: { "retry-after": "10", "connection": "close" } } as const;

/**
 * Binds a server and answers on it.
 *
 * Of the limits it holds those of bodies.
 *
 * @throws {Error} What `Deno.serve` throws when it cannot bind or the certificate is no good.
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

  /** The port stays open until {@linkcode shutdown}: newcomers are answered with 503. */
  refuse(): void {
    this.#isRefusing = true;
    this.#receptions.interrupt();
  }

  async shutdown(graceMs: number): Promise<void> {
    this.refuse();
    const { hostname, port } = this.#options;
    await within(graceMs, Promise.all([this.#end(), portReleased(hostname, port)]));
  }

  /** The runtime reads no body to its end from now on. */
  #end(): Promise<void> {
    return this.#ended ??= this.#server.shutdown();
  }

  /** Adds what each answer has. What the runtime refuses by itself has no content, and nothing can be added. */
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
    // The port is open for as long as there are connections that have become something else.
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

/** Returns the bytes that a request announces. The runtime lets two lengths pass that are equal: `"5, 5"`. */
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
    // A defect must not be taken for the client's doing.
    if (!(error instanceof BodyBroken)) throw error;
    reception.fail(error);
  }
}

/** Yields the pieces of a body. An error of who takes them does not become one of the connection. */
async function* piecesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (cause) {
    throw new BodyBroken("The body did not arrive whole", { cause });
  }
}
