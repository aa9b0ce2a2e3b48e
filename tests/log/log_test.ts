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

Deno.test("when one file cannot be opened, none is left open", async () => {
  await withFolder(async (folder) => {
    const paths = [`${folder}/a.log`, `${folder}/missing/b.log`];
    const open = () =>
      [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
        try {
          return Deno.readLinkSync(`/proc/self/fd/${name}`) === paths[0];
        } catch {
          return false;
        }
      });
    await assertRejects(
      () =>
        openLog({
          files: paths.map((path) => ({ path, ...ROTATION })),
          console: false,
          level: "info",
        }),
      LogFileError,
    );
    assertEquals(open(), []);
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

Deno.test({
  name: "a log file that Deno was not permitted to open is told from one that the user may not",
  permissions: { write: false },
  async fn() {
    for (
      const [path, what] of [
        [
          "a.log",
          "the process was started without the permission. Start it with bin/aphlict, or with the " +
          "flags that `aphlict permissions` prints.",
        ],
        ["/dev/tty", "Deno opens no device but /dev/null under limited permissions. Name a file."],
      ] as const
    ) {
      const error = await assertRejects(
        () => openLog({ files: [{ path, ...ROTATION }], console: false, level: "info" }),
        LogFileError,
      );
      assertEquals(error.message, `Cannot open log file ${path}: ${what}`);
    }
  },
});

Deno.test("a log file that the user may not write is told with what to do", async () => {
  // To root, as which these tests may run, every file is writable.
  const { openSync } = Deno;
  const replace = (value: unknown) =>
    Object.defineProperty(Deno, "openSync", { value, configurable: true, writable: true });
  replace(() => {
    throw new Deno.errors.PermissionDenied();
  });
  try {
    const error = await assertRejects(
      () => openLog({ files: [{ path: "a.log", ...ROTATION }], console: false, level: "info" }),
      LogFileError,
    );
    assertEquals(
      error.message,
      "Cannot open log file a.log: permission denied. Let the user that runs Aphlict write it, or " +
        'change the path in "logs".',
    );
  } finally {
    replace(openSync);
  }
});

Deno.test("the files rotate on their own, and together hold every line once", async () => {
  await withFolder(async (folder) => {
    const files = [[200, 20], [1000, 3]].map(([size = 0, keep = 0]) => ({
      path: `${folder}/${size}.log`,
      size,
      keep,
    }));
    await openLog({ files, console: false, level: "info" });
    for (let index = 0; index < 40; index++) logger("hub").info(`Line {index}.`, { index });
    for (const { path, size, keep } of files) {
      const parts = [...Array(keep).keys()].reverse().map((index) => `${path}.${index + 1}`)
        .concat(path).filter(exists).map((name) => Deno.readTextFileSync(name));
      assertEquals(parts.length > 1, true, "it has rotated");
      assertEquals(parts.every((part) => part.length <= size), true);
      assertEquals(
        [...parts.join("").matchAll(/INFO Line (\d+)\.\n/g)].map(([, index]) => Number(index)),
        [...Array(40).keys()],
      );
    }
  });
});

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

Deno.test("opening the log again closes what was open and goes on in the new files", async () => {
  await withFolder(async (folder) => {
    const open = (name: string) =>
      openLog({
        files: [{ path: `${folder}/${name}`, ...ROTATION }],
        console: false,
        level: "info",
      });
    await open("a.log");
    logger("hub").info("One.");
    await open("b.log");
    logger("hub").info("Two.");
    await open("a.log");
    logger("hub").info("Three.");
    assertMatch(Deno.readTextFileSync(`${folder}/a.log`), /^\S+ INFO One\.\n\S+ INFO Three\.\n$/);
    assertMatch(Deno.readTextFileSync(`${folder}/b.log`), /^\S+ INFO Two\.\n$/);
  });
});
