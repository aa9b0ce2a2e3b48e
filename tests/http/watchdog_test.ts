import { Watchdog } from "../../src/http/watchdog.ts";
import { freePorts } from "../acceptance/ports.ts";
import { assertEquals } from "../assert.ts";

/** Ticks, each after what is happening on the network has happened. */
async function ticks(watchdog: Watchdog, count: number): Promise<boolean[]> {
  const answers: boolean[] = [];
  for (let index = 0; index < count; index++) {
    answers.push(watchdog.tick());
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return answers;
}

Deno.test("a watchdog knocks after five quiet ticks, and gives up four ticks after", async () => {
  const [port = 0] = freePorts(1);
  const errors: string[] = [];
  using listener = Deno.listen({ hostname: "127.0.0.1", port });
  const watchdog = new Watchdog("127.0.0.1", port, (error) => errors.push(error.message));
  let knocks = 0;
  const accepting = (async () => {
    for await (const connection of listener) {
      knocks++;
      connection.close();
    }
  })();
  assertEquals(await ticks(watchdog, 4), Array(4).fill(false));
  assertEquals(knocks, 0);
  assertEquals(await ticks(watchdog, 5), [false, false, false, false, true]);
  assertEquals([knocks, errors], [1, []]);
  watchdog.stop();
  listener.close();
  await accepting;
});

Deno.test("a watchdog whose server accepts is quiet for five more ticks, and hangs up", async () => {
  const [port = 0] = freePorts(1);
  const errors: string[] = [];
  const listener = Deno.listen({ hostname: "127.0.0.1", port });
  const watchdog = new Watchdog("127.0.0.1", port, (error) => errors.push(error.message));
  let knocks = 0;
  const ends: Promise<number | null>[] = [];
  const accepting = (async () => {
    for await (const connection of listener) {
      knocks++;
      watchdog.accepted();
      ends.push(connection.read(new Uint8Array(1)).finally(() => connection.close()));
    }
  })();
  assertEquals(await ticks(watchdog, 20), Array(20).fill(false));
  assertEquals([knocks, errors], [4, []]);
  assertEquals(await Promise.all(ends), Array(4).fill(null));
  listener.close();
  await accepting;
});

Deno.test("a watchdog that cannot knock knows nothing, and knocks again later", async () => {
  const [port = 0] = freePorts(1);
  const errors: string[] = [];
  const watchdog = new Watchdog("127.0.0.1", port, (error) => errors.push(error.message));
  assertEquals(await ticks(watchdog, 30), Array(30).fill(false));
  assertEquals(errors.length, 6);
  assertEquals(new Set(errors), new Set([`connect ECONNREFUSED 127.0.0.1:${port}`]));
});
