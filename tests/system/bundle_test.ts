/**
 * The bundle on a host whose network is nothing but itself, with an empty cache and no settings around
 * it. These tests need root and `ip`.
 */

import { assertEquals, assertMatch } from "../assert.ts";
import { type Outcome, Process } from "../acceptance/process.ts";
import { ROOT } from "../acceptance/program.ts";
import { writeConfig } from "../acceptance/server.ts";
import { Folder } from "../folder.ts";
import { Host } from "./hosts.ts";

/** A bundle that was carried to a host, with a deno beside it, and a configuration. */
class Carried implements AsyncDisposable {
  readonly #folder = new Folder();
  readonly #host: Host;
  readonly written = writeConfig(this.#folder);
  readonly cache = `${this.#folder.path}/cache`;

  constructor(host: Host) {
    this.#host = host;
    Deno.mkdirSync(this.cache);
    Deno.copyFileSync(`${ROOT}dist/aphlict.js`, `${this.#folder.path}/aphlict.js`);
    Deno.symlinkSync(Deno.execPath(), `${this.#folder.path}/deno`);
  }

  start(verb: string, ...args: readonly string[]): Process {
    return this.#host.start("env", [
      ...["-i", "PATH=/usr/bin:/bin", "HOME=/nonexistent", `DENO_DIR=${this.cache}`],
      ...[`${this.#folder.path}/aphlict.js`, verb, "--config", this.written.path, ...args],
    ]);
  }

  async run(verb: string, ...args: readonly string[]): Promise<Outcome> {
    await using process = this.start(verb, ...args);
    return await process.outcome();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.run("stop");
    this.#folder[Symbol.dispose]();
  }
}

Deno.test("the bundle starts, serves and stops where no registry and no cache can be reached", async () => {
  await using host = await Host.make();
  assertMatch(await host.call("ip", "-brief", "link"), /^lo \s*\S+\s+\S+ <LOOPBACK[^\n]*$/);
  await using carried = new Carried(host);
  const start = await carried.run("start", "--as-root");
  assertEquals(start.code, 0, start.output);
  assertMatch(start.output, /^Aphlict is running: supervisor \d+, service \d+, /);
  await using listener = carried.start("listen", "A");
  await listener.line(/^listening/);
  assertEquals((await carried.run("send", "--to", "A", '{"type":"hello"}')).code, 0);
  await listener.line(/ hello: \{/);
  assertEquals((await carried.run("health")).output, "ready");
  assertEquals((await carried.run("doctor")).code, 0);
  const stop = await carried.run("stop");
  assertMatch(stop.output, /Stopped\.$/);
  assertEquals([...Deno.readDirSync(carried.cache)], [], "nothing was fetched, nothing kept");
});
