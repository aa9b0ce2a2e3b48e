/**
 * The documents: what they name is there, and what a page promises of its form holds.
 */

import { dirname, join } from "node:path";
import { ROOT } from "./acceptance/program.ts";
import { assert, assertEquals, assertMatch } from "./assert.ts";
import { filesBelow } from "./files.ts";

/** Where a page may say that a file is, in the order of trying. */
const FOLDERS = ["", "src/", "conf/examples/"];

const read = (path: string) => Deno.readTextFileSync(`${ROOT}${path}`);

function exists(path: string): boolean {
  try {
    Deno.statSync(`${ROOT}${path}`);
    return true;
  } catch {
    return false;
  }
}

function pagesIn(folder: string): string[] {
  return [...Deno.readDirSync(`${ROOT}${folder}`)].filter(({ name }) => name.endsWith(".md"))
    .map(({ name }) => `${folder}${name}`).sort();
}

const DECISIONS = pagesIn("docs/decisions/");
const PAGES = ["README.md", "CONTRIBUTING.md", ...pagesIn("docs/")];

/** Returns the anchors of a page, as forges make them of its headings. */
function anchorsOf(page: string): Set<string> {
  const headings = read(page).replaceAll(/^```[^]*?^```$/gm, "").matchAll(/^#+ (.*)$/gm);
  return new Set(
    [...headings].map(([, text = ""]) =>
      text.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
    ),
  );
}

Deno.test("the README fits 80 lines, and names the command that runs the tests", () => {
  const text = read("README.md");
  assert(text.split("\n").length <= 81, "too long");
  assertMatch(text, /^npx -y deno@[\d.]+ task test$/m);
});

Deno.test("each link to a part of a page leads to a heading", () => {
  const found: string[] = [];
  for (const page of [...PAGES, ...DECISIONS, "CHANGELOG.md"]) {
    for (
      const [, path = "", anchor = ""] of read(page).matchAll(/\]\((?!https?:)([^)#]*)#([^)]+)\)/g)
    ) {
      const target = path === "" ? page : join(dirname(page), path);
      found.push(target);
      assert(exists(target) && anchorsOf(target).has(anchor), `${page}: ${path}#${anchor}`);
    }
  }
  assert(found.length > 20, "the links are not found any more");
});

Deno.test("each file of the sources that a page names is there", () => {
  let count = 0;
  for (const page of [...PAGES, ...DECISIONS]) {
    for (
      const [, path = ""] of read(page).matchAll(/`([\w.-]+(?:\/[\w.-]+)+\.(?:ts|js|css|html))`/g)
    ) {
      // What is made.
      if (path.startsWith("dist/")) continue;
      count++;
      assert(FOLDERS.some((folder) => exists(`${folder}${path}`)), `${page}: ${path}`);
    }
  }
  assert(count > 40, "the files are not found any more");
});

Deno.test("each decision has a status and a date", () => {
  for (const page of DECISIONS) {
    assertMatch(
      read(page),
      /^# \d{4}: .*\n\n- Status: [a-z][^]*?\n- Date: \d{4}-\d\d-\d\d[,.]/,
      page,
    );
  }
});

/** All that the program can print, with what it puts into a text left out. */
function printed(): string {
  const files = ["src", "bin", "packaging/debian"].flatMap((folder) => filesBelow(folder));
  // Texts that are joined over lines.
  return files.map(read).join("\n").replaceAll(/["`'] \+\s+["`']/g, "");
}

Deno.test("each line of the log that troubleshooting quotes is one that the program writes", () => {
  const text = printed();
  const [ours = ""] = read("docs/troubleshooting.md").split("What systemd and Deno print:");
  const [, rest = ""] = read("docs/troubleshooting.md").split(
    "\n## Browsers are refused or ended\n",
  );
  const lost: string[] = [];
  let count = 0;
  const start = ours.split("\n## It does not start\n")[1] ?? "";
  for (const [, cell = ""] of `${start}\n${rest}`.matchAll(/^\| (`.*?) +\|/gm)) {
    for (const [, quoted = ""] of cell.matchAll(/`([^`]+)`/g)) {
      for (const part of quoted.split(/\.\.\.|\d{3}|\d\.\d\.\d/).map((each) => each.trim())) {
        if (part.length < 6) continue;
        count++;
        if (!text.includes(part)) lost.push(part);
      }
    }
  }
  assertEquals(lost, []);
  assert(count > 25, "the lines are not found any more");
});
