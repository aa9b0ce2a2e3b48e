/**
 * What stands around the service on a real site: nginx in front of it, and a page in Chromium.
 *
 * @module
 */

import { Folder } from "../folder.ts";
import { freePorts } from "../acceptance/server.ts";
import { Process } from "../acceptance/process.ts";

/** A running nginx that passes `/ws/` on to a client server, as Phorge's guide has it. */
export class Nginx implements AsyncDisposable {
  readonly port: number;
  readonly #folder: Folder;
  readonly #process: Process;

  private constructor(port: number, folder: Folder, process: Process) {
    this.port = port;
    this.#folder = folder;
    this.#process = process;
  }

  static async start(client: number): Promise<Nginx> {
    const [port = 0] = freePorts(1);
    const folder = new Folder();
    const config = folder.write(
      "nginx.conf",
      `daemon off; pid ${folder.path}/nginx.pid; error_log stderr notice;
      events {}
      http {
        access_log off;
        client_body_temp_path ${folder.path}/body; proxy_temp_path ${folder.path}/proxy;
        fastcgi_temp_path ${folder.path}/f; uwsgi_temp_path ${folder.path}/u;
        scgi_temp_path ${folder.path}/s;
        map $http_upgrade $connection_upgrade { default upgrade; '' close; }
        upstream websocket_pool { ip_hash; server 127.0.0.1:${client}; }
        server {
          listen 127.0.0.1:${port};
          location = /ws/ {
            proxy_pass http://websocket_pool;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_read_timeout 86400;
          }
          location ~ ^/ws/~ {
            proxy_pass http://websocket_pool;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_read_timeout 86400;
          }
        }
      }`,
    );
    const process = new Process("nginx", ["-c", config]);
    await process.line(/start worker process \d+/);
    return new Nginx(port, folder, process);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGTERM");
    // Killed, it would leave its worker behind.
    await this.#process.ended();
    this.#folder[Symbol.dispose]();
  }
}

/** What the page does: it stays connected, and reports all that happens. */
const PAGE = `<!doctype html><script>
const report = (text) => fetch("/report", { method: "POST", body: text });
const connect = () => {
  const socket = new WebSocket(location.hash.slice(1));
  socket.onopen = () => {
    socket.send('{"command":"subscribe","data":["PHID-USER-a"]}');
    socket.send('{"command":"ping"}');
  };
  socket.onmessage = ({ data }) => report(data);
  socket.onclose = ({ code }) => { report("closed " + code); setTimeout(connect, 200); };
};
connect();
</script>`;

/** A page in Debian's Chromium. */
export class Chromium implements AsyncDisposable {
  readonly #folder = new Folder();
  readonly #reports: string[] = [];
  #reported = Promise.withResolvers<void>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #process: Process;

  /** Opens the page, which connects to `url`. */
  constructor(url: string) {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      async (request) => {
        if (request.method !== "POST") {
          return new Response(PAGE, { headers: { "content-type": "text/html" } });
        }
        this.#reports.push(await request.text());
        this.#reported.resolve();
        this.#reported = Promise.withResolvers();
        return new Response();
      },
    );
    const page = `http://127.0.0.1:${this.#server.addr.port}/#${url}`;
    this.#process = new Process("chromium", [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--disable-dev-shm-usage",
      `--user-data-dir=${this.#folder.path}`,
      page,
    ]);
  }

  /** The next thing that the page reports. */
  async next(): Promise<string> {
    for (;;) {
      const report = this.#reports.shift();
      if (report !== undefined) return report;
      await this.#reported.promise;
    }
  }

  /** The next report that matches; those before it are dropped. */
  async until(pattern: RegExp): Promise<string> {
    for (;;) {
      const report = await this.next();
      if (pattern.test(report)) return report;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGTERM");
    await this.#process.ended();
    await this.#server.shutdown();
    this.#folder[Symbol.dispose]();
  }
}
