import { judgeUnit, parseUnit } from "../../src/cli/unit.ts";
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
  const [problem] = judgeUnit(configWith("/var/log/aphlict.log", "/run/aphlict/a.pid"), unit);
  assertStringIncludes(
    problem?.message ?? "",
    "Choose a file in /run/aphlict, or add ReadWritePaths=",
  );
});

Deno.test("a unit that protects nothing takes nothing away", () => {
  const unit = parseUnit(unitWith("ProtectSystem=no", "ProtectHome=no"));
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
