/**
 * The comparison of what `check` says of a configuration with what a start comes to.
 *
 * @module
 */

import { assertEquals } from "../assert.ts";
import { makeSelfSigned } from "../acceptance/certificate.ts";
import { type Ports, Site } from "../acceptance/site.ts";

/** What a case makes of a site, before anything is typed. */
export interface Case {
  readonly name: string;
  /** Changes the configuration, and the files around it. */
  readonly change?: (folder: string, ports: Ports) => object;
  /** Prepares what is not a file; disposed of at the end. */
  readonly prepare?: (
    site: Site,
  ) => Disposable | Promise<Disposable | AsyncDisposable> | void;
  /** Whether it starts. */
  readonly starts: boolean;
  /** Whether it is tried beside what runs, too. */
  readonly restarts?: true;
}

/** Writes a key and a certificate, and names them. */
export function pair(
  folder: string,
  name = "tls",
): { readonly "ssl.key": string; readonly "ssl.cert": string } {
  const { key, cert } = makeSelfSigned({ isAuthority: false });
  Deno.writeTextFileSync(`${folder}/${name}.key`, key);
  Deno.writeTextFileSync(`${folder}/${name}.cert`, cert);
  return { "ssl.key": `${folder}/${name}.key`, "ssl.cert": `${folder}/${name}.cert` };
}

/** All that is in a folder, with what the files hold. */
function contentsOf(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory, isFile }) => {
    const path = `${folder}/${name}`;
    if (isDirectory) return [path, ...contentsOf(path)];
    return [isFile ? `${path}: ${Deno.readTextFileSync(path)}` : path];
  }).sort();
}

/** Declares a test of a case: what `check` says of it is what a start comes to. */
export function testCase({ name, change = () => ({}), prepare, starts, restarts }: Case): void {
  Deno.test(`check says of ${name} that it ${starts ? "starts" : "does not start"}, and so it is`, async () => {
    await using site = new Site(change);
    await using _prepared = (await prepare?.(site)) || null;
    const before = contentsOf(site.folder);
    const check = await site.run("check");
    assertEquals(contentsOf(site.folder), before, "check leaves nothing behind");
    const start = await site.run("start");
    const both = `check:\n${check.output}\nstart:\n${start.output}`;
    assertEquals([check.code, start.code], starts ? [0, 0] : [1, 1], both);
    assertEquals(/Unexpected|NotCapable| {4}at /.test(both), false, both);
    if (!restarts) return;
    // Beside what runs it says the same, and a restart, which judges as well, does as it says.
    for (const verb of ["check", "restart"]) {
      const { code, output } = await site.run(verb);
      assertEquals(code, 0, output);
    }
  });
}
