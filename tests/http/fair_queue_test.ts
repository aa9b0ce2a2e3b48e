import { FairQueue } from "../../src/http/fair_queue.ts";
import type { WorkShare } from "../../src/work_queue.ts";
import { assertEquals } from "../assert.ts";

/** A work queue that does one piece after the other when it is told to. */
class Steps implements WorkShare {
  readonly #waiting: Parameters<WorkShare["add"]>[0][] = [];

  add(worker: Parameters<WorkShare["add"]>[0]): void {
    this.#waiting.push(worker);
  }

  /** Does the next piece; `false`: there is none. */
  step(): boolean {
    const worker = this.#waiting.shift();
    worker?.work();
    return worker !== undefined;
  }
}

/** Adds pieces, as `address name`, and returns their names in the order in which they are done. */
function order(pieces: readonly string[]): string[] {
  const steps = new Steps();
  const queue = new FairQueue(steps);
  const done: string[] = [];
  for (const piece of pieces) {
    const [address = "", name = ""] = piece.split(" ");
    queue.add(address, { isOver: false, work: () => void done.push(name) });
  }
  while (steps.step());
  return done;
}

Deno.test("networks have their turns in rotation, and each does its work in the order in which it came", () => {
  assertEquals(
    order(["192.0.2.1 a1", "192.0.2.1 a2", "192.0.2.1 a3", "192.0.2.2 b1", "192.0.2.3 c1"]),
    ["a1", "b1", "c1", "a2", "a3"],
  );
});

Deno.test("who comes while another network works through its thousand is next", () => {
  const steps = new Steps();
  const queue = new FairQueue(steps);
  const done: number[] = [];
  for (let number = 0; number < 1000; number++) {
    queue.add("192.0.2.1", { isOver: false, work: () => void done.push(number) });
  }
  for (let count = 0; count < 10; count++) steps.step();
  queue.add("192.0.2.2", { isOver: false, work: () => void done.push(-1) });
  while (steps.step());
  assertEquals(done.length, 1001);
  assertEquals(done.indexOf(-1), 11, "behind the one that was in the work queue");
});

Deno.test("addresses of one IPv6 network of 64 bits are one client, and each IPv4 address is one", () => {
  assertEquals(
    order(["2001:db8::1 a1", "2001:db8::2 a2", "2001:db8:0:1::1 b1"]),
    ["a1", "b1", "a2"],
  );
  assertEquals(
    order(["::ffff:192.0.2.1 a1", "192.0.2.1 a2", "::ffff:192.0.2.2 b1"]),
    ["a1", "b1", "a2"],
  );
});

Deno.test("a worker that fails does not keep the others of its network from their turn", () => {
  const steps = new Steps();
  const queue = new FairQueue(steps);
  const done: string[] = [];
  queue.add("192.0.2.1", {
    isOver: false,
    work: () => {
      throw new Error("broken");
    },
  });
  queue.add("192.0.2.1", { isOver: false, work: () => void done.push("second") });
  try {
    steps.step();
  } catch (error) {
    done.push((error as Error).message);
  }
  while (steps.step());
  assertEquals(done, ["broken", "second"]);
});

Deno.test("a network that has nothing left begins anew", () => {
  const steps = new Steps();
  const queue = new FairQueue(steps);
  const done: string[] = [];
  for (const name of ["first", "second"]) {
    queue.add("192.0.2.1", { isOver: false, work: () => void done.push(name) });
    while (steps.step());
  }
  assertEquals(done, ["first", "second"]);
});

Deno.test("who has gone meanwhile takes no turn of its network", () => {
  const steps = new Steps();
  const queue = new FairQueue(steps);
  const done: string[] = [];
  const add = (address: string, name: string, isOver: boolean) =>
    queue.add(address, { isOver, work: () => void done.push(name) });
  add("192.0.2.1", "a1", false);
  for (let count = 0; count < 100; count++) add("192.0.2.1", "gone", true);
  add("192.0.2.1", "a2", false);
  add("192.0.2.2", "b1", false);
  add("192.0.2.2", "b2", false);
  while (steps.step());
  assertEquals(done, ["a1", "b1", "a2", "b2"]);
});
