/**
 * The limit of open files, where the ports and the peers themselves take many.
 */

import { assert, assertEquals } from "../assert.ts";
import { peersOf } from "./cluster.ts";
import { peerAt, run, type Running } from "./server.ts";
import { until } from "./until.ts";
import { Wire } from "./wire.ts";

/**
 * Connections that wait at each port, which take the part of each, and at some of them. The runtime accepts 128 before it
 * tells of the first.
 */
const EACH = 30;
const MANY = 300;

/** The files that a process has open. */
function openFilesOf({ process }: Running): number {
  return [...Deno.readDirSync(`/proc/${process.pid}/fd`)].length;
}

/**
 * Returns what a port answers to a request. A port that nothing accepts at answers nothing. A connection whose request has
 * not been read yet may have to make room for the crowd, and is made again.
 */
async function asked(port: number): Promise<string> {
  let answer = "";
  await until(async () => {
    using wire = await Wire.connect(port);
    await wire.send("GET /status/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    const head = await wire.head().catch((error: Error) => error.message);
    if (head === 'The connection ended after ""') return false;
    answer = head.slice(0, 12);
    return true;
  });
  return answer;
}

for (
  const [each, peers, openFiles] of [
    [4, 4, 400],
    [60, 40, 600],
  ] as const
) {
  Deno.test(`${each} admin and ${each} client servers with ${peers} peers accept on when more connect than ${openFiles} open files are enough for`, async () => {
    const servers = (["client", "admin"] as const).flatMap((type) =>
      Array.from({ length: each }, () => ({ type }))
    );
    await using others = await run({
      servers: [
        { type: "client" },
        ...Array.from({ length: peers }, () => ({ type: "admin" } as const)),
      ],
    });
    await using running = await run({
      servers,
      openFiles,
      engine: "socket",
      cluster: () => others.ports.slice(1).map((port) => peerAt(port)),
    });
    await until(async () => (await peersOf(running.admin)).every(({ state }) => state === "up"));
    assert(openFilesOf(running) > servers.length + peers);
    // So that all of them wait when it looks.
    running.process.kill("SIGSTOP");
    await using crowd = new AsyncDisposableStack();
    await Promise.all(running.ports.map(async (port, index) => {
      const count = index % Math.ceil(each / 4) === 0 ? MANY : EACH;
      for (let at = 0; at < count; at++) crowd.use(await Wire.connect(port));
    }));
    running.process.kill("SIGCONT");
    const heads = await Promise.all(running.ports.map(asked));
    assertEquals(
      new Set(heads),
      new Set(["HTTP/1.1 501", "HTTP/1.1 200"]),
      `${openFilesOf(running)} of ${openFiles} files`,
    );
    assertEquals(/accepts no more|cannot connect to itself/.test(running.log()), false);
  });
}
