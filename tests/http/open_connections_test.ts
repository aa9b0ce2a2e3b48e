import {
  type OpenConnection,
  OpenConnections,
  type Stage,
} from "../../src/http/open_connections.ts";
import { assertEquals } from "../assert.ts";

/** A member that does nothing. */
class Named implements OpenConnection {
  readonly name: string;
  readonly address: string;

  constructor(name: string, address: string) {
    this.name = name;
    this.address = address;
  }

  get remoteAddress(): string {
    return `${this.address}:1`;
  }

  tick(): void {}
  stop(): void {}
  drop(): void {}
}

/** Makes members, in some stages from an address, by the order of their names. */
function crowd(
  members: OpenConnections,
  address: string,
  ...stages: readonly (readonly [name: string, stage: Stage])[]
): void {
  for (const [name, stage] of stages) members.move(new Named(name, address), null, stage);
}

/** The name of the one that can be spared most easily. */
function sparest(members: OpenConnections): string | null {
  const [member] = members.sparest ?? [null];
  return (member as Named | null)?.name ?? null;
}

/** Takes one after the other, as when newcomers take their places, and returns their names. */
function spared(members: OpenConnections, count = Infinity): string[] {
  const names: string[] = [];
  for (let left = count; left > 0; left--) {
    const found = members.sparest;
    if (found === null) break;
    const [member, stage] = found;
    names.push((member as Named).name);
    members.move(member, stage, null);
  }
  return names;
}

Deno.test("first goes who has been answered, then who is idle, then the oldest head", () => {
  const members = new OpenConnections();
  crowd(
    members,
    "192.0.2.1",
    ["fresh 1", "fresh"],
    ["fresh 2", "fresh"],
    ["idle 1", "idle"],
    ["idle 2", "idle"],
    ["ending", "ending"],
    ["busy", "busy"],
  );
  assertEquals(spared(members), ["ending", "idle 1", "idle 2", "fresh 1", "fresh 2"]);
  assertEquals(members.size, 1, "who is being answered stays");
});

Deno.test("greetings go before heads while they have more than a quarter of the places, and last otherwise", () => {
  const members = new OpenConnections();
  crowd(
    members,
    "192.0.2.1",
    ["fresh 1", "fresh"],
    ["fresh 2", "fresh"],
    ["fresh 3", "fresh"],
    ["greeting 1", "greeting"],
    ["greeting 2", "greeting"],
  );
  assertEquals(spared(members, 3), ["greeting 1", "fresh 1", "greeting 2"]);
});

Deno.test("bodies go before heads while they have more than half of the places, and after them otherwise", () => {
  const members = new OpenConnections();
  const bodies = ["body 1", "body 2", "body 3"].map((name) => [name, "receiving"] as const);
  crowd(members, "192.0.2.1", ["fresh 1", "fresh"], ["fresh 2", "fresh"], ...bodies);
  assertEquals(spared(members), ["body 1", "fresh 1", "body 2", "fresh 2", "body 3"]);
});

Deno.test("who has been in a stage for longest is the first, not who came first", () => {
  const members = new OpenConnections();
  const [first, second] = [new Named("first", "192.0.2.1"), new Named("second", "192.0.2.1")];
  members.move(first, null, "fresh");
  members.move(second, null, "fresh");
  members.move(first, "fresh", "idle");
  members.move(first, "idle", "fresh");
  assertEquals(sparest(members), "second");
});

Deno.test("a network with more than a quarter of the places gives up one of its own", () => {
  const members = new OpenConnections();
  crowd(members, "192.0.2.1", ["honest, old", "fresh"], ["honest, idle", "idle"]);
  for (let number = 0; number < 10; number++) {
    crowd(members, "192.0.2.9", [`loop ${number}`, "fresh"]);
  }
  assertEquals(spared(members, 3), ["loop 0", "loop 1", "loop 2"]);
});

Deno.test("where no network has more than a quarter of the places, that of the oldest does not matter", () => {
  const members = new OpenConnections();
  for (let number = 0; number < 10; number++) {
    crowd(members, `192.0.2.${number}`, [`each ${number}`, "fresh"]);
  }
  assertEquals(spared(members, 3), ["each 0", "each 1", "each 2"]);
});

Deno.test("a network whose members are all being answered lets another one give way", () => {
  const members = new OpenConnections();
  crowd(members, "192.0.2.9", ["busy 1", "busy"], ["busy 2", "busy"], ["busy 3", "busy"]);
  crowd(members, "192.0.2.1", ["fresh", "fresh"]);
  assertEquals(spared(members), ["fresh"]);
});

Deno.test("a network that has shrunk is crowded no longer, and one that has grown is", () => {
  const members = new OpenConnections();
  const loop = Array.from({ length: 8 }, (_, number) => new Named(`loop ${number}`, "192.0.2.9"));
  for (const member of loop) members.move(member, null, "fresh");
  crowd(members, "192.0.2.1", ["honest", "fresh"]);
  for (const member of loop) members.move(member, "fresh", null);
  for (let number = 0; number < 4; number++) {
    crowd(members, "192.0.2.8", [`other ${number}`, "fresh"]);
  }
  assertEquals(spared(members, 2), ["other 0", "other 1"]);
});

Deno.test("who has left is not found again, whatever it still reports", () => {
  const members = new OpenConnections();
  const member = new Named("gone", "192.0.2.1");
  members.move(member, null, "fresh");
  members.move(member, "fresh", null);
  members.move(member, "ending", null);
  members.move(member, "fresh", "ending");
  assertEquals([members.size, members.sparest, [...members]], [0, null, []]);
});

Deno.test("members are listed by stage", () => {
  const members = new OpenConnections();
  crowd(members, "192.0.2.1", ["idle", "idle"], ["fresh", "fresh"], ["busy", "busy"]);
  const names = (list: Iterable<OpenConnection>) =>
    [...list].map((member) => (member as Named).name);
  assertEquals(names(members), ["fresh", "idle", "busy"]);
  assertEquals(names(members.in("busy", "idle")), ["busy", "idle"]);
});
