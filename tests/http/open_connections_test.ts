import {
  type OpenConnection,
  OpenConnections,
  type Stage,
} from "../../src/http/open_connections.ts";
import type { Remote } from "../../src/http/handler.ts";
import { assertEquals } from "../assert.ts";
import fc from "fast-check";

/** A member that does nothing. */
class Named implements OpenConnection {
  readonly name: string;
  readonly address: string;

  constructor(name: string, address: string) {
    this.name = name;
    this.address = address;
  }

  get remote(): Remote {
    return { hostname: this.address, port: 1 };
  }

  tick(): void {}
  stop(): void {}
  drop(): void {}
}

/** Makes members, in some stages from an address, by the order of their names. */
function crowd(
  connections: OpenConnections,
  address: string,
  ...stages: readonly (readonly [name: string, stage: Stage])[]
): void {
  for (const [name, stage] of stages) connections.move(new Named(name, address), null, stage);
}

/** The name of the one that can be spared most easily. */
function sparest(connections: OpenConnections): string | null {
  const [member] = connections.sparest ?? [null];
  return (member as Named | null)?.name ?? null;
}

/** Takes one after the other, as when newcomers take their places, and returns their names. */
function spared(connections: OpenConnections, count = Infinity): string[] {
  const names: string[] = [];
  for (let left = count; left > 0; left--) {
    const found = connections.sparest;
    if (found === null) break;
    const [member, stage] = found;
    names.push((member as Named).name);
    connections.move(member, stage, null);
  }
  return names;
}

Deno.test("first goes who has been answered, then who is idle, then the oldest head", () => {
  const connections = new OpenConnections();
  crowd(
    connections,
    "192.0.2.1",
    ["fresh 1", "fresh"],
    ["fresh 2", "fresh"],
    ["idle 1", "idle"],
    ["idle 2", "idle"],
    ["ending", "ending"],
    ["busy", "busy"],
  );
  assertEquals(spared(connections), ["ending", "idle 1", "idle 2", "fresh 1", "fresh 2"]);
  assertEquals(connections.size, 1, "who is being answered stays");
});

Deno.test("those without a ClientHello go before heads while they have more than a quarter of the places, and last otherwise", () => {
  const connections = new OpenConnections();
  crowd(
    connections,
    "192.0.2.1",
    ["fresh 1", "fresh"],
    ["fresh 2", "fresh"],
    ["fresh 3", "fresh"],
    ["hello 1", "hello"],
    ["hello 2", "hello"],
  );
  assertEquals(spared(connections, 3), ["hello 1", "fresh 1", "hello 2"]);
});

Deno.test("bodies go before heads while they have more than half of the places, and after them otherwise", () => {
  const connections = new OpenConnections();
  const bodies = ["body 1", "body 2", "body 3"].map((name) => [name, "receiving"] as const);
  crowd(connections, "192.0.2.1", ["fresh 1", "fresh"], ["fresh 2", "fresh"], ...bodies);
  assertEquals(spared(connections), ["body 1", "fresh 1", "body 2", "fresh 2", "body 3"]);
});

Deno.test("who has been in a stage for longest is the first, not who came first", () => {
  const connections = new OpenConnections();
  const [first, second] = [new Named("first", "192.0.2.1"), new Named("second", "192.0.2.1")];
  connections.move(first, null, "fresh");
  connections.move(second, null, "fresh");
  connections.move(first, "fresh", "idle");
  connections.move(first, "idle", "fresh");
  assertEquals(sparest(connections), "second");
});

Deno.test("a network with more than a quarter of the places gives up one of its own", () => {
  const connections = new OpenConnections();
  crowd(connections, "192.0.2.1", ["honest, old", "fresh"], ["honest, idle", "idle"]);
  for (let number = 0; number < 10; number++) {
    crowd(connections, "192.0.2.9", [`loop ${number}`, "fresh"]);
  }
  assertEquals(spared(connections, 3), ["loop 0", "loop 1", "loop 2"]);
});

Deno.test("where no network has more than a quarter of the places, that of the oldest does not matter", () => {
  const connections = new OpenConnections();
  for (let number = 0; number < 10; number++) {
    crowd(connections, `192.0.2.${number}`, [`each ${number}`, "fresh"]);
  }
  assertEquals(spared(connections, 3), ["each 0", "each 1", "each 2"]);
});

Deno.test("a network whose members are all being answered lets another one give way", () => {
  const connections = new OpenConnections();
  crowd(connections, "192.0.2.9", ["busy 1", "busy"], ["busy 2", "busy"], ["busy 3", "busy"]);
  crowd(connections, "192.0.2.1", ["fresh", "fresh"]);
  assertEquals(spared(connections), ["fresh"]);
});

Deno.test("the largest network is known when it has shrunk, and when another one has left", () => {
  const connections = new OpenConnections();
  const loop = Array.from({ length: 9 }, (_, number) => new Named(`loop ${number}`, "192.0.2.9"));
  for (let number = 0; number < 8; number++) {
    crowd(connections, "192.0.2.8", [`other ${number}`, "fresh"]);
  }
  for (const connection of loop) connections.move(connection, null, "fresh");
  assertEquals(sparest(connections), "loop 0");
  for (const connection of loop) connections.move(connection, "fresh", null);
  for (let number = 0; number < 5; number++) {
    crowd(connections, `192.0.2.${number}`, [`idle ${number}`, "idle"]);
  }
  assertEquals(spared(connections, 2), ["other 0", "other 1"]);
});

Deno.test("whatever comes and goes, a network with more than a quarter of the places gives up its own, and else the oldest goes", () => {
  const step = fc.record({ network: fc.nat(4), leaves: fc.boolean() });
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const connections = new OpenConnections();
    let open: Named[] = [];
    steps.forEach(({ network, leaves }, index) => {
      const address = `192.0.2.${network}`;
      const first = open.find((each) => each.address === address);
      if (leaves && first !== undefined) {
        connections.move(first, "fresh", null);
        open = open.filter((each) => each !== first);
      } else {
        const connection = new Named(`${index}`, address);
        connections.move(connection, null, "fresh");
        open.push(connection);
      }
      const sizes = Map.groupBy(open, (each) => each.address);
      const most = Math.max(0, ...[...sizes.values()].map(({ length }) => length));
      const allowed = most > open.length / 4
        ? [...sizes.values()].filter(({ length }) => length === most).map(([oldest]) => oldest)
        : [open[0]];
      const found = connections.sparest?.[0];
      assertEquals(connections.size, open.length);
      assertEquals(
        open.length === 0 ? found : allowed.some((each) => each === found),
        open.length === 0 ? undefined : true,
      );
    });
  }));
});

Deno.test("who has left is not found again, whatever it still reports", () => {
  const connections = new OpenConnections();
  const member = new Named("gone", "192.0.2.1");
  connections.move(member, null, "fresh");
  connections.move(member, "fresh", null);
  connections.move(member, "ending", null);
  connections.move(member, "fresh", "ending");
  assertEquals([connections.size, connections.sparest, [...connections]], [0, null, []]);
});

Deno.test("members are listed by stage", () => {
  const connections = new OpenConnections();
  crowd(connections, "192.0.2.1", ["idle", "idle"], ["fresh", "fresh"], ["busy", "busy"]);
  const names = (list: Iterable<OpenConnection>) =>
    [...list].map((member) => (member as Named).name);
  assertEquals(names(connections), ["fresh", "idle", "busy"]);
  assertEquals(names(connections.in("busy", "idle")), ["busy", "idle"]);
});
