/**
 * `telemetry`: the runtime's exporter is on, and brings a collector the metrics of the metrics page.
 */

import { assertEquals } from "../assert.ts";
import { Daemon } from "./daemon.ts";
import { freePorts } from "./ports.ts";
import { publish } from "./server.ts";
import { until } from "./until.ts";

/** Takes what an exporter sends. Dispose of it: its port is free again. */
class Collector implements AsyncDisposable {
  /** What came, by path; protobuf, in which names are plain text. */
  readonly received = new Map<string, string>();
  readonly #server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const { pathname } = new URL(request.url);
      this.received.set(pathname, new TextDecoder().decode(await request.arrayBuffer()));
      return new Response();
    },
  );

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

for (const verb of ["serve", "run"]) {
  Deno.test(`a collector gets metrics and traces from \`aphlict ${verb}\``, async () => {
    await using collector = new Collector();
    await using daemon = new Daemon(() => ({ telemetry: collector.url }));
    await using _process = daemon.launchWith(
      { OTEL_METRIC_EXPORT_INTERVAL: "200", OTEL_BSP_SCHEDULE_DELAY: "200" },
      verb,
    );
    await until(() => daemon.log.includes("has fingerprint "));
    await publish(daemon.written.admin, { subscribers: ["A"] });
    await until(() => collector.received.has("/v1/traces"));
    const names = [
      "aphlict_deliveries_total",
      "aphlict_publish_duration_seconds_count",
      "process_cpu_seconds_total",
      "aphlict_connections",
    ];
    await until(() => {
      const metrics = collector.received.get("/v1/metrics") ?? "";
      return names.every((name) => metrics.includes(name));
    });
    assertEquals(daemon.log.includes("ERROR"), false, daemon.log);
  });
}

for (
  const [what, answers] of [["answers nothing", false], ["is not there", null]] as const
) {
  Deno.test(`a collector that ${what} keeps the service neither from its work nor from stopping`, async () => {
    const [port = 0] = freePorts(1);
    using _collector = answers === null ? null : silent(port);
    await using daemon = new Daemon(() => ({ telemetry: `http://127.0.0.1:${port}` }));
    await daemon.start();
    await publish(daemon.written.admin, { subscribers: ["A"] });
    const { code, output } = await daemon.run("stop");
    assertEquals([code, output.endsWith("Stopped.")], [0, true], output);
    assertEquals(/did not stop|ERROR/.test(daemon.log), false, daemon.log);
  });
}

/** Takes connections, and says nothing. */
function silent(port: number): Disposable {
  const listener = Deno.listen({ hostname: "127.0.0.1", port });
  const connections = new DisposableStack();
  void (async () => {
    for await (const connection of listener) connections.use(connection);
  })();
  connections.defer(() => listener.close());
  return connections;
}

Deno.test("without telemetry nothing is exported", async () => {
  await using daemon = new Daemon();
  await daemon.start();
  const service = daemon.members().find(({ role }) => role === "service");
  const environment = Deno.readTextFileSync(`/proc/${service?.pid}/environ`);
  assertEquals(environment.includes("OTEL_"), false);
});
