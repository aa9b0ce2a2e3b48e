/**
 * Reverse proxies in front of both ports of a service: nginx, HAProxy and Caddy, with the directives of
 * their manuals.
 *
 * @module
 */

import { makeAuthority, makeCertificate } from "../acceptance/certificate.ts";
import { freePorts } from "../acceptance/ports.ts";
import { Process } from "../acceptance/process.ts";
import { until } from "../acceptance/until.ts";
import { Folder } from "../folder.ts";

/** The servers behind a frontend, on 127.0.0.1. */
export interface Upstream {
  /** The port of the client server. */
  readonly client: number;
  /** The port of the admin server. */
  readonly admin: number;
  /** PEM certificate of the authority that signed both servers'; `null`: they have no TLS. */
  readonly authority: string | null;
}

/** A running frontend on 127.0.0.1. Dispose of it: it is ended. */
export class Frontend implements AsyncDisposable {
  readonly folder = new Folder();
  /** The port that leads to the client server. */
  readonly client: number;
  /** The port that leads to the admin server. */
  readonly admin: number;
  /** PEM certificate of the authority of its own certificate; `null`: it has no TLS. */
  authority: string | null = null;
  #process: Process | null = null;

  constructor() {
    [this.client = 0, this.admin = 0] = freePorts(2);
  }

  get process(): Process {
    if (this.#process === null) throw new Error("It has not been started");
    return this.#process;
  }

  /** Starts its program, and resolves when it listens; a folder of its own is its home. */
  async start(
    command: string,
    args: readonly string[],
    listens: (process: Process) => Promise<unknown>,
  ): Promise<this> {
    const { path } = this.folder;
    const process = new Process(command, args, { env: { HOME: path, XDG_DATA_HOME: path } });
    this.#process = process;
    try {
      await listens(process);
      return this;
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Killed, nginx would leave its worker behind.
    if (!this.process.hasEnded) this.process.kill("SIGTERM");
    await this.process.ended();
    this.folder[Symbol.dispose]();
  }
}

/** Resolves when something listens on a port, or the program has ended. */
async function listens(port: number, process: Process): Promise<void> {
  await until(async () => {
    if (process.hasEnded) throw new Error(`It has ended:\n${process.output}`);
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return true;
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
      return false;
    }
  });
}

/** Writes the authority of the servers into a frontend's folder, and returns its path. */
function trust({ folder }: Frontend, authority: string): string {
  return folder.write("upstream-ca.pem", authority);
}

/** Gives a frontend a certificate; `pair.pem` has both, key and certificate. */
function certify(frontend: Frontend): void {
  const authority = makeAuthority("The frontend's");
  const { key, cert } = makeCertificate(authority);
  frontend.folder.write("key.pem", key);
  frontend.folder.write("cert.pem", cert);
  frontend.folder.write("pair.pem", key + cert);
  frontend.authority = authority.cert;
}

/** A setup of nginx. */
export interface NginxSetup {
  /** Whether it has TLS itself. */
  readonly tls: boolean;
  /** Directives of the location of the client server, beside `proxy_pass`. */
  readonly client: string;
  /** Directives of the location of the admin server. */
  readonly admin: string;
  /** Directives of the `upstream` of the admin server. */
  readonly upstream?: string;
}

/** Starts nginx. */
export function startNginx(upstream: Upstream, setup: NginxSetup): Promise<Frontend> {
  const frontend = new Frontend();
  const { path } = frontend.folder;
  if (setup.tls) certify(frontend);
  const own = setup.tls
    ? `ssl_certificate ${path}/cert.pem; ssl_certificate_key ${path}/key.pem;`
    : "";
  const listen = (port: number) => `listen 127.0.0.1:${port}${setup.tls ? " ssl" : ""}; ${own}`;
  const scheme = upstream.authority === null ? "http" : "https";
  const verify = upstream.authority === null ? "" : `
    proxy_ssl_verify on;
    proxy_ssl_trusted_certificate ${trust(frontend, upstream.authority)};
    proxy_ssl_name localhost;`;
  const config = frontend.folder.write(
    "nginx.conf",
    `daemon off; pid ${path}/nginx.pid; error_log stderr notice;
    # Its worker has to write large bodies into the folder, which is its owner's alone.
    ${Deno.uid() === 0 ? "user root;" : ""}
    events {}
    http {
      access_log off;
      client_body_temp_path ${path}/body; proxy_temp_path ${path}/proxy;
      fastcgi_temp_path ${path}/f; uwsgi_temp_path ${path}/u; scgi_temp_path ${path}/s;
      map $http_upgrade $connection_upgrade { default upgrade; "" close; }
      upstream client { server 127.0.0.1:${upstream.client}; }
      upstream admin { server 127.0.0.1:${upstream.admin}; ${setup.upstream ?? ""} }
      ${verify}
      server {
        ${listen(frontend.client)}
        location / { proxy_pass ${scheme}://client; ${setup.client} }
      }
      server {
        ${listen(frontend.admin)}
        location / { proxy_pass ${scheme}://admin; ${setup.admin} }
      }
    }`,
  );
  return frontend.start(
    "nginx",
    ["-c", config],
    (process) => process.line(/start worker process \d+/),
  );
}

/** A setup of HAProxy. */
export interface HaproxySetup {
  /** Whether it has TLS itself. */
  readonly tls: boolean;
  /** The lines of `defaults` about time. */
  readonly timeouts: string;
  /** How it checks each server: the lines of its `backend`. */
  readonly checks: { readonly client: string; readonly admin: string };
}

/** A server as HAProxy's statistics show it. */
export interface HaproxyServer {
  readonly status: string;
  /** The kind of the last check's outcome, such as `L7OK`. */
  readonly check: string;
  /** The status of the answer to the last check; empty without one. */
  readonly code: string;
}

/** A HAProxy, and what it knows of its servers. */
export class Haproxy extends Frontend {
  readonly #statistics = freePorts(1)[0] ?? 0;

  /** Starts HAProxy. */
  static start(upstream: Upstream, setup: HaproxySetup): Promise<Haproxy> {
    const haproxy = new Haproxy();
    if (setup.tls) certify(haproxy);
    const crt = setup.tls ? ` ssl crt ${haproxy.folder.path}/pair.pem` : "";
    const verify = upstream.authority === null
      ? ""
      : ` ssl verify required verifyhost localhost ca-file ${trust(haproxy, upstream.authority)}`;
    const server = (port: number) =>
      `server one 127.0.0.1:${port} check inter 200ms fall 1 rise 1${verify}`;
    const config = haproxy.folder.write(
      "haproxy.cfg",
      `global
        log stdout format raw daemon
      defaults
        mode http
        log global
        option httplog
        # A connection that fails is not hidden behind another attempt.
        retries 0
        ${setup.timeouts}
      frontend statistics
        bind 127.0.0.1:${haproxy.#statistics}
        stats enable
        stats uri /
      frontend client-port
        bind 127.0.0.1:${haproxy.client}${crt}
        default_backend client
      backend client
        ${setup.checks.client}
        ${server(upstream.client)}
      frontend admin-port
        bind 127.0.0.1:${haproxy.admin}${crt}
        default_backend admin
      backend admin
        ${setup.checks.admin}
        ${server(upstream.admin)}
`,
    );
    return haproxy.start(
      "haproxy",
      ["-db", "-f", config],
      (process) => listens(haproxy.#statistics, process),
    );
  }

  /** What it knows of one of the servers. */
  async server(backend: "client" | "admin"): Promise<HaproxyServer> {
    const response = await fetch(`http://127.0.0.1:${this.#statistics}/;csv`);
    const [head = "", ...lines] = (await response.text()).split("\n");
    const names = head.replace("# ", "").split(",");
    const line = lines.find((line) => line.startsWith(`${backend},one,`))?.split(",") ?? [];
    const value = (name: string) => line[names.indexOf(name)] ?? "";
    return {
      status: value("status"),
      check: value("check_status"),
      code: value("check_code"),
    };
  }
}

/** A setup of Caddy. */
export interface CaddySetup {
  /** Whether it has TLS itself, with an authority of its own. */
  readonly tls: boolean;
}

/** Where Caddy keeps the certificate of its own authority. */
const CADDY_ROOT = "caddy/pki/authorities/local/root.crt";

/** Starts Caddy, which checks the client server's and the admin server's health. */
export async function startCaddy(upstream: Upstream, { tls }: CaddySetup): Promise<Frontend> {
  const frontend = new Frontend();
  const [scheme, own] = tls ? ["https", "tls internal"] : ["http", ""];
  const transport = upstream.authority === null ? "" : `transport http {
      tls
      tls_server_name localhost
      tls_trusted_ca_certs ${trust(frontend, upstream.authority)}
    }`;
  const site = (port: number, to: number, health: string) =>
    `${scheme}://127.0.0.1:${port} {
  bind 127.0.0.1
  ${own}
  reverse_proxy 127.0.0.1:${to} {
    ${health}
    health_interval 200ms
    ${transport}
  }
}
`;
  const config = frontend.folder.write(
    "Caddyfile",
    `{
  admin off
  skip_install_trust
  auto_https disable_redirects
}
${site(frontend.client, upstream.client, "health_uri /\nhealth_status 501")}
${site(frontend.admin, upstream.admin, "health_uri /status/\nhealth_status 200")}`,
  );
  await frontend.start(
    "caddy",
    ["run", "--adapter", "caddyfile", "--config", config],
    async (process) => {
      await process.line(tls ? /certificate obtained/ : /serving initial configuration/);
      if (!tls) return;
      const authority = Deno.readTextFileSync(`${frontend.folder.path}/${CADDY_ROOT}`);
      frontend.authority = authority;
      // It says that it has the certificate before it uses it.
      await until(() => shakesHands(frontend.client, authority));
    },
  );
  return frontend;
}

/** Whether a TLS handshake at a port succeeds. */
async function shakesHands(port: number, authority: string): Promise<boolean> {
  try {
    using connection = await Deno.connectTls({
      hostname: "127.0.0.1",
      port,
      caCerts: [authority],
    });
    await connection.handshake();
    return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.InvalidData)) throw error;
    return false;
  }
}
