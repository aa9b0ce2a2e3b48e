/**
 * What `check` accepts starts, and what it refuses does not: for all kinds of configurations, as the user that the
 * service has. Those that only root can prepare are in `as_root/judgement.ts`.
 */

import { LOG_KEYS, PEER_KEYS, SERVER_TABLES, TOP_KEYS } from "../../src/config/keys.ts";
import { keysOf, type Table } from "../../src/config/table.ts";
import { assert, assertEquals, assertMatch } from "../assert.ts";
import { makeSelfSigned } from "../acceptance/certificate.ts";
import { type Case, pair, testCase } from "./judgement.ts";
import { must } from "../acceptance/process.ts";
import { serversOn, Site } from "../acceptance/site.ts";

const CASES: readonly Case[] = [
  { name: "plain text", starts: true, restarts: true },
  {
    name: "TLS on both ports",
    change: (folder, ports) => serversOn(ports, pair(folder), pair(folder, "other")),
    starts: true,
    restarts: true,
  },
  {
    name: "a log whose folder is not there",
    change: (folder) => ({ logs: [{ path: `${folder}/a/b/c.log` }] }),
    starts: true,
  },
  {
    name: "a log that may be written, in a folder that may not",
    change: (folder) => {
      Deno.mkdirSync(`${folder}/closed`);
      Deno.writeTextFileSync(`${folder}/closed/a.log`, "");
      return { logs: [{ path: `${folder}/closed/a.log` }] };
    },
    prepare: (site) => site.close(`${site.folder}/closed`),
    starts: true,
  },
  {
    name: "a log that is not there, in a folder that may not be written",
    change: (folder) => {
      Deno.mkdirSync(`${folder}/closed`);
      return { logs: [{ path: `${folder}/closed/a.log` }] };
    },
    prepare: (site) => site.close(`${site.folder}/closed`),
    starts: false,
  },
  {
    name: "a log that is a folder",
    change: (folder) => {
      Deno.mkdirSync(`${folder}/a.log`);
      return { logs: [{ path: `${folder}/a.log` }] };
    },
    starts: false,
  },
  {
    name: "a log below a file",
    change: (folder) => {
      Deno.writeTextFileSync(`${folder}/file`, "");
      return { logs: [{ path: `${folder}/file/a.log` }] };
    },
    starts: false,
  },
  {
    name: "a log that is a pipe without a reader",
    change: (folder) => {
      must("mkfifo", [`${folder}/a.log`]);
      return { logs: [{ path: `${folder}/a.log` }] };
    },
    starts: false,
  },
  {
    name: "a log that is a link",
    change: (folder) => {
      Deno.writeTextFileSync(`${folder}/real.log`, "");
      Deno.symlinkSync("real.log", `${folder}/a.log`);
      return { logs: [{ path: `${folder}/a.log` }] };
    },
    starts: true,
  },
  {
    name: "a log that is a link to nowhere",
    change: (folder) => {
      Deno.symlinkSync(`${folder}/none/real.log`, `${folder}/a.log`);
      return { logs: [{ path: `${folder}/a.log` }] };
    },
    starts: false,
  },
  { name: "a log on /dev/null", change: () => ({ logs: [{ path: "/dev/null" }] }), starts: true },
  {
    name: "a log below /dev/shm",
    change: () => ({ logs: [{ path: "/dev/shm/aphlict-test.log" }] }),
    starts: false,
  },
  {
    name: "a log that is a link to the token",
    change: (folder, ports) => {
      Deno.writeTextFileSync(`${folder}/token`, "a-token-that-nobody-guesses");
      Deno.symlinkSync("token", `${folder}/a.log`);
      return {
        ...serversOn(ports, {}, { "token.file": `${folder}/token` }),
        logs: [{ path: `${folder}/a.log` }],
      };
    },
    starts: false,
  },
  {
    name: "folders that are links to nowhere",
    change: (folder) => {
      Deno.symlinkSync("none", `${folder}/linked`);
      return { logs: [{ path: `${folder}/linked/a.log` }], pidfile: `${folder}/linked/a.pid` };
    },
    starts: false,
  },
  {
    name: "a log below another",
    change: (folder) => ({
      logs: [{ path: `${folder}/a.log` }, { path: `${folder}/a.log/b.log` }],
    }),
    starts: false,
  },
  {
    name: "a pidfile below a log",
    change: (folder) => ({ logs: [{ path: `${folder}/a` }], pidfile: `${folder}/a/a.pid` }),
    starts: false,
  },
  {
    name: "a folder where the state of the pidfile belongs",
    change: (folder) => {
      Deno.mkdirSync(`${folder}/a.pid.state/full`, { recursive: true });
      return { pidfile: `${folder}/a.pid` };
    },
    starts: false,
  },
  {
    name: "a pidfile whose name leaves no room for the state's",
    change: (folder) => ({ pidfile: `${folder}/${"x".repeat(250)}` }),
    starts: false,
  },
  {
    name: "a pidfile that holds something else",
    change: (folder) => {
      Deno.writeTextFileSync(`${folder}/a.pid`, "precious notes");
      return { pidfile: `${folder}/a.pid` };
    },
    starts: false,
  },
  {
    name: "a pidfile that is a link",
    change: (folder) => {
      Deno.symlinkSync(`${folder}/real.pid`, `${folder}/a.pid`);
      return { pidfile: `${folder}/a.pid` };
    },
    starts: false,
  },
  {
    name: "a pidfile that is a folder",
    change: (folder) => {
      Deno.mkdirSync(`${folder}/a.pid`);
      return { pidfile: `${folder}/a.pid` };
    },
    starts: false,
  },
  {
    name: "a pidfile behind a link to a folder that no permission can name",
    change: (folder) => {
      Deno.mkdirSync(`${folder}/re,al`);
      Deno.symlinkSync("re,al", `${folder}/linked`);
      return { pidfile: `${folder}/linked/a.pid` };
    },
    starts: false,
  },
  {
    name: "a pidfile behind a link to /dev/shm",
    change: (folder) => {
      Deno.symlinkSync("/dev/shm", `${folder}/linked`);
      return { pidfile: `${folder}/linked/aphlict-test.pid` };
    },
    starts: false,
  },
  {
    name: "a pidfile below a link to itself",
    change: (folder) => {
      Deno.symlinkSync("loop", `${folder}/loop`);
      return { pidfile: `${folder}/loop/a.pid` };
    },
    starts: false,
  },
  {
    name: "a pidfile in a folder whose name is too long",
    change: (folder) => ({ pidfile: `${folder}/${"x".repeat(300)}/a.pid` }),
    starts: false,
  },
  {
    name: "a state of the pidfile that is a link to itself",
    change: (folder) => {
      Deno.symlinkSync("a.pid.state", `${folder}/a.pid.state`);
      return { pidfile: `${folder}/a.pid` };
    },
    starts: true,
  },
  {
    name: "a log whose rotated files would have names that are too long",
    change: (folder) => ({ logs: [{ path: `${folder}/${"x".repeat(254)}` }] }),
    starts: true,
  },
  {
    name: "a key of another certificate",
    change: (folder, ports) => {
      const { "ssl.key": key } = pair(folder, "other");
      return serversOn(ports, { ...pair(folder), "ssl.key": key });
    },
    starts: false,
  },
  {
    name: "a certificate that is not there",
    change: (folder, ports) => serversOn(ports, { ...pair(folder), "ssl.cert": `${folder}/none` }),
    starts: false,
  },
  {
    name: "a key that is a pipe",
    change: (folder, ports) => {
      must("mkfifo", [`${folder}/pipe`]);
      return serversOn(ports, { ...pair(folder), "ssl.key": `${folder}/pipe` });
    },
    starts: false,
  },
  {
    name: "a certificate that never ends",
    change: (folder, ports) => {
      const files = { ...pair(folder), "ssl.cert": `${folder}/endless` };
      Deno.symlinkSync("/dev/zero", `${folder}/endless`);
      return serversOn(ports, files);
    },
    starts: false,
  },
  {
    name: "a token",
    change: (folder, ports) => {
      Deno.writeTextFileSync(`${folder}/token`, "a-token-that-nobody-guesses");
      return serversOn(ports, {}, { "token.file": `${folder}/token` });
    },
    starts: true,
  },
  {
    name: "a token that is not there",
    change: (folder, ports) => serversOn(ports, {}, { "token.file": `${folder}/none` }),
    starts: false,
  },
  {
    name: "a token that is too short",
    change: (folder, ports) => {
      Deno.writeTextFileSync(`${folder}/token`, "short");
      return serversOn(ports, {}, { "token.file": `${folder}/token` });
    },
    starts: false,
  },
  {
    name: "an authority that is not there",
    change: (folder) => ({
      cluster: [{ host: "127.0.0.1", port: 1, protocol: "https", "ssl.ca": `${folder}/none` }],
    }),
    starts: false,
  },
  {
    name: "a port that another program has",
    prepare: (site) => Deno.listen({ hostname: "127.0.0.1", port: site.ports.client }),
    starts: false,
  },
  {
    name: "ports that another Aphlict has",
    prepare: async (site) => {
      const other = new Site(() => serversOn(site.ports));
      const { code, output } = await other.run("start");
      assertEquals(code, 0, output);
      return other;
    },
    starts: false,
  },
  {
    name: "a key that is unknown",
    change: () => ({ "no.such.key": 1 }),
    starts: false,
  },
  {
    name: "paths that all lead through links",
    change: (folder, ports) => {
      Deno.mkdirSync(`${folder}/real/sub`, { recursive: true });
      Deno.symlinkSync("real", `${folder}/link`);
      Deno.symlinkSync("link/sub", `${folder}/further`);
      const far = `${folder}/further`;
      Deno.writeTextFileSync(`${far}/token`, "a-token-that-nobody-guesses");
      return {
        ...serversOn(ports, pair(far), { ...pair(far, "other"), "token.file": `${far}/token` }),
        logs: [{ path: `${far}/a.log` }, { path: `${far}/new/b.log` }],
        pidfile: `${far}/run/a.pid`,
      };
    },
    starts: true,
    restarts: true,
  },
];

for (const each of CASES) testCase(each);

Deno.test("a log that cannot be rotated is used, and warned of, whatever is typed", async () => {
  await using site = new Site((folder) => {
    Deno.mkdirSync(`${folder}/closed`);
    Deno.writeTextFileSync(`${folder}/closed/a.log`, "");
    Deno.writeTextFileSync(`${folder}/real.log`, "");
    Deno.symlinkSync("real.log", `${folder}/c.log`);
    return { logs: [{ path: `${folder}/closed/a.log` }, { path: `${folder}/c.log` }] };
  });
  site.close(`${site.folder}/closed`);
  for (const verb of ["check", "start", "check", "reload", "restart", "doctor"]) {
    const { code, output } = await site.run(verb);
    assertEquals(code, 0, `${verb}: ${output}`);
    if (verb === "start" || verb === "reload") continue;
    assertMatch(output, /\/closed\/a\.log cannot be rotated\. /, verb);
    assertMatch(output, /\/c\.log is a link, and is not rotated\. /, verb);
  }
});

/** What leads to a file, by the key of the configuration; the configuration itself has none. */
const LINKED: Readonly<Record<string, readonly string[]>> = {
  "pidfile": ["pidfile"],
  "logs.path": ["log", "second-log"],
  "client.ssl.key": ["client-key"],
  "client.ssl.cert": ["client-certificate"],
  "client.ssl.chain": ["client-chain"],
  "admin.ssl.key": ["admin-key"],
  "admin.ssl.cert": ["admin-certificate"],
  "admin.ssl.chain": ["admin-chain"],
  "admin.token.file": ["token"],
  "cluster.ssl.ca": ["authority"],
  "cluster.token.file": ["peers-token"],
  "": ["configuration"],
};

Deno.test("each key that names a file is tried behind a link", () => {
  const named = (table: Table, prefix: string) =>
    keysOf(table).filter(({ kind }) => kind.type === LOG_KEYS.path.kind.type)
      .map(({ name }) => `${prefix}${name}`);
  const keys = [
    ...named(TOP_KEYS, ""),
    ...named(LOG_KEYS, "logs."),
    ...named(PEER_KEYS, "cluster."),
    ...Object.entries(SERVER_TABLES).flatMap(([type, table]) => named(table, `${type}.`)),
  ];
  assertEquals(keys.toSorted(), Object.keys(LINKED).filter((key) => key !== "").toSorted());
});

for (const what of Object.values(LINKED).flat()) {
  for (const how of ["is a link", "is below a linked folder"]) {
    // A pidfile that is a link may lead anywhere, and is refused.
    if (what === "pidfile" && how === "is a link") continue;
    Deno.test(`a service whose ${what} ${how} starts, logs, reloads and stops`, async () => {
      const place = (folder: string, name: string) => {
        if (name !== what) return `${folder}/${name}`;
        return how === "is a link" ? `${folder}/${name}` : `${folder}/linked/${name}`;
      };
      await using site = new Site((folder, ports) => {
        Deno.mkdirSync(`${folder}/real`);
        Deno.symlinkSync("real", `${folder}/linked`);
        if (how === "is a link") Deno.symlinkSync(`real/${what}`, `${folder}/${what}`);
        const write = (name: string, text: string) => {
          Deno.writeTextFileSync(place(folder, name), text);
          return place(folder, name);
        };
        const { key, cert } = makeSelfSigned({ isAuthority: false });
        const files = (type: string) => ({
          "ssl.key": write(`${type}-key`, key),
          "ssl.cert": write(`${type}-certificate`, cert),
          "ssl.chain": write(`${type}-chain`, cert),
        });
        const token = write("token", "a-token-that-nobody-guesses");
        return {
          ...serversOn(ports, files("client"), { ...files("admin"), "token.file": token }),
          cluster: [{
            ...{ host: "127.0.0.1", port: 1, protocol: "https" },
            "ssl.ca": write("authority", makeSelfSigned({ isAuthority: true }).cert),
            "token.file": write("peers-token", "another-token-that-nobody-guesses"),
          }],
          logs: [{ path: write("log", "") }, { path: write("second-log", "") }],
          pidfile: place(folder, "pidfile"),
        };
      });
      if (what === "configuration") {
        Deno.copyFileSync(site.daemon.written.path, `${site.folder}/real/${what}`);
        site.nameConfiguration(place(site.folder, what));
      }
      // The last one posts a message, over TLS and with the token.
      for (const line of ["check", "start", "reload", "restart", "send --to A"]) {
        const [verb = "", ...args] = line.split(" ");
        const { code, output } = await site.run(verb, ...args);
        assertEquals(code, 0, `${verb}: ${output}`);
      }
      for (const name of ["log", "second-log"]) {
        const log = Deno.readTextFileSync(place(site.folder, name));
        assert(log.includes("Listening: client server"), log);
      }
      const { code, output } = await site.run("stop");
      assertEquals(code, 0, output);
    });
  }
}
