import { Cluster } from "../../src/cluster/cluster.ts";
import { faultCount } from "../../src/log/fault.ts";
import { assertEquals } from "../assert.ts";
import { until } from "../acceptance/until.ts";
import { makeHub, post } from "../hub/fixtures.ts";

Deno.test("an internal error with one peer does not keep a message from the others", () => {
  const peers = [1, 2, 3].map((port) =>
    ({ host: "127.0.0.1", port, protocol: "http", ca: null, token: null }) as const
  );
  const { hub } = makeHub();
  const cluster = new Cluster(peers, hub);
  const publication = post(hub, "default", { subscribers: [] });
  const { encoded } = publication;
  let asked = 0;
  const before = faultCount();
  cluster.relay("default", {
    touched: [],
    encoded: new Proxy(encoded, {
      get(target, name) {
        if (name === "bytes" && ++asked === 1) throw new TypeError("a mistake");
        return Reflect.get(target, name, target);
      },
    }),
  });
  assertEquals(faultCount() - before, 1);
  assertEquals(cluster.status().slice(1).map(({ queued }) => queued), [1, 1]);
});

Deno.test("a message that met an internal error on its way to a peer is sent again on another connection", async () => {
  const posted: string[] = [];
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      if (request.method === "POST") posted.push((await request.json()).type);
      return Response.json({ version: 7, fingerprint: "PEER" });
    },
  );
  const { port } = server.addr;
  const { hub } = makeHub();
  const cluster = new Cluster([{
    host: "127.0.0.1",
    port,
    protocol: "http",
    ca: null,
    token: null,
  }], hub);
  cluster.start();
  await until(() => cluster.status()[0]?.state === "up");
  const before = faultCount();
  const { encoded } = post(hub, "default", { subscribers: [], type: "first" });
  let asked = 0;
  cluster.relay("default", {
    touched: [],
    encoded: new Proxy(encoded, {
      get(target, name) {
        if (name !== "touchedBy") return Reflect.get(target, name, target);
        if (++asked === 1) throw new TypeError("a mistake");
        return target.touchedBy.bind(target);
      },
    }),
  });
  cluster.relay("default", post(hub, "default", { subscribers: [], type: "second" }));
  await until(() => posted.length === 2);
  assertEquals([posted, faultCount() - before], [["first", "second"], 1]);
  await cluster.stop();
});
