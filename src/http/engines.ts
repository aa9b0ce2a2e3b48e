/**
 * The table of the engines: one key of the configuration chooses the engine that runs a server's handler.
 *
 * @module
 */

import type { Engine } from "../config/config.ts";
import type { HttpServer, HttpServerOptions } from "./engine.ts";
import { listenServe as listenOnServe } from "./serve_engine.ts";
import { listenSocket as listenOnStreams } from "./socket_engine.ts";

/** The functions that bind a server, by the engine that the configuration names. */
export const ENGINES: Readonly<
  Record<Engine, (options: HttpServerOptions) => Promise<HttpServer>>
> = { socket: listenOnStreams, serve: listenOnServe };
