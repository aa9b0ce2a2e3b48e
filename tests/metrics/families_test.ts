import { ACCOUNTS } from "../../src/budget.ts";
import { exposition } from "../../src/metrics/exposition.ts";
import {
  collect,
  FAMILIES,
  having,
  labelled,
  type Metrics,
  single,
  sumOf,
} from "../../src/metrics/families.ts";
import type { PeerStatus } from "../../src/metrics/peer_status.ts";
import { ProcessMeter } from "../../src/process_meter.ts";
import { ROOT } from "../acceptance/program.ts";
import { ADMIN_URL, CLIENT_URL, clientMetrics, Office, UNKNOWN_PEER } from "../admin/fixtures.ts";
import { assertEquals } from "../assert.ts";
import { listen, post } from "../hub/fixtures.ts";
import { read, type ReadFamily, type Sample } from "./prometheus.ts";

const GUIDE = Deno.readTextFileSync(`${ROOT}docs/monitoring.md`);

/** Everything that is measured of a service that has one of everything. */
function full(office: Office): Metrics {
  const peer = (change: Partial<PeerStatus>) => ({ ...UNKNOWN_PEER, ...change });
  office.peers = [
    peer({}),
    peer({ peer: "b", state: "up", queued: 1, sent: 2, failed: 3, "dropped.old": 4 }),
    peer({ peer: "c", state: "down", contradictions: 5 }),
    peer({ peer: "d", state: "self", queued: 9 }),
  ];
  const { at, metrics } = office.snapshot();
  const expires = at / 1000 + 86_400;
  const other = { ...clientMetrics(office.hub), aphlict_server_listening: single(0) };
  const process = new ProcessMeter({ restarts: 3, openFiles: 65_536, memory: 8e9 }, () => 100);
  process.stop();
  return {
    ...collect([
      metrics,
      labelled({ server: "wss://[::]:443/" }, other),
      { aphlict_certificate_expiry_timestamp_seconds: [[{ server: ADMIN_URL }, expires]] },
      process.metrics(),
    ]),
    aphlict_internal_errors_total: single(4),
    aphlict_log_left_out_total: single(5),
    aphlict_log_lost_total: single(6),
  };
}

/** What the metrics page of an office has. */
function pageOf(office: Office): ReadFamily[] {
  return read(exposition(office.snapshot().metrics));
}

/** The samples of a family, by name; none when it is not there. */
function samplesOf(families: readonly ReadFamily[], name: string): readonly Sample[] {
  return families.find((family) => family.name === name)?.samples ?? [];
}

/** The values of a family, each behind its labels. */
function valuesOf(families: readonly ReadFamily[], name: string): Record<string, number> {
  return Object.fromEntries(
    samplesOf(families, name).map(({ labels, value }) => [
      Object.entries(labels).map((pair) => pair.join("=")).join(),
      value,
    ]),
  );
}

Deno.test("every family is one that Prometheus reads, with a name that says its unit", () => {
  const office = new Office();
  listen(office.hub, ["A"]);
  post(office.hub, "default", { subscribers: ["A"] });
  const families = read(exposition(full(office)));
  assertEquals(families.map(({ name }) => name), Object.keys(FAMILIES));
  for (const { name, help, type, samples } of families) {
    assertEquals(/^(aphlict|process)_[a-z_]+$/.test(name), true, name);
    assertEquals(name.endsWith("_total"), type === "counter", name);
    assertEquals(/^[A-Z1].*\.$/.test(help), true, help);
    for (const { labels, value } of samples) {
      const allowed = [
        "server",
        "phorge_instance",
        "reason",
        "outcome",
        "peer",
        "state",
        "account",
        "le",
      ];
      if (name !== "aphlict_build_info") {
        assertEquals(Object.keys(labels).filter((each) => !allowed.includes(each)), [], name);
      }
      assertEquals(Number.isFinite(value), true, name);
    }
  }
});

Deno.test("a service that has done nothing yet is measured as well", () => {
  const families = pageOf(new Office());
  const without = ["aphlict_restarts_total", "aphlict_peer_queued", "process_max_fds"];
  for (const name of without) assertEquals(samplesOf(families, name), [], name);
  assertEquals(valuesOf(families, "aphlict_build_info"), { "version=0.1.0,deno=2.9.6": 1 });
  assertEquals(valuesOf(families, "aphlict_ready"), { "": 1 });
});

Deno.test("what is measured is told of each server, peer and reason", () => {
  const families = read(exposition(full(new Office())));
  const [one, two] = [`server=${CLIENT_URL}`, "server=wss://[::]:443/"];
  const admin = `server=${ADMIN_URL}`;
  assertEquals(valuesOf(families, "aphlict_server_listening"), { [one]: 1, [two]: 0, [admin]: 1 });
  assertEquals(valuesOf(families, "aphlict_certificate_expiry_timestamp_seconds"), {
    [admin]: 1_800_000_000 + 86_400,
  });
  assertEquals(valuesOf(families, "aphlict_connections"), { [one]: 0, [two]: 0 });
  const bytes = valuesOf(families, "aphlict_received_bytes_total");
  assertEquals(bytes, { [one]: 0, [two]: 0, [admin]: 0 }, "of both types of servers");
  assertEquals(valuesOf(families, "aphlict_restarts_total"), { "": 3 });
  assertEquals(valuesOf(families, "aphlict_internal_errors_total"), { "": 4 });
  assertEquals(valuesOf(families, "aphlict_log_left_out_total"), { "": 5 });
  assertEquals(valuesOf(families, "aphlict_log_lost_total"), { "": 6 });
  assertEquals(valuesOf(families, "aphlict_peer_queued"), {
    [`peer=${UNKNOWN_PEER.peer}`]: 0,
    "peer=b": 1,
    "peer=c": 0,
  });
  assertEquals(valuesOf(families, "aphlict_peer_dropped_total")["peer=b,reason=old"], 4);
  assertEquals(valuesOf(families, "aphlict_peer_contradictions_total")["peer=c"], 5);
  const states = samplesOf(families, "aphlict_peer_state").filter(({ value }) => value === 1);
  assertEquals(states.map(({ labels }) => labels["state"]), ["unknown", "up", "down", "self"]);
});

Deno.test("the process is told under the names that every Prometheus client has for it", () => {
  const families = read(exposition(full(new Office())));
  const own = families.filter(({ name }) => name.startsWith("process_"));
  assertEquals(own.map(({ name, type }) => [name, type]), [
    ["process_start_time_seconds", "gauge"],
    ["process_cpu_seconds_total", "counter"],
    ["process_resident_memory_bytes", "gauge"],
    ["process_max_fds", "gauge"],
  ]);
  assertEquals(valuesOf(own, "process_max_fds"), { "": 65_536 });
});

Deno.test("a metric of a duration says so, and a time is told as one, not as an age", () => {
  const families = Object.entries(FAMILIES);
  const names = families.flatMap(([name, { type }]) =>
    type === "histogram" && name.endsWith("_seconds") ? [name] : []
  );
  assertEquals(names, ["aphlict_publish_duration_seconds", "aphlict_write_duration_seconds"]);
  const seconds = families.flatMap(([name, { type }]) =>
    type === "gauge" && name.endsWith("_seconds") ? [name] : []
  );
  assertEquals(seconds, [
    "aphlict_certificate_expiry_timestamp_seconds",
    "aphlict_event_loop_lag_seconds",
    "process_start_time_seconds",
  ]);
});

Deno.test("each refusal is counted under its reason, and reasons that have not been are 0", async () => {
  const office = new Office();
  await office.post({ no: "message" });
  await office.post({ subscribers: [] }, { origin: "https://evil.net" });
  const server = `server=${ADMIN_URL}`;
  const counted = valuesOf(pageOf(office), "aphlict_refused_requests_total");
  assertEquals(counted[`${server},reason=invalid`], 1);
  assertEquals(counted[`${server},reason=page`], 1);
  assertEquals(counted[`${server},reason=busy`], 0);
});

/** What one thing is that has not happened, by account. */
const NOTHING = Object.fromEntries(Object.keys(ACCOUNTS).map((name) => [`account=${name}`, 0]));

Deno.test("memory is told by account, and its limit", () => {
  const office = new Office();
  const look = (name: string) => valuesOf(pageOf(office), name);
  assertEquals(look("aphlict_memory_limit_bytes"), { "": 256 * 1024 * 1024 });
  assertEquals(look("aphlict_memory_bytes"), NOTHING);
  const { listener } = listen(office.hub, ["A"], "acme");
  // 1024 for the instance, 192 for the subscription, and their names.
  const subscriptions = 1024 + 8 + 192 + 2;
  assertEquals(look("aphlict_memory_bytes"), {
    ...NOTHING,
    "account=subscriptions": subscriptions,
  });
  office.budget.account("bodies").hold(5);
  post(office.hub, "acme", { subscribers: ["A"] });
  const { "account=history": history = 0, ...others } = look("aphlict_memory_bytes");
  assertEquals(history > 0, true);
  assertEquals({ ...others, "account=history": 0 }, {
    ...NOTHING,
    "account=subscriptions": subscriptions,
    "account=bodies": 5,
  });
  listener.leave();
  office.budget.limit = 7;
  assertEquals(look("aphlict_memory_limit_bytes"), { "": 7 });
});

Deno.test("what memory was refused to, and who was ended for it, is told by account", () => {
  const office = new Office();
  const look = (name: string) => valuesOf(pageOf(office), name);
  for (const name of ["aphlict_memory_refused_total", "aphlict_memory_evicted_total"]) {
    assertEquals(look(name), NOTHING);
  }
  const frames = office.budget.account("frames");
  const [much, all] = [office.budget.limit / 4, office.budget.limit];
  assertEquals(frames.open({ evict() {} }).set(much), true);
  assertEquals(frames.open({ evict() {} }).set(much), true, "the first one is ended for it");
  assertEquals(office.budget.account("bodies").hold(all), false);
  assertEquals(office.budget.account("bodies").hold(all), false);
  assertEquals(look("aphlict_memory_evicted_total"), { ...NOTHING, "account=frames": 1 });
  assertEquals(look("aphlict_memory_refused_total"), { ...NOTHING, "account=bodies": 2 });
});

/** The reasons that the documentation lists for a metric. */
function documented(metric: string): string[] {
  const row = GUIDE.split("\n").find((line) => line.startsWith("|") && line.includes(`${metric}{`));
  return [...(row?.split("|")[2] ?? "").matchAll(/`(\w+)`/g)].map(([, reason = ""]) => reason);
}

for (
  const metric of [
    "aphlict_disconnects_total",
    "aphlict_refused_connections_total",
    "aphlict_ignored_commands_total",
    "aphlict_refused_requests_total",
    "aphlict_memory_bytes",
  ]
) {
  Deno.test(`the documentation lists what ${metric} tells apart, and nothing else`, () => {
    const samples = samplesOf(pageOf(new Office()), metric);
    const told = new Set(
      samples.map(({ labels: { reason, account } }) => reason ?? account ?? ""),
    );
    assertEquals(documented(metric).sort(), [...told].sort());
  });
}

Deno.test("the documentation lists every metric", () => {
  assertEquals(Object.keys(FAMILIES).filter((name) => !GUIDE.includes(`\`${name}`)), []);
});

Deno.test("listeners of an instance are told by its name once something was posted for it", () => {
  const office = new Office();
  const { hub } = office;
  listen(hub, ["A"], "acme");
  listen(hub, ["A"], "other");
  listen(hub, ["A"]);
  const look = () => valuesOf(pageOf(office), "aphlict_listeners");
  assertEquals(look(), { "phorge_instance=default": 1, "phorge_instance=": 2 });
  post(hub, "acme", { subscribers: ["A"] });
  assertEquals(look(), {
    "phorge_instance=default": 1,
    "phorge_instance=acme": 1,
    "phorge_instance=": 1,
  });
});

Deno.test("a browser that makes up names of instances makes up no labels", () => {
  const office = new Office();
  const lines = () => exposition(office.snapshot().metrics).split("\n").length;
  const before = lines();
  const listeners = Array.from(
    { length: 1000 },
    (_, index) => listen(office.hub, ["A"], `made up ${index}`).listener,
  );
  assertEquals(lines(), before);
  const families = pageOf(office);
  assertEquals(valuesOf(families, "aphlict_listeners"), {
    "phorge_instance=default": 0,
    "phorge_instance=": 1000,
  });
  assertEquals(valuesOf(families, "aphlict_instances"), { "": 1000 });
  for (const listener of listeners) listener.leave();
  assertEquals(valuesOf(pageOf(office), "aphlict_instances"), { "": 0 });
});

Deno.test("not even Phorge makes more labels than there may be", () => {
  const office = new Office();
  for (let index = 0; index < 1000; index++) {
    listen(office.hub, ["A"], `acme ${index}`);
    post(office.hub, `acme ${index}`, { subscribers: ["A"] });
  }
  const samples = samplesOf(pageOf(office), "aphlict_listeners");
  assertEquals(samples.length, 101);
  assertEquals(samples.reduce((sum, { value }) => sum + value, 0), 1000);
  assertEquals(samples.at(-1), {
    name: "aphlict_listeners",
    labels: { phorge_instance: "" },
    value: 901,
  });
});

Deno.test("an instance's name may hold anything", () => {
  const office = new Office();
  const name = 'a"b\\c\nd{}#,=é🦕';
  listen(office.hub, ["A"], name);
  post(office.hub, name, { subscribers: ["A"] });
  const samples = samplesOf(pageOf(office), "aphlict_listeners");
  assertEquals(samples.map(({ labels }) => labels["phorge_instance"]), ["default", name, ""]);
});

Deno.test("what several rooms contribute to a family stands in it one behind the other", () => {
  const metrics = collect([
    { aphlict_connections: [[{ server: "a" }, 1]] },
    labelled({ server: "b" }, { aphlict_connections: single(2), aphlict_requests: single(3) }),
    { aphlict_restarts_total: single<number>(null) },
  ]);
  assertEquals(metrics.aphlict_connections, [[{ server: "a" }, 1], [{ server: "b" }, 2]]);
  assertEquals(metrics.aphlict_requests, [[{ server: "b" }, 3]]);
  assertEquals([metrics.aphlict_restarts_total, metrics.aphlict_ready], [[], []]);
  assertEquals(Object.keys(metrics), Object.keys(FAMILIES));
});

Deno.test("samples are found by some of their labels, and summed", () => {
  const samples = [
    [{ server: "a", reason: "x" }, 1],
    [{ server: "a", reason: "y" }, 2],
    [{ server: "b", reason: "x" }, 4],
  ] as const;
  assertEquals(having(samples, { server: "a" }), samples.slice(0, 2));
  assertEquals(
    [sumOf(samples), sumOf(samples, { reason: "x" }), sumOf(samples, { server: "c" })],
    [7, 5, 0],
  );
});
