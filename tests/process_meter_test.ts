import { connectionsIn } from "../src/config/open_files.ts";
import { type Host, ProcessMeter } from "../src/process_meter.ts";
import { assert, assertEquals } from "./assert.ts";
import { value } from "./metrics/value.ts";

const UNKNOWN: Host = { restarts: null, openFiles: null, memory: null };

/** A clock and one timer that do what they are told. */
class FakeTime implements Disposable {
  readonly #now = performance.now;
  readonly #real = { setInterval, clearInterval };
  #ms = 1000;
  /** What is to be called, and how often. */
  readonly timers = new Map<number, { readonly run: () => void; readonly ms: number }>();

  constructor() {
    performance.now = () => this.#ms;
    Object.assign(globalThis, {
      setInterval: (run: () => void, ms: number) => {
        const id = this.timers.size + 1;
        this.timers.set(id, { run, ms });
        return id;
      },
      clearInterval: (id: number) => void this.timers.delete(id),
    });
  }

  /** The timers have their turn, this much too late. */
  step(late: number): void {
    for (const { run, ms } of this.timers.values()) {
      this.#ms += ms + late;
      run();
    }
  }

  [Symbol.dispose](): void {
    performance.now = this.#now;
    Object.assign(globalThis, this.#real);
  }
}

Deno.test("an event loop that nobody has looked at is not late", () => {
  const meter = new ProcessMeter(UNKNOWN, () => 100);
  assertEquals(meter.worstMs, 0);
  meter.stop();
});

Deno.test("the worst of the last five seconds is told, and forgotten then", () => {
  using time = new FakeTime();
  const meter = new ProcessMeter(UNKNOWN, () => 100);
  time.step(0);
  assertEquals(meter.worstMs, 0);
  time.step(70);
  time.step(30);
  assertEquals(meter.worstMs, 70);
  for (let step = 0; step < 48; step++) time.step(0);
  assertEquals(meter.worstMs, 70);
  time.step(0);
  assertEquals(meter.worstMs, 30);
  time.step(0);
  assertEquals(meter.worstMs, 0);
});

Deno.test("a timer that is a moment too early is not less than on time", () => {
  using time = new FakeTime();
  const meter = new ProcessMeter(UNKNOWN, () => 100);
  time.step(-2);
  assertEquals(meter.worstMs, 0);
});

Deno.test("one that is stopped leaves no timer behind", () => {
  using time = new FakeTime();
  const meter = new ProcessMeter(UNKNOWN, () => 100);
  meter.stop();
  assertEquals(time.timers.size, 0);
});

Deno.test("a turn of the event loop that takes long is seen", async () => {
  const meter = new ProcessMeter(UNKNOWN, () => 100);
  const until = performance.now() + 300;
  while (performance.now() < until);
  await new Promise((resolve) => setTimeout(resolve, 50));
  meter.stop();
  assert(meter.worstMs >= 150, `${meter.worstMs}`);
});

Deno.test("what the process does is told in seconds and bytes", () => {
  const meter = new ProcessMeter({ restarts: 3, openFiles: 1024, memory: 5e9 }, () => 100);
  meter.stop();
  assertEquals(value(meter, "aphlict_restarts_total"), 3);
  assertEquals(value(meter, "aphlict_memory_granted_bytes"), 5e9);
  assertEquals(value(meter, "process_max_fds"), 1024);
  assertEquals(value(meter, "process_start_time_seconds"), performance.timeOrigin / 1000);
  const cpu = value(meter, "process_cpu_seconds_total");
  assert(cpu > 0.01 && cpu < 3600, `${cpu}`);
  const [heap, most] = [
    value(meter, "aphlict_heap_bytes"),
    value(meter, "aphlict_heap_limit_bytes"),
  ];
  assert(heap > 1e6 && heap < most, `${heap} of ${most}`);
  assert(value(meter, "process_resident_memory_bytes") > heap);
});

Deno.test("open files are enough for fewer connections than there are files, with what else takes some", () => {
  const holds = (others: number) => {
    const meter = new ProcessMeter({ ...UNKNOWN, openFiles: 1024 }, () => others);
    meter.stop();
    return value(meter, "aphlict_files_connections_limit");
  };
  assertEquals(holds(100), connectionsIn(1024, 100));
  assertEquals(holds(200) < holds(100) && holds(200) > 0, true);
});

Deno.test("what the service was not told of has no sample", () => {
  const meter = new ProcessMeter(UNKNOWN, () => 100);
  meter.stop();
  const metrics = meter.metrics();
  assertEquals(
    [
      metrics.aphlict_restarts_total,
      metrics.aphlict_memory_granted_bytes,
      metrics.aphlict_files_connections_limit,
      metrics.process_max_fds,
    ],
    [[], [], [], []],
  );
});
