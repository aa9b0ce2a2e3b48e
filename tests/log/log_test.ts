import { closeLog, LogFileError, logger, openLog } from "../../src/log/log.ts";
import { assertEquals, assertMatch, assertRejects } from "../assert.ts";
import { Folder } from "../folder.ts";

const ROTATION = { size: 1000, keep: 2 };

async function withFolder(test: (folder: string) => Promise<void>): Promise<void> {
  using folder = new Folder();
  try {
    await test(folder.path);
  } finally {
    await closeLog();
  }
}

Deno.test("every file gets the lines of every room, from the level on", async () => {
  await withFolder(async (folder) => {
    const paths = [`${folder}/a.log`, `${folder}/b.log`];
    await openLog({
      files: paths.map((path) => ({ path, ...ROTATION })),
      console: false,
      level: "info",
    });
    logger("client").info("Hello {who}.", { who: "{client}" });
    logger("admin").error("Bye.");
    logger("admin").trace("Hidden.");
    assertEquals(logger("admin").isEnabledFor("trace"), false);
    for (const path of paths) {
      assertMatch(
        Deno.readTextFileSync(path),
        /^\[\S+\] INFO Hello \{client\}\.\n\[\S+\] ERROR Bye\.\n$/,
      );
    }
  });
});

Deno.test("the level trace shows everything", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/a.log`;
    await openLog({ files: [{ path, ...ROTATION }], console: false, level: "trace" });
    logger("client").trace("Seen.");
    assertMatch(Deno.readTextFileSync(path), /TRACE Seen\.\n$/);
  });
});

Deno.test("a log file that cannot be opened is named with the reason and what to do", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/missing/a.log`;
    const error = await assertRejects(
      () => openLog({ files: [{ path, ...ROTATION }], console: false, level: "info" }),
      LogFileError,
    );
    assertEquals(
      error.message,
      `Cannot open log file ${path}: its folder does not exist. Create the folder, or change the ` +
        'path in "logs".',
    );
    const folderError = await assertRejects(
      () => openLog({ files: [{ path: folder, ...ROTATION }], console: false, level: "info" }),
      LogFileError,
    );
    assertMatch(folderError.message, /^Cannot open log file \S+: Is a directory/);
  });
});
