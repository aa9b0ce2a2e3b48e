/**
 * The examples for reverse proxies, each in the real program: it passes `/ws/` on to a client server, and
 * all else to a stand-in for Phorge.
 *
 * @module
 */

import { makeAuthority, makeCertificate } from "../acceptance/certificate.ts";
import { freePorts } from "../acceptance/ports.ts";
import { Process } from "../acceptance/process.ts";
import { until } from "../acceptance/until.ts";
import { Folder } from "../folder.ts";
import { example } from "./site.ts";

/** Words of the example that a test needs to be others. */
export type Changes = Readonly<Record<string, string>>;

/** The answer of the stand-in for Phorge. */
export const PAGE = "A page of Phorge";

/** A running reverse proxy on 127.0.0.1. Dispose of it: it is ended. */
export class Proxy implements AsyncDisposable {
  /** The port of plain HTTP. */
  readonly port: number;
  /** The port of TLS. */
  readonly tlsPort: number;
  /** PEM certificate of the authority that signed its own. */
  readonly authority: string;
  readonly #folder: Folder;
  readonly #phorge: Deno.HttpServer<Deno.NetAddr>;
  /** Ends it, and what it has started. */
  readonly #end: Deno.Signal;
  #process: Process | null = null;

  constructor(end: Deno.Signal = "SIGTERM") {
    this.#end = end;
    [this.port = 0, this.tlsPort = 0] = freePorts(2);
    this.#folder = new Folder();
    // Some of them read it as a user of their own.
    Deno.chmodSync(this.path, 0o755);
    const authority = makeAuthority("The proxy's");
    this.authority = authority.cert;
    const { key, cert } = makeCertificate(authority);
    this.write("key.pem", key);
    this.write("cert.pem", cert);
    this.write("pair.pem", key + cert);
    this.#phorge = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      () => new Response(PAGE),
    );
  }

  /** The folder of its files. */
  get path(): string {
    return this.#folder.path;
  }

  /** The port of the stand-in for Phorge. */
  get phorge(): number {
    return this.#phorge.addr.port;
  }

  get process(): Process {
    if (this.#process === null) throw new Error("It has not been started");
    return this.#process;
  }

  /** Writes a file into its folder, and returns its path. */
  write(name: string, text: string): string {
    return this.#folder.write(name, text);
  }

  /**
   * Writes examples of a folder into its own.
   *
   * @param files The names, and which words are others here.
   * @param changes Further words that are others, wherever they stand.
   * @returns The paths of the files.
   */
  writeExamples(
    folder: string,
    files: Readonly<Record<string, Changes>>,
    changes: Changes,
  ): string[] {
    const names = Object.keys(files);
    const all = names.map((name) => example(`${folder}/${name}`, {})).join("");
    for (const word of Object.keys(changes)) {
      if (!all.includes(word)) throw new Error(`${folder} does not say ${word} any more`);
    }
    return Object.entries(files).map(([name, here]) => {
      let text = example(`${folder}/${name}`, here);
      for (const [word, by] of Object.entries(changes)) text = text.replaceAll(word, by);
      return this.write(name, text);
    });
  }

  /** Starts the program, and resolves when it serves. */
  async start(program: string, ...args: readonly string[]): Promise<this> {
    const process = new Process(program, args, { env: { HOME: this.path } });
    this.#process = process;
    try {
      await until(async () => {
        if (process.hasEnded) throw new Error(`It has ended:\n${process.output}`);
        return await this.#shakesHands();
      });
      return this;
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** An HTTP client that trusts it, as a page's WebSocket uses it. */
  trusting(): Deno.HttpClient {
    return Deno.createHttpClient({ caCerts: [this.authority], http2: false });
  }

  async #shakesHands(): Promise<boolean> {
    const [hostname, caCerts] = ["127.0.0.1", [this.authority]];
    try {
      using connection = await Deno.connectTls({ hostname, port: this.tlsPort, caCerts });
      await connection.handshake();
      return true;
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
      return false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Killed, nginx and Apache would leave their children behind.
    if (!this.process.hasEnded) this.process.kill(this.#end);
    await this.process.ended();
    await this.#phorge.shutdown();
    this.#folder[Symbol.dispose]();
  }
}

/** Starts nginx with its example. */
export function startNginx(client: number, changes: Changes = {}): Promise<Proxy> {
  const proxy = new Proxy();
  const { path, port, tlsPort } = proxy;
  const phorge = `location / { proxy_pass http://127.0.0.1:${proxy.phorge}; }`;
  proxy.writeExamples("nginx", {
    "aphlict.conf": { "22280": `${client}` },
    "aphlict-locations.conf": {},
    "site.conf": {
      "listen 80;": `listen 127.0.0.1:${port}; ${phorge}`,
      "listen 443 ssl;": `listen 127.0.0.1:${tlsPort} ssl; ${phorge}`,
      "/etc/ssl/certs/phorge.example.com.pem": `${path}/cert.pem`,
      "/etc/ssl/private/phorge.example.com.key": `${path}/key.pem`,
      "include snippets/": `include ${path}/`,
    },
  }, changes);
  const config = proxy.write(
    "nginx.conf",
    `daemon off; pid ${path}/nginx.pid; error_log stderr notice;
    events {}
    http {
      access_log off;
      client_body_temp_path ${path}/body; proxy_temp_path ${path}/proxy;
      fastcgi_temp_path ${path}/f; uwsgi_temp_path ${path}/u; scgi_temp_path ${path}/s;
      include ${path}/aphlict.conf;
      include ${path}/site.conf;
    }`,
  );
  return proxy.start("nginx", "-c", config);
}

/** The modules of Debian's Apache that its own configuration loads, and those that the example enables. */
const MODULES = "mpm_event authz_core mime reqtimeout ssl headers proxy proxy_http rewrite";

/** Starts Apache with its example. */
export function startApache(client: number, changes: Changes = {}): Promise<Proxy> {
  // At SIGTERM a child now and then waits for a thread that does not end, for ten seconds.
  const proxy = new Proxy("SIGWINCH");
  const { path, port, tlsPort } = proxy;
  proxy.write("index.php", PAGE);
  proxy.writeExamples("apache", {
    "aphlict.conf": { "22280": `${client}` },
    "mpm_event.conf": {},
    "site.conf": {
      "*:80": `127.0.0.1:${port}`,
      "*:443": `127.0.0.1:${tlsPort}`,
      "/opt/phorge/webroot": path,
      "/etc/ssl/certs/phorge.example.com.pem": `${path}/cert.pem`,
      "/etc/ssl/private/phorge.example.com.key": `${path}/key.pem`,
      "Include conf-available/": `Include ${path}/`,
    },
  }, changes);
  const load = MODULES.split(" ").map((name) =>
    `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`
  );
  const config = proxy.write(
    "apache2.conf",
    `${load.join("\n")}
    ServerName localhost
    PidFile ${path}/apache2.pid
    GracefulShutdownTimeout 1
    DefaultRuntimeDir ${path}
    ErrorLog /dev/stderr
    TypesConfig /dev/null
    ${Deno.uid() === 0 ? "User www-data\nGroup www-data" : ""}
    Listen 127.0.0.1:${port}
    Listen 127.0.0.1:${tlsPort}
    <Directory "${path}">
      Require all granted
    </Directory>
    Include ${path}/mpm_event.conf
    Include ${path}/site.conf`,
  );
  return proxy.start("apache2", "-D", "FOREGROUND", "-f", config);
}

/** Starts HAProxy with its example. */
export function startHaproxy(client: number, changes: Changes = {}): Promise<Proxy> {
  const proxy = new Proxy();
  const { path, port, tlsPort } = proxy;
  const [config = ""] = proxy.writeExamples("haproxy", {
    "haproxy.cfg": {
      "127.0.0.1:22280": `127.0.0.1:${client}`,
      "127.0.0.1:8080": `127.0.0.1:${proxy.phorge}`,
      "bind :80": `bind 127.0.0.1:${port}`,
      "bind :443": `bind 127.0.0.1:${tlsPort}`,
      "/etc/haproxy/phorge.example.com.pem": `${path}/pair.pem`,
    },
  }, changes);
  const global = proxy.write("global.cfg", "global\n  log stdout format raw daemon\n");
  // As systemd starts it: with a process above the one that serves.
  return proxy.start("haproxy", "-W", "-db", "-f", global, "-f", config);
}

/** Starts Caddy with its example. */
export function startCaddy(client: number, changes: Changes = {}): Promise<Proxy> {
  const proxy = new Proxy();
  const { path, port, tlsPort } = proxy;
  proxy.writeExamples("caddy", {
    "Caddyfile": {
      "127.0.0.1:22280": `127.0.0.1:${client}`,
      "127.0.0.1:8080": `127.0.0.1:${proxy.phorge}`,
      "phorge.example.com {": `https://127.0.0.1, https://localhost {
        bind 127.0.0.1
        tls ${path}/cert.pem ${path}/key.pem`,
    },
  }, changes);
  const config = proxy.write(
    "Caddyfile.test",
    `{
      admin unix/${path}/admin.sock
      http_port ${port}
      https_port ${tlsPort}
      skip_install_trust
    }
    import Caddyfile`,
  );
  return proxy.start("caddy", "run", "--adapter", "caddyfile", "--config", config);
}

/** Every proxy of the examples by its name. */
export const PROXIES: Readonly<
  Record<string, (client: number, changes?: Changes) => Promise<Proxy>>
> = { nginx: startNginx, Apache: startApache, HAProxy: startHaproxy, Caddy: startCaddy };
