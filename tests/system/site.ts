/**
 * The surroundings of the service on a real site: the examples for it, and a page in Chromium.
 *
 * @module
 */

import { Folder } from "../folder.ts";
import { Process } from "../acceptance/process.ts";
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
