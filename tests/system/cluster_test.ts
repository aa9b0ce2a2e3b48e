/**
 * The cluster on a network that is slow, loses packets, and breaks. These tests need root, iproute2
 * and a kernel with network namespaces and TAP devices.
 */

import { assert, assertEquals, assertMatch } from "../assert.ts";
import { range } from "../acceptance/cluster.ts";
import type { Process } from "../acceptance/process.ts";
import { type PeerEntry, writeConfig } from "../acceptance/server.ts";
import { serviceArguments } from "../acceptance/program.ts";
import { Folder } from "../folder.ts";
import { type Host, ipv4, ipv6, Lan, whyNoHosts } from "./hosts.ts";
import { ADMIN_PORT, CLIENT_PORT } from "./visitor.ts";

/** Where a service listens for its peers, by the version of the protocol. */
const IPV4_PORT = 22_282;
const IPV6_PORT = 22_283;

/** What a packet takes one way. */
const DELAY_MS = 40;

/** One in twenty packets is lost. */
const LOSS = 0.05;

/** What stands before what nobody should overlook. */
const LOUD = "\n!!! ";

/** Says something to whoever runs the tests. */
function report(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${text}\n`));
}

/** Describes what holds on a machine that can have hosts of its own, and says if this one cannot. */
function onHosts(does: string, test: () => Promise<void>): void {
  Deno.test(does, async () => {
    const reason = await whyNoHosts();
    if (reason === null) await test();
    else report(`${LOUD}NOT RUN: "${does}", as ${reason}`);
  });
}

/** A service on a host, and a browser beside it. */
class Site implements AsyncDisposable {
  readonly host: Host;
  readonly service: Process;
  readonly #folder: Folder;
  readonly #browser: Process;

  private constructor(host: Host, service: Process, folder: Folder, browser: Process) {
    this.host = host;
    this.service = service;
    this.#folder = folder;
    this.#browser = browser;
  }

  static async start(lan: Lan, number: number, cluster: readonly PeerEntry[]): Promise<Site> {
    const host = lan.host(number);
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(new Folder());
    const { path } = writeConfig(folder, {
      servers: [
        { type: "client", port: CLIENT_PORT, listen: "127.0.0.1" },
        { type: "admin", port: ADMIN_PORT },
        { type: "admin", port: IPV4_PORT, listen: ipv4(number) },
        { type: "admin", port: IPV6_PORT, listen: ipv6(number) },
      ],
      cluster,
      drain: 0,
    });
    const service = stack.use(host.start(Deno.execPath(), serviceArguments(path, "serve")));
    await service.line(/has fingerprint /);
    const browser = stack.use(host.visit("listen"));
    await browser.line(/^Listening$/);
    stack.move();
    return new Site(host, service, folder, browser);
  }

  /** Publishes these messages here; resolves to when the first one was, in ms since 1970. */
  async publish(from: number, to: number): Promise<number> {
    await using publisher = this.host.visit("publish", String(from), String(to));
    const began = await publisher.line(/^Began /);
    await publisher.ended();
    return Number(began.split(" ")[1]);
  }

  /** Waits until the service has reached all its peers. */
  async meet(): Promise<void> {
    await using visitor = this.host.visit("meet");
    await visitor.line(/^Met$/);
  }

  /** Waits for a message; resolves to when it came, in ms since 1970. */
  async arrival(n: number): Promise<number> {
    return Number((await this.#browser.line(new RegExp(`^${n} `))).split(" ")[1]);
  }

  /** The numbers of all messages that have come, in order. */
  arrived(): number[] {
    const lines = this.#browser.output.split("\n");
    return lines.filter((line) => /^\d+ \d+$/.test(line)).map((line) => parseInt(line));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser[Symbol.asyncDispose]();
    await this.service[Symbol.asyncDispose]();
    this.#folder[Symbol.dispose]();
  }
}

function peer(host: string, port: number): PeerEntry {
  return { host, port, protocol: "http" };
}

/** The list that is the same on each of three servers: peers by IPv4 and by IPv6, and itself. */
const LIST: readonly PeerEntry[] = [
  peer(ipv4(1), IPV4_PORT),
  peer(ipv6(2), IPV6_PORT),
  peer(ipv4(3), IPV4_PORT),
];

/** Waits until a message, published last, has come to each, and every one came once and in order. */
async function assertComplete(sites: readonly Site[], last: number): Promise<void> {
  for (const site of sites) {
    await site.arrival(last);
    assertEquals(site.arrived(), range(1, last + 1));
  }
}

onHosts(
  "on a slow network that loses packets, each message reaches three servers once, in order, and not one a round trip",
  async () => {
    await using lan = await Lan.make(3, { delayMs: DELAY_MS, loss: LOSS });
    await using first = await Site.start(lan, 1, LIST);
    await using second = await Site.start(lan, 2, LIST);
    await using third = await Site.start(lan, 3, LIST);
    const sites = [first, second, third];
    for (const site of sites) await site.meet();

    const count = 400;
    const began = await first.publish(1, count);
    await assertComplete(sites, count);
    for (const site of [second, third]) {
      const took = await site.arrival(count) - began;
      const rate = Math.round(count / took * 1000);
      report(`${count} messages took ${took} ms over a link with ${DELAY_MS} ms: ${rate}/s`);
      assert(took < count * 2 * DELAY_MS / 2, `one round trip each would take twice ${took} ms`);
    }
    assertMatch(await lan.cut(), /[1-9]\d* lost/);
  },
);

onHosts(
  "when a network that broke is mended, everything arrives that was published meanwhile, once and in order",
  async () => {
    await using lan = await Lan.make(3, { delayMs: DELAY_MS, loss: LOSS });
    await using first = await Site.start(lan, 1, LIST);
    await using second = await Site.start(lan, 2, LIST);
    await using third = await Site.start(lan, 3, LIST);
    for (const site of [first, second, third]) await site.meet();
    await first.publish(1, 50);
    await assertComplete([first, second, third], 50);

    await lan.cut();
    await first.publish(51, 100);
    await first.service.line(/WARNING .*2001:db8::2.* does not answer/);
    await first.service.line(/WARNING .*192\.0\.2\.3.* does not answer/);
    await first.publish(101, 150);
    assertEquals([first, second, third].map((site) => site.arrived().length), [150, 50, 50]);

    await lan.mend();
    await assertComplete([first, second, third], 150);
  },
);

onHosts(
  "a peer's name is resolved again for the next connection, so messages follow it to another address",
  async () => {
    await using lan = await Lan.make(3);
    const at = (number: number) => `127.0.0.1 localhost\n${ipv4(number)} peer.example\n`;
    lan.host(1).name(at(2));
    await using first = await Site.start(lan, 1, [peer("peer.example", IPV4_PORT)]);
    await using third = await Site.start(lan, 3, []);
    {
      await using second = await Site.start(lan, 2, []);
      await first.publish(1, 1);
      await assertComplete([second], 1);
      lan.host(1).name(at(3));
    }
    await first.publish(2, 3);
    await third.arrival(3);
    assertEquals(third.arrived(), [2, 3]);
  },
);
