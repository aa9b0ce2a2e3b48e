/**
 * A stand-in for the Node.js Aphlict, as a peer sees it: a program of its own that does on the wire
 * what docs/protocol.md says of the original, its faults with it. It is no replacement for the real
 * one: see originals.ts.
 *
 * @module
 */

import { generateFingerprint } from "../../src/hub/fingerprint.ts";
import { instanceOf } from "../../src/client/client.ts";
import type { PeerEntry, ServerEntry } from "./server.ts";

/** What it understands of the configuration. */
interface Config {
  readonly servers: readonly (ServerEntry & { readonly port: number })[];
  readonly cluster: readonly PeerEntry[];
}

interface Message {
  readonly subscribers: readonly string[];
  readonly touched?: readonly string[] | null;
}

interface Listener {
  readonly socket: WebSocket;
  readonly instance: string;
  readonly topics: Set<string>;
}

/** A peer, and its fingerprint as its last receipt told it. */
interface Peer {
  readonly entry: PeerEntry;
  fingerprint: string | null;
}

const fingerprint = generateFingerprint();
const listeners = new Set<Listener>();
let messagesIn = 0;

function listen(request: Request): Response {
  if (request.headers.get("upgrade") !== "websocket") {
    return new Response("HTTP/501 Use Websockets\n", { status: 501 });
  }
  const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
  const instance = instanceOf(new URL(request.url).pathname) ?? "";
  const listener: Listener = { socket, instance, topics: new Set() };
  socket.onopen = () => listeners.add(listener);
  socket.onclose = () => listeners.delete(listener);
  socket.onmessage = ({ data }) => {
    const { command, data: topics } = JSON.parse(data);
    if (command === "subscribe") { for (const topic of topics) listener.topics.add(topic); }
    if (command === "ping") socket.send('{"type":"pong"}');
  };
  return response;
}

async function take(request: Request, peers: readonly Peer[]): Promise<Response> {
  const url = new URL(request.url);
  const instance = url.searchParams.get("instance") || "default";
  if (url.pathname === "/status/") {
    return Response.json({ instance, "messages.in": messagesIn, version: 7 });
  }
  let message: Message;
  try {
    message = JSON.parse(await request.text());
  } catch {
    return new Response("400 Bad Request", { status: 400 });
  }
  messagesIn++;
  const touched = message.touched ?? [];
  // It knows no uniqueID: what comes by two ways is delivered and passed on twice.
  if (!touched.includes(fingerprint)) {
    pass(instance, { ...message, touched: [...touched, fingerprint] }, peers);
  }
  return Response.json({ fingerprint });
}

/** Delivers a message, and posts it to the peers that are not known to have touched it. */
function pass(
  instance: string,
  message: Message & { touched: readonly string[] },
  peers: readonly Peer[],
): void {
  const text = JSON.stringify(message);
  for (const { socket, topics, instance: home } of listeners) {
    if (home === instance && message.subscribers.some((topic) => topics.has(topic))) {
      socket.send(text);
    }
  }
  for (const peer of peers) {
    if (peer.fingerprint === null || !message.touched.includes(peer.fingerprint)) {
      relay(peer, instance, text).catch((error) => log(`${peer.entry.port}: ${error}`));
    }
  }
}

/** Posts a message over a connection of its own. One that fails is lost. */
async function relay(peer: Peer, instance: string, text: string): Promise<void> {
  const { host: hostname, port } = peer.entry;
  using connection = await Deno.connect({ hostname, port });
  // The length in characters is the fault, and so is the name as it is.
  const head = `POST /?instance=${instance} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${text.length}\r\n` +
    `Connection: close\r\n\r\n`;
  let bytes = new TextEncoder().encode(head + text);
  while (bytes.length > 0) bytes = bytes.subarray(await connection.write(bytes));
  const answer = await new Response(connection.readable).text();
  const receipt = answer.slice(answer.indexOf("\r\n\r\n"));
  peer.fingerprint = JSON.parse(receipt).fingerprint ?? peer.fingerprint;
}

function log(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

function main(args: readonly string[]): void {
  const [file = ""] = args.map((argument) => argument.replace("--config=", ""));
  const config: Config = JSON.parse(Deno.readTextFileSync(file));
  const peers = config.cluster.map((entry): Peer => ({ entry, fingerprint: null }));
  for (const { type, listen: hostname = "127.0.0.1", port } of config.servers) {
    Deno.serve(
      { hostname, port, onListen() {} },
      (request) => type === "client" ? listen(request) : take(request, peers),
    );
  }
}

if (import.meta.main) main(Deno.args);
