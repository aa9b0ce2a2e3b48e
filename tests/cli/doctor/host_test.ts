import type { ConsoleData } from "../../../src/admin/console.ts";
import { examineOpenFiles, type ServiceState } from "../../../src/cli/doctor/host.ts";
import { type Finding, Findings } from "../../../src/cli/doctor/findings.ts";
import { filesFor, OTHER_FILES } from "../../../src/config/open_files.ts";
import { validate } from "../../../src/config/validate.ts";
import { collect, single } from "../../../src/metrics/families.ts";
import { assertEquals, assertStringIncludes } from "../../assert.ts";

const CONFIG = validate("aphlict.json", {
  servers: [
    { type: "client", port: 1, "limit.connections": 1000 },
    { type: "admin", port: 2 },
  ],
  logs: [],
  pidfile: "/run/aphlict/aphlict.pid",
});

/** Files that are enough for 1,000 browsers. */
const ENOUGH = filesFor(1000, OTHER_FILES);

/** What is said about a service that may have this many files open; `null`: it does not know. */
function finding(openFiles: number | null): Finding | undefined {
  const metrics = collect([{ process_max_fds: single(openFiles) }]);
  const told = { now: { metrics } } as ConsoleData;
  const service: ServiceState = {
    config: CONFIG,
    supervisor: 1,
    state: null,
    told,
    whyDown: null,
    hasTimedOut: false,
    isOfOther: false,
  };
  const findings = new Findings(() => {});
  examineOpenFiles(findings, service);
  return findings.all[0];
}

Deno.test("a service has to be able to open as many files as it accepts browsers, and some more", () => {
  assertEquals(
    [null, 1024, ENOUGH - 1, ENOUGH].map((openFiles) => finding(openFiles)?.outcome),
    ["skipped", "warning", "warning", "ok"],
  );
  assertStringIncludes(finding(1024)?.hint ?? "", "LimitNOFILE=");
});
