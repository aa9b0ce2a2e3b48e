import { tryAsService } from "../../src/cli/trial.ts";
import { serviceFlags } from "../../src/config/permissions.ts";
import { validate } from "../../src/config/validate.ts";
import { assertEquals, assertRejects } from "../assert.ts";

Deno.test("files and addresses are tried by a process with the flags of the service, and no others", async () => {
  const config = validate("/etc/aphlict/a.json", {
    servers: [{ type: "client", port: 22280 }, { type: "admin", port: 22281 }],
    logs: [{ path: "/var/log/aphlict/a.log" }],
    pidfile: "/run/aphlict/a.pid",
  });
  const { Command } = Deno;
  let started: readonly unknown[] = [];
  Deno.Command = class {
    constructor(command: string | URL, options?: Deno.CommandOptions) {
      started = [command, options?.args];
      throw new Error("It is not started here");
    }
  } as unknown as typeof Deno.Command;
  try {
    const program = { kind: "bundle", path: "/opt/aphlict.js" } as const;
    const isHeld = ({ type }: { readonly type: string }) => type === "admin";
    await assertRejects(() => tryAsService(config, program, isHeld), Error, "not started here");
  } finally {
    Deno.Command = Command;
  }
  assertEquals(started, [Deno.execPath(), [
    ...["run", "--no-config", "--no-remote", "--no-npm", "--no-code-cache"],
    ...serviceFlags(config),
    ...["/opt/aphlict.js", "trial", "--held", "1"],
  ]]);
});
