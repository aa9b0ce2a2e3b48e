/**
 * The promises of decision 0008, of a supervisor whose clock and processes are made up. What is found with another
 * seed (`APHLICT_SEED`) belongs below as a test of its own.
 */

import fc from "fast-check";
import { assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import {
  type Behaviour,
  type Change,
  type Check,
  Simulation,
  type Step,
  WELL,
} from "./simulation.ts";

const SEED = Number(Deno.env.get("APHLICT_SEED") ?? 8);
const RUNS = Number(Deno.env.get("APHLICT_RUNS") ?? 200);

/** Times around each limit, in ms. */
const TIMES = fc.oneof(
  fc.constantFrom(0, 1, 500, 2000, 5500, 7500, 10_000, 15_000, 30_000, 60_000, 61_000),
  fc.nat({ max: 70_000 }),
);

const behaviour: fc.Arbitrary<Behaviour> = fc.record({
  start: fc.constantFrom("listens", "listens", "listens", "fails", "exits", "hangs"),
  startMs: fc.oneof(fc.constant(500), fc.nat({ max: 40_000 })),
  livesMs: fc.option(TIMES, { freq: 2 }),
  endMs: fc.option(fc.nat({ max: 12_000 }), { freq: 2 }),
  answer: fc.option(fc.record({ ok: fc.boolean(), afterMs: fc.nat({ max: 20_000 }) })),
  reads: fc.boolean(),
  closes: fc.boolean(),
});

const check: fc.Arbitrary<Check> = fc.record({
  ok: fc.boolean(),
  ms: fc.option(fc.nat({ max: 20_000 })),
});

const wait: fc.Arbitrary<Step> = fc.record({ does: fc.constant("wait"), ms: TIMES });

const stop = fc.constantFrom<Step[]>({ does: "SIGTERM" }, { does: "SIGINT" }, { does: "usurp" });

const hangUp = fc.constant<Step>({ does: "SIGHUP" });

const configure: fc.Arbitrary<Step> = fc.record({
  does: fc.constant("configure"),
  to: fc.constantFrom("first", "drain", "port", "port", "invalid", "pidfile"),
});

/** What happens together. */
const steps: fc.Arbitrary<Step[]> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(wait) },
  { weight: 4, arbitrary: fc.tuple(configure, hangUp) },
  { weight: 1, arbitrary: fc.tuple(configure) },
  { weight: 1, arbitrary: fc.tuple(hangUp) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom<Step[]>({ does: "kill" }, { does: "remove" })) },
  { weight: 1, arbitrary: fc.tuple(stop) },
);

Deno.test("whatever services, checks, signals and files do, the supervisor keeps its promises", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(behaviour, { maxLength: 6 }),
      fc.array(check, { maxLength: 3 }),
      fc.array(steps, { maxLength: 10 }),
      async (behaviours, checks, steps) => {
        // Most first starts go well: else there would be little to see.
        using simulation = new Simulation([WELL, ...behaviours], checks);
        await simulation.play(...steps.flat());
        await simulation.finish();
      },
    ),
    { seed: SEED, numRuns: RUNS },
  );
});

Deno.test("a first start that fails, hangs or is stopped ends the supervisor", async () => {
  await fc.assert(
    fc.asyncProperty(behaviour, wait, fc.option(stop), async (behaviour, wait, stop) => {
      using simulation = new Simulation([behaviour]);
      await simulation.play(wait, ...stop === null ? [] : [stop]);
      await simulation.finish();
    }),
    { seed: SEED, numRuns: RUNS / 4 },
  );
});

/** Plays steps with services that behave as told after the first, and hands the simulation on before its end. */
async function scene(
  { first = WELL, then = [], checks }: {
    readonly first?: Behaviour;
    readonly then?: readonly Behaviour[];
    readonly checks?: readonly Check[];
  },
  steps: readonly Step[],
  look: (simulation: Simulation) => void,
): Promise<void> {
  using simulation = new Simulation([first, ...then], checks);
  await simulation.play({ does: "wait", ms: 500 }, ...steps);
  look(simulation);
  await simulation.finish();
}

function pause(ms: number): Step {
  return { does: "wait", ms };
}

/** Changes the configuration file and asks for a reload. */
function reload(to: Change): Step[] {
  return [{ does: "configure", to }, { does: "SIGHUP" }];
}

/** The waits that were logged, in seconds. */
function waitsIn({ log }: Simulation): number[] {
  return log.flatMap((line) => /started again in (\d+) s/.exec(line)?.[1] ?? []).map(Number);
}

function portsOf({ services }: Simulation): (number | undefined)[] {
  return services.map(({ config }) => config?.servers[0]?.port);
}

const DYING: Behaviour = { ...WELL, livesMs: 100 };
const FAILING: Behaviour = { ...WELL, start: "fails" };
const HANGING: Behaviour = { ...WELL, start: "hangs", endMs: null };

Deno.test("a service that keeps dying is started again after longer and longer, until it was well for a minute", async () => {
  const then = [DYING, DYING, DYING, DYING, DYING, DYING, { ...WELL, livesMs: 60_000 }];
  await scene({ first: DYING, then }, [pause(300_000)], (simulation) => {
    assertEquals(waitsIn(simulation), [2, 4, 8, 16, 32, 60, 60, 2]);
  });
});

Deno.test("the wait is short again after a service that was well, although a reload has ended it", async () => {
  const steps = [pause(10_000), pause(60_000), ...reload("port"), pause(20_000)];
  await scene({ first: DYING, then: [DYING, WELL, DYING] }, steps, (simulation) => {
    assertEquals(waitsIn(simulation), [2, 4, 2]);
  });
});

Deno.test("a service that cannot be started again says why, and is tried again", async () => {
  await scene({ then: [FAILING, HANGING] }, [{ does: "kill" }, pause(50_000)], ({ log }) => {
    assertEquals(log, [
      "ERROR The service (pid 1001) was ended by SIGKILL after 1 s.",
      "INFO The service is started again in 2 s.",
      "ERROR The service could not start: Cannot bind",
      "INFO The service is started again in 4 s.",
      "ERROR The service could not start: The service did not listen within 30000 ms.",
      "INFO The service is started again in 8 s.",
      "INFO The service (pid 1004) listens again.",
    ]);
  });
});

for (
  const [to, problem] of [["invalid", /^WARNING Cannot use /], [
    "pidfile",
    /cannot change/,
  ]] as const
) {
  Deno.test(`a service that crashes while its file is of no use (${to}) comes back as it was`, async () => {
    const steps: Step[] = [{ does: "configure", to }, { does: "kill" }, pause(3000)];
    await scene({}, steps, ({ log, services }) => {
      assertMatch(log[2] ?? "", problem);
      assertStringIncludes(log.join("\n"), "is started with the configuration as it was before.");
      assertEquals(services[1]?.config, services[0]?.config);
    });
  });
}

Deno.test("a service that crashes while its file names what does not work comes back as it was", async () => {
  const steps: Step[] = [{ does: "configure", to: "port" }, { does: "kill" }, pause(4000)];
  await scene({ then: [FAILING] }, steps, (simulation) => {
    assertEquals(portsOf(simulation), [22280, 22290, 22280]);
    assertEquals(simulation.log.slice(2), [
      "ERROR Cannot bind",
      "INFO The service (pid 1003) listens again.",
    ]);
  });
});

Deno.test("a reload while the service is down starts it with the corrected file at once", async () => {
  const steps: Step[] = [{ does: "kill" }, pause(100), ...reload("port"), pause(600)];
  await scene({}, steps, (simulation) => {
    assertEquals(portsOf(simulation), [22280, 22290]);
    assertEquals(simulation.state?.lastReload, {
      ok: true,
      lines: ["The service (pid 1002) listens."],
    });
  });
});

Deno.test("a reload while the service is down tells when the new file was given up", async () => {
  const steps: Step[] = [{ does: "kill" }, pause(100), ...reload("port"), pause(1500)];
  await scene({ then: [FAILING] }, steps, ({ state }) => {
    assertEquals(state?.lastReload?.lines, [
      "The service could not start:",
      "Cannot bind",
      "It was started again as it was before.",
      "The service (pid 1003) listens.",
    ]);
  });
});

Deno.test("a reload to what turns out not to work goes back to what was before, and says so", async () => {
  await scene({ then: [FAILING] }, [...reload("port"), pause(5000)], (simulation) => {
    assertEquals(portsOf(simulation), [22280, 22290, 22280]);
    assertEquals(simulation.state?.lastReload, {
      ok: false,
      lines: [
        "servers changed, which a running service cannot take over. The service was stopped for it, and could not start:",
        "Cannot bind",
        "It was started again as it was before.",
        "The service (pid 1004) listens.",
      ],
    });
  });
});

for (
  const [to, checks, problem] of [
    ["pidfile", [], /^"pidfile" cannot change from /],
    ["relative", [], /^A path has become relative/],
    ["port", [{ ok: false, ms: 500 }], /^servers\[0\]: Cannot bind/],
    ["port", [{ ok: false, ms: 0, runs: false }], /^Cannot run deno: No such file or directory\.$/],
    ["port", [{ ok: true, ms: null }], /^`aphlict check` did not end within 60 s: killed\.$/],
  ] as const
) {
  Deno.test(`a reload is refused and the service goes on: ${problem.source}`, async () => {
    await scene({ checks }, [...reload(to), pause(61_000)], ({ state, services, log }) => {
      assertEquals([services.length, state?.lastReload?.ok], [1, false]);
      assertMatch(state?.lastReload?.lines[0] ?? "", problem);
      assertMatch(log[0] ?? "", /^ERROR Reload refused: /);
    });
  });
}

Deno.test("a service that answers a reload too late, or reads nothing, is told, and the next has its own answer", async () => {
  const late: Behaviour = { ...WELL, answer: { ok: true, afterMs: 16_000 } };
  for (const first of [late, { ...WELL, reads: false }]) {
    await scene({ first }, [...reload("drain"), pause(15_500)], ({ state }) => {
      assertEquals(state?.lastReload?.lines, ["The service did not answer within 15000 ms."]);
    });
  }
  await scene({ first: late }, [...reload("drain"), pause(17_000)], ({ log }) => {
    const line = "INFO The service (pid 1001) has answered a reload that had been given up";
    assertStringIncludes(log.at(-1) ?? "", line);
  });
});

Deno.test("reloads that are asked for during another one are answered by one more, which reads the last file", async () => {
  const steps: Step[] = [...reload("drain"), { does: "SIGHUP" }, ...reload("port"), pause(5000)];
  await scene({}, steps, (simulation) => {
    assertEquals(simulation.state?.reloadDone, 2);
    assertEquals(portsOf(simulation), [22280, 22290]);
  });
});

Deno.test("a stop comes before reloads that were asked for earlier", async () => {
  const steps: Step[] = [...reload("port"), { does: "SIGHUP" }, { does: "SIGTERM" }, pause(500)];
  await scene({}, steps, ({ log, result, services }) => {
    assertEquals([log, result, services.length], [["INFO SIGTERM: stopping."], true, 1]);
  });
});

Deno.test("what does not obey a stop is killed after drain + 5.5 s, and that is logged", async () => {
  const steps: Step[] = [{ does: "SIGINT" }, pause(7500)];
  await scene({ first: { ...WELL, endMs: null } }, steps, ({ log, result }) => {
    assertEquals(result, true);
    assertEquals(log, [
      "INFO SIGINT: stopping.",
      "WARNING The service (pid 1001) did not stop within 7500 ms: killed.",
    ]);
  });
});

Deno.test("a service that only starts, and does not obey, holds a stop up no longer", async () => {
  for (const first of [WELL, HANGING]) {
    const again: Step[] = first === WELL ? [{ does: "kill" }, pause(2000)] : [];
    const steps: Step[] = [...again, { does: "SIGTERM" }, pause(7500)];
    await scene(
      { first, then: [HANGING] },
      steps,
      ({ result, announced }) => {
        assertEquals([result, announced[0]?.type], [true, first === WELL ? "listening" : "failed"]);
      },
    );
  }
});

Deno.test("a pidfile that is removed is made again within 10 s; one that another has taken ends the supervisor", async () => {
  await scene({}, [{ does: "remove" }, pause(10_000)], ({ log, state }) => {
    assertMatch(log.join(), /^WARNING Pidfile \S+ was gone: it was made again\.$/);
    assertEquals(state?.service?.pid, 1001);
  });
  await scene({}, [{ does: "usurp" }, pause(10_500)], ({ log, result }) => {
    assertMatch(log.join(), /^INFO Another Aphlict has taken pidfile \S+: stopping\.$/);
    assertEquals(result, true);
  });
});
