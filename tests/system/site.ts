/**
 * What stands around the service on a real site: nginx in front of it, and a page in Chromium.
 *
 * @module
 */

import { Folder } from "../folder.ts";
import { makeAuthority, makeCertificate } from "../acceptance/certificate.ts";
import { Process } from "../acceptance/process.ts";
import { freePorts } from "../acceptance/ports.ts";
import { ROOT } from "../acceptance/program.ts";

/** The examples for administrators. */
const EXAMPLES = `${ROOT}conf/examples`;

/** An example with some of its words replaced; each of them must be there. */
export function example(name: string, replace: Readonly<Record<string, string>>): string {
  let text = Deno.readTextFileSync(`${EXAMPLES}/${name}`);
  for (const [word, by] of Object.entries(replace)) {
    if (!text.includes(word)) throw new Error(`${name} does not say ${word} any more`);
    text = text.replaceAll(word, by);
  }
  return text;
}

/**
 * Writes the example for logrotate into a folder, for the logs there and for whoever runs the test.
 *
 * @param config The configuration to reload.
 * @returns The file.
 */
export function writeLogrotate(folder: Folder, config: string): string {
  const owner = `${Deno.uid()} ${Deno.gid()}`;
  const path = folder.write(
    "logrotate.conf",
    example("logrotate.conf", {
      "/var/log/aphlict/": `${folder.path}/`,
      "aphlict aphlict": owner,
      "runuser -u aphlict -- env DENO_DIR=/var/cache/aphlict": "",
      "/opt/aphlict/": ROOT,
      "/etc/aphlict/aphlict.json": config,
    }),
  );
  // It refuses to read what a group may write.
  Deno.chmodSync(path, 0o644);
  return path;
}

/** A running nginx with the example configuration: it passes `/ws/` on to a client server. */
export class Nginx implements AsyncDisposable {
  /** Where it speaks plain HTTP. */
  readonly port: number;
  /** Where it speaks TLS. */
  readonly tlsPort: number;
  /** PEM certificate of the authority that signed its own. */
  readonly authority: string;
  readonly #folder: Folder;
  readonly #process: Process;

  private constructor(
    ports: readonly [number, number],
    authority: string,
    folder: Folder,
    process: Process,
  ) {
    [this.port, this.tlsPort] = ports;
    this.authority = authority;
    this.#folder = folder;
    this.#process = process;
  }

  static async start(client: number): Promise<Nginx> {
    const [port = 0, tlsPort = 0] = freePorts(2);
    const folder = new Folder();
    const authority = makeAuthority("nginx's");
    const { key, cert } = makeCertificate(authority);
    folder.write("key.pem", key);
    folder.write("cert.pem", cert);
    folder.write("aphlict.conf", example("nginx/aphlict.conf", { "22280": String(client) }));
    folder.write("aphlict-locations.conf", example("nginx/aphlict-locations.conf", {}));
    folder.write(
      "site.conf",
      example("nginx/site.conf", {
        "listen 80;": `listen 127.0.0.1:${port};`,
        "listen 443 ssl;": `listen 127.0.0.1:${tlsPort} ssl;`,
        "/etc/ssl/certs/phorge.example.com.pem": `${folder.path}/cert.pem`,
        "/etc/ssl/private/phorge.example.com.key": `${folder.path}/key.pem`,
        "include snippets/": `include ${folder.path}/`,
      }),
    );
    const config = folder.write(
      "nginx.conf",
      `daemon off; pid ${folder.path}/nginx.pid; error_log stderr notice;
      events {}
      http {
        access_log off;
        client_body_temp_path ${folder.path}/body; proxy_temp_path ${folder.path}/proxy;
        fastcgi_temp_path ${folder.path}/f; uwsgi_temp_path ${folder.path}/u;
        scgi_temp_path ${folder.path}/s;
        include ${folder.path}/aphlict.conf;
        include ${folder.path}/site.conf;
      }`,
    );
    const process = new Process("nginx", ["-c", config]);
    await process.line(/start worker process \d+/);
    return new Nginx([port, tlsPort], authority.cert, folder, process);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGTERM");
    // Killed, it would leave its worker behind.
    await this.#process.ended();
    this.#folder[Symbol.dispose]();
  }
}

/** Starts Debian's Chromium without a window; it keeps its profile in `folder`. */
export function startChromium(folder: Folder, ...args: readonly string[]): Process {
  return new Process("chromium", [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    `--user-data-dir=${folder.path}`,
    ...args,
  ]);
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
    this.#process = startChromium(this.#folder, page);
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
