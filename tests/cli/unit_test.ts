import { circumstancesIn, judgeUnit, parseUnit } from "../../src/cli/unit.ts";
import { validate } from "../../src/config/validate.ts";
import { assertEquals, assertStringIncludes } from "../assert.ts";

/** What `systemctl show` prints of the unit in the examples, and further lines. */
function unitWith(...lines: readonly string[]): string {
  return [
    "LoadState=loaded",
    "ActiveState=inactive",
    "UnitFileState=enabled",
    "User=aphlict",
    "ExecStart={ path=/opt/aphlict/bin/aphlict ; argv[]=/opt/aphlict/bin/aphlict run --config /etc/aphlict/a.json ; " +
    "ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }",
    "RuntimeDirectory=aphlict",
    "LogsDirectory=aphlict:aphlict-link",
    "StateDirectory=",
    "ReadWritePaths=-/srv/log",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateTmp=yes",
    ...lines,
  ].join("\n");
}

function configWith(
  log: string,
  pidfile: string,
  key = "/etc/aphlict/key",
): ReturnType<typeof validate> {
  const ssl = { "ssl.key": key, "ssl.cert": "/etc/aphlict/cert" };
  return validate("/etc/aphlict/a.json", {
    servers: [{ type: "client", port: 22280, ...ssl }, { type: "admin", port: 22281 }],
    logs: [{ path: log }],
    pidfile,
  });
}

Deno.test("a unit tells whom it runs the service as, with what, and which folders it makes", () => {
  const unit = parseUnit(unitWith());
  assertEquals(unit?.user, "aphlict");
  assertEquals(unit?.config, "/etc/aphlict/a.json");
  assertEquals(unit?.made, ["/run/aphlict", "/var/log/aphlict"]);
});

Deno.test("a unit without a configuration runs the default one", () => {
  const unit = parseUnit(
    unitWith("ExecStart={ path=/usr/bin/aphlict ; argv[]=/usr/bin/aphlict run ; pid=0 }"),
  );
  assertEquals(unit?.config, null);
});

Deno.test("a unit that is not there, or neither enabled nor active, counts as none", () => {
  for (
    const text of [
      "none",
      "",
      unitWith("LoadState=not-found"),
      unitWith("UnitFileState=disabled"),
    ]
  ) assertEquals(parseUnit(text), null);
  assertEquals(parseUnit(unitWith("UnitFileState=disabled", "ActiveState=active")) === null, false);
});

Deno.test("files in the unit's folders are written, others are not", () => {
  const unit = parseUnit(unitWith());
  if (unit === null) throw new Error("There is no unit");
  const problemsOf = (...paths: Parameters<typeof configWith>) =>
    judgeUnit(configWith(...paths), unit).map(({ path }) => path);
  assertEquals(problemsOf("/var/log/aphlict/a.log", "/run/aphlict/a.pid"), []);
  assertEquals(problemsOf("/srv/log/a.log", "/tmp/a.pid"), []);
  // As on every Linux, a link to /run.
  assertEquals(problemsOf("/var/log/aphlict/a.log", "/var/run/aphlict/a.pid"), []);
  assertEquals(problemsOf("/var/log/aphlict.log", "/run/a.pid"), ["logs[0].path", "pidfile"]);
  assertEquals(problemsOf("/srv/log/a.log", "/tmp/a.pid", "/root/key"), [""]);
  assertEquals(problemsOf("/tmp/a.log", "/run/aphlict/a.pid"), [], "a log in a folder of its own");
  assertEquals(problemsOf("/srv/log/a.log", "/tmp/a.pid", "/tmp/key"), [""]);
  const [problem] = judgeUnit(configWith("/var/log/aphlict.log", "/run/aphlict/a.pid"), unit);
  assertStringIncludes(
    problem?.message ?? "",
    "Choose a file in /run/aphlict, or add ReadWritePaths=",
  );
});

Deno.test("a unit tells which groups, ports and memory it gives, and whether it gives any", () => {
  const given = (text: string) => {
    const { groups, bindsAnyPort, memory } = parseUnit(text) ?? {};
    return [groups, bindsAnyPort, memory];
  };
  assertEquals(given(unitWith()), [[], false, null]);
  assertEquals(
    given(
      unitWith(
        "SupplementaryGroups=ssl-cert www-data",
        "AmbientCapabilities=cap_net_bind_service cap_sys_nice",
        "MemoryMax=314572800",
      ),
    ),
    [["ssl-cert", "www-data"], true, 300 * 1024 ** 2],
  );
  assertEquals(given(unitWith("MemoryMax=infinity", "AmbientCapabilities=cap_sys_nice")), [
    [],
    false,
    null,
  ]);
  const file = "LoadState=loaded\nUnitFileState=enabled\n[Service]\nMemoryMax=2304M\n" +
    "AmbientCapabilities=CAP_NET_BIND_SERVICE\n";
  assertEquals(given(file), [[], true, 2304 * 1024 ** 2]);
});

Deno.test("the memory of a service is what the unit grants, where the host has more", () => {
  const config = configWith("/var/log/aphlict/a.log", "/run/aphlict/a.pid");
  const memoryOf = (memory: string, ...lines: readonly string[]) => {
    const options = new Map([["memory", memory], ["unit", unitWith(...lines)]]);
    const program = { kind: "source", path: "/opt/aphlict/main.ts" } as const;
    return circumstancesIn({ options, program, rest: [], commands: new Map() }, config).memory;
  };
  assertEquals(memoryOf("1000", "MemoryMax=500"), 500);
  assertEquals(memoryOf("1000", "MemoryMax=2000"), 1000);
  assertEquals(memoryOf("1000", "MemoryMax=infinity"), 1000);
  assertEquals(memoryOf("unknown", "MemoryMax=500"), 500);
  assertEquals(memoryOf("unknown", "MemoryMax=infinity"), null);
});

Deno.test("a unit that protects nothing takes nothing away", () => {
  const unit = parseUnit(unitWith("ProtectSystem=no", "ProtectHome=no", "PrivateTmp=no"));
  if (unit === null) throw new Error("There is no unit");
  assertEquals(judgeUnit(configWith("/anywhere/a.log", "/home/x/a.pid", "/root/key"), unit), []);
});

Deno.test("the files of a unit say the same, the later line of a key last", () => {
  const unit = parseUnit(
    "LoadState=loaded\nUnitFileState=enabled\n[Service]\n# A comment\nUser=aphlict\nRuntimeDirectory=aphlict\n" +
      "ExecStart=/usr/bin/aphlict run --config /etc/aphlict/a.json\nProtectSystem=strict\nProtectSystem=full\n",
  );
  assertEquals([unit?.user, unit?.config, unit?.made], ["aphlict", "/etc/aphlict/a.json", [
    "/run/aphlict",
  ]]);
  assertEquals(unit?.readOnly, ["/usr", "/boot", "/efi", "/etc"]);
});
