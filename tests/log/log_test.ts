import fs from "node:fs";
import type { LogConfig } from "../../src/config/config.ts";
import { NO_JOURNAL } from "../../src/log/streams.ts";
import {
  closeLog,
  isTracing,
  logger,
  type LogOptions,
  openLog,
  reopenLog,
  showForeign,
  showLine,
  showWarning,
} from "../../src/log/log.ts";
import { LogFileError } from "../../src/log/file_error.ts";
import { assertEquals, assertMatch, assertThrows } from "../assert.ts";
import { Folder } from "../folder.ts";
import { LOG_DEFAULTS } from "../entries.ts";

/** Options for these files, without a console. */
function to(
  files: readonly (Partial<LogConfig> & { readonly path: string })[],
  others: Partial<LogOptions> = {},
): LogOptions {
  return {
    files: files.map((file) => ({ ...LOG_DEFAULTS, ...file })),
    level: "info",
    console: "none",
    journal: NO_JOURNAL,
    onFileError: "throw",
    writer: "rotating",
    ...others,
  };
}

/** How many files of a folder this process has open; other tests, in other threads, have theirs. */
function filesOpenIn(folder: string): number {
  return [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`).startsWith(`${folder}/`);
    } catch (error) {
      // One that is closed meanwhile.
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }).length;
}

async function withFolder(test: (folder: string) => void): Promise<void> {
  using folder = new Folder();
  try {
    test(folder.path);
  } finally {
    await closeLog();
  }
}

Deno.test("every file gets the lines of every room, from the level on", async () => {
  await withFolder((folder) => {
    const paths = [`${folder}/a.log`, `${folder}/b.log`];
    openLog(to(paths.map((path) => ({ path }))));
    logger("client").info("Hello {who}.", { who: "{client}" });
    logger("admin").error("Bye.");
    logger("admin").trace("Hidden.");
    assertEquals(isTracing(), false);
    for (const path of paths) {
      assertMatch(
        Deno.readTextFileSync(path),
        /^\[\S+\] INFO Hello \{client\}\.\n\[\S+\] ERROR Bye\.\n$/,
      );
    }
  });
});

Deno.test("the level trace shows everything", async () => {
  await withFolder((folder) => {
    const path = `${folder}/a.log`;
    openLog(to([{ path }], { level: "trace" }));
    logger("client").trace("Seen.");
    assertMatch(Deno.readTextFileSync(path), /TRACE Seen\.\n$/);
  });
});

Deno.test("when one file cannot be opened, none is left open", async () => {
  await withFolder((folder) => {
    const paths = [`${folder}/a.log`, `${folder}/missing/b.log`];
    const open = () =>
      [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
        try {
          return Deno.readLinkSync(`/proc/self/fd/${name}`) === paths[0];
        } catch {
          return false;
        }
      });
    assertThrows(
      () => openLog(to(paths.map((path) => ({ path })))),
      LogFileError,
    );
    assertEquals(open(), []);
  });
});

Deno.test("a log file that cannot be opened is named with the reason and what to do", async () => {
  await withFolder((folder) => {
    const path = `${folder}/missing/a.log`;
    const error = assertThrows(
      () => openLog(to([{ path }])),
      LogFileError,
    );
    assertEquals(
      error.message,
      `Cannot open log file ${path}: its folder does not exist. Create the folder, or change the ` +
        'path in "logs".',
    );
    const folderError = assertThrows(
      () => openLog(to([{ path: folder }])),
      LogFileError,
    );
    assertMatch(folderError.message, /^Cannot open log file \S+: illegal operation on a directory/);
  });
});

Deno.test({
  name: "a log file that Deno was not permitted to open is told from one that the user may not",
  permissions: { write: false },
  fn() {
    const error = assertThrows(() => openLog(to([{ path: "a.log" }])), LogFileError);
    assertEquals(
      error.message,
      "Cannot open log file a.log: the process was started without the permission. Start it with " +
        "bin/aphlict, or with the flags that `aphlict permissions` prints.",
    );
  },
});

Deno.test("a log file that the user may not write is told with what to do", () => {
  // To root, as which these tests may run, every file is writable.
  const { openSync } = fs;
  fs.openSync = () => {
    throw Object.assign(new Error(), { code: "EACCES" });
  };
  try {
    const error = assertThrows(
      () => openLog(to([{ path: "a.log" }])),
      LogFileError,
    );
    assertEquals(
      error.message,
      "Cannot open log file a.log: permission denied. Let the user that runs Aphlict write it, or " +
        'change the path in "logs".',
    );
  } finally {
    fs.openSync = openSync;
  }
});

Deno.test("the files rotate on their own, and together hold every line once", async () => {
  await withFolder((folder) => {
    const files = [[200, 20], [1000, 3]].map(([size = 0, keep = 0]) => ({
      path: `${folder}/${size}.log`,
      rotateSize: size,
      rotateKeep: keep,
    }));
    openLog(to(files));
    for (let index = 0; index < 40; index++) logger("hub").info(`Line {index}.`, { index });
    for (const { path, rotateSize, rotateKeep } of files) {
      const parts = [...Array(rotateKeep).keys()].reverse().map((index) => `${path}.${index + 1}`)
        .concat(path).filter(exists).map((name) => Deno.readTextFileSync(name));
      assertEquals(parts.length > 1, true, "it has rotated");
      assertEquals(parts.every((part) => part.length <= rotateSize), true);
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
  await withFolder((folder) => {
    const open = (name: string) => openLog(to([{ path: `${folder}/${name}` }]));
    open("a.log");
    logger("hub").info("One.");
    open("b.log");
    logger("hub").info("Two.");
    open("a.log");
    logger("hub").info("Three.");
    assertMatch(Deno.readTextFileSync(`${folder}/a.log`), /^\S+ INFO One\.\n\S+ INFO Three\.\n$/);
    assertMatch(Deno.readTextFileSync(`${folder}/b.log`), /^\S+ INFO Two\.\n$/);
  });
});

function lines(path: string): string[] {
  return Deno.readTextFileSync(path).split("\n").slice(0, -1);
}

/** The messages in a file, without time and level. */
function messages(path: string): string[] {
  return lines(path).map((line) => line.replace(/^\[\S+\] [A-Z]+ /, ""));
}

Deno.test("each file gets the lines from its own level on, fatal ones among the errors", async () => {
  await withFolder((folder) => {
    const levels = ["debug", "info", "warning", "error", null] as const;
    const path = (level: string | null) => `${folder}/${level}.log`;
    openLog(to(levels.map((level) => ({ path: path(level), level }))));
    const log = logger("hub");
    for (const level of ["trace", "debug", "info", "warning", "error", "fatal"] as const) {
      log[level](level);
    }
    const seen = levels.map((level) => messages(path(level)).join(" "));
    assertEquals(seen, [
      "debug info warning error fatal",
      "info warning error fatal",
      "warning error fatal",
      "error fatal",
      "info warning error fatal",
    ]);
  });
});

Deno.test("a trace is asked for when, and only when, some file or the console shows it", async () => {
  await withFolder((folder) => {
    const path = `${folder}/a.log`;
    const traces = (...options: Parameters<typeof to>) => {
      openLog(to(...options));
      return isTracing();
    };
    assertEquals(traces([{ path }]), false);
    assertEquals(traces([{ path, level: "trace" }]), true);
    assertEquals(traces([{ path }], { level: "trace" }), true);
    assertEquals(traces([{ path, level: "error" }], { level: "trace" }), false);
    assertEquals(traces([{ path, level: "error" }], { level: "trace", console: "split" }), true);
    assertEquals(traces([], { level: "trace" }), false);
  });
});

Deno.test("each file has its own format", async () => {
  await withFolder((folder) => {
    const [text, json] = [`${folder}/text.log`, `${folder}/json.log`];
    openLog(to([{ path: text }, { path: json, format: "json" }]));
    logger("client").info("Hello {who}.", { who: "you" });
    assertMatch(Deno.readTextFileSync(text), /^\[\S+\] INFO Hello you\.\n$/);
    const { category, message, fields } = JSON.parse(Deno.readTextFileSync(json));
    assertEquals([category, message, fields], ["client", "Hello you.", { who: "you" }]);
  });
});

/** What `write` brings to the console, as stdout and stderr. */
async function shownBy(write: () => void): Promise<{ stdout: string; stderr: string }> {
  const shown = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    Object.defineProperty(Deno[name], "write", {
      configurable: true,
      value(bytes: Uint8Array) {
        shown[name] += new TextDecoder().decode(bytes);
        return Promise.resolve(bytes.length);
      },
    });
  }
  try {
    write();
    await closeLog();
  } finally {
    // What stands on the prototype is seen again.
    for (const stream of [Deno.stdout, Deno.stderr]) Reflect.deleteProperty(stream, "write");
  }
  return {
    stdout: shown.stdout.replaceAll(/^\[\S+\] /gm, ""),
    stderr: shown.stderr.replaceAll(/^\[\S+\] /gm, ""),
  };
}

for (
  const [console, stdout, stderr] of [
    ["split", "INFO one\n", "WARNING two\nERROR three\nFATAL four\n"],
    ["stderr", "", "INFO one\nWARNING two\nERROR three\nFATAL four\n"],
    ["none", "", ""],
  ] as const
) {
  Deno.test(`the console "${console}" shows what it says`, async () => {
    const shown = await shownBy(() => {
      openLog(to([], { console }));
      const log = logger("hub");
      log.trace("nothing");
      log.info("one");
      log.warning("two");
      log.error("three");
      log.fatal("four");
    });
    assertEquals(shown, { stdout, stderr });
  });
}

for (const console of ["split", "stderr"] as const) {
  Deno.test(`a log that names a stream has the console "${console}" there, with its level and format`, async () => {
    const shown = await shownBy(() => {
      openLog(to([{ path: "/dev/stdout", level: "warning", format: "json" }], { console }));
      logger("hub").info("hidden");
      logger("hub").error("one");
    });
    assertEquals(JSON.parse(shown.stdout).message, "one");
    assertEquals(shown.stderr, "");
  });
}

Deno.test("a console that another process reads stays on stderr, whatever stream a log names", async () => {
  const shown = await shownBy(() => {
    openLog(to([{ path: "/dev/stdout" }], { console: "piped" }));
    logger("hub").info("one");
  });
  assertEquals(shown, { stdout: "", stderr: "INFO one\n" });
});

Deno.test("of two logs that name the console the first counts, and each line is shown once", async () => {
  const shown = await shownBy(() => {
    openLog(to([{ path: "/dev/stderr" }, { path: "/dev/stdout" }], { console: "split" }));
    logger("hub").info("one");
  });
  assertEquals(shown, { stdout: "", stderr: "INFO one\n" });
});

Deno.test("a log that names the console shows nothing where there is none", async () => {
  const shown = await shownBy(() => {
    openLog(to([{ path: "/dev/stdout", level: "trace" }]));
    logger("hub").error("one");
  });
  assertEquals(shown, { stdout: "", stderr: "" });
});

Deno.test("a stream that the journal reads has priorities and no time, the other one its time", async () => {
  const shown = await shownBy(() => {
    openLog(to([], { console: "split", journal: { stdout: false, stderr: true } }));
    logger("hub").info("one");
    logger("hub").warning("two");
    showForeign("three");
    showWarning("four");
  });
  assertEquals(shown, { stdout: "INFO one\n", stderr: "<4>WARNING two\n<4>three\n<4>four\n" });
});

Deno.test("trouble with a log file is JSON on a console of JSON", async () => {
  const shown = await shownBy(() => {
    openLog(
      to([{ path: "/dev/stdout", format: "json" }, { path: "/missing-folder/a.log" }], {
        console: "split",
        onFileError: "go on",
      }),
    );
    logger("hub").info("one");
    showLine("no banner");
  });
  assertEquals(JSON.parse(shown.stdout).message, "one");
  assertMatch(JSON.parse(shown.stderr).message, /^Cannot open log file \/missing-folder\/a\.log: /);
});

Deno.test("without a console, trouble with a log file is told on stderr all the same", async () => {
  const shown = await shownBy(() => {
    openLog(to([{ path: "/missing-folder/a.log" }], { onFileError: "go on" }));
    logger("hub").info("one");
    logger("hub").info("two");
  });
  assertEquals(shown, {
    stdout: "",
    stderr: "Cannot open log file /missing-folder/a.log: its folder does not exist. Create the " +
      'folder, or change the path in "logs". Its lines are lost until it can be written again.\n',
  });
});

/** Keeps what `test` has to complain of from standing between the results of the tests. */
function withoutComplaint(test: () => void): void {
  const { write } = Deno.stderr;
  Deno.stderr.write = (bytes) => Promise.resolve(bytes.length);
  try {
    test();
  } finally {
    Deno.stderr.write = write;
  }
}

Deno.test("a log that may go on without a file says in it what is missing, once it is there", async () => {
  await withFolder((folder) => {
    const [a, b] = [`${folder}/a.log`, `${folder}/later/b.log`];
    openLog(to([{ path: a }, { path: b }], { onFileError: "go on" }));
    withoutComplaint(() => logger("hub").info("one"));
    Deno.mkdirSync(`${folder}/later`);
    logger("hub").info("two");
    assertEquals(messages(a), ["one", "two"]);
    assertEquals(messages(b), ["Lines that could not be written are missing here: 1.", "two"]);
  });
});

Deno.test("a log opened anew goes on in a new file when the old one was renamed", async () => {
  await withFolder((folder) => {
    const path = `${folder}/a.log`;
    openLog(to([{ path }]));
    logger("hub").info("one");
    Deno.renameSync(path, `${path}-old`);
    logger("hub").info("two");
    reopenLog(to([{ path }]));
    logger("hub").info("three");
    assertEquals(messages(`${path}-old`), ["one", "two"]);
    assertEquals(messages(path), ["three"]);
  });
});

Deno.test("a log opened anew obeys the new level, format, size and files", async () => {
  await withFolder((folder) => {
    const [a, b] = [`${folder}/a.log`, `${folder}/b.log`];
    openLog(to([{ path: a }]));
    logger("hub").trace("hidden");
    logger("hub").info("one");
    reopenLog(to([{ path: a, level: "trace", format: "json", rotateSize: 1 }, { path: b }]));
    logger("hub").trace("two");
    assertEquals(messages(`${a}.1`), ["one"]);
    assertEquals(lines(a).map((line) => JSON.parse(line).message), ["two"]);
    logger("hub").info("three");
    assertEquals(messages(b), ["three"]);
    reopenLog(to([{ path: b }]));
    logger("hub").info("four");
    assertEquals(lines(a).map((line) => JSON.parse(line).message), ["three"]);
    assertEquals(messages(b), ["three", "four"]);
  });
});

Deno.test("a log that cannot be opened anew stays as it was", async () => {
  await withFolder((folder) => {
    const [a, b] = [`${folder}/a.log`, `${folder}/missing/b.log`];
    openLog(to([{ path: a }]));
    assertThrows(
      () => reopenLog(to([{ path: a, level: "error" }, { path: b }])),
      LogFileError,
      `Cannot open log file ${b}: its folder does not exist.`,
    );
    logger("hub").info("one");
    assertEquals(messages(a), ["one"]);
  });
});

Deno.test("a log that may go on without a file is opened anew without it, and finds it later", async () => {
  await withFolder((folder) => {
    const [a, b] = [`${folder}/a.log`, `${folder}/missing/b.log`];
    const files = [{ path: a }, { path: b }];
    openLog(to(files, { onFileError: "go on" }));
    logger("hub").info("one");
    reopenLog(to(files, { onFileError: "go on" }));
    Deno.mkdirSync(`${folder}/missing`);
    logger("hub").info("two");
    assertEquals(messages(a), ["one", "two"]);
    assertEquals(messages(b), ["Lines that could not be written are missing here: 1.", "two"]);
  });
});

Deno.test("a log opened anew a thousand times under load has every line once, and holds no file open", async () => {
  await withFolder((folder) => {
    const path = `${folder}/a.log`;
    const openFiles = () => filesOpenIn(folder);
    openLog(to([{ path }]));
    const before = openFiles();
    for (let index = 0; index < 3000; index++) {
      logger("hub").info(`${index}`);
      if (index % 3 === 0) {
        if (index % 30 === 0) Deno.renameSync(path, `${path}-${index}`);
        reopenLog(to([{ path }]));
      }
    }
    assertEquals(openFiles(), before);
    const parts = Array.from({ length: 100 }, (_, index) => `${path}-${index * 30}`).concat(path);
    assertEquals(parts.flatMap(messages), Array.from({ length: 3000 }, (_, index) => `${index}`));
  });
});

Deno.test("lines missing before the log was opened anew are told of afterwards", async () => {
  await withFolder((folder) => {
    const path = `${folder}/logs/a.log`;
    Deno.mkdirSync(`${folder}/logs`);
    openLog(to([{ path }]));
    Deno.removeSync(`${folder}/logs`, { recursive: true });
    withoutComplaint(() => logger("hub").info("lost"));
    Deno.mkdirSync(`${folder}/logs`);
    reopenLog(to([{ path }]));
    logger("hub").info("one");
    assertEquals(messages(path), ["Lines that could not be written are missing here: 1.", "one"]);
  });
});

Deno.test("a log that only appends follows its files by path, and rotates none", async () => {
  await withFolder((folder) => {
    const path = `${folder}/a.log`;
    const openFiles = () => filesOpenIn(folder);
    const before = openFiles();
    openLog(to([{ path, rotateSize: 1 }], { writer: "appending" }));
    logger("hub").info("one");
    logger("hub").info("two");
    Deno.renameSync(path, `${path}.1`);
    logger("hub").info("three");
    assertEquals(messages(`${path}.1`), ["one", "two"]);
    assertEquals(messages(path), ["three"]);
    assertEquals(openFiles(), before);
  });
});

Deno.test("a log that only appends and must not start without its files says which is missing", async () => {
  await withFolder((folder) => {
    assertThrows(
      () => openLog(to([{ path: `${folder}/missing/a.log` }], { writer: "appending" })),
      LogFileError,
    );
  });
});

Deno.test("a line after the log was closed opens nothing", async () => {
  using folder = new Folder();
  const path = `${folder.path}/a.log`;
  openLog(to([{ path }]));
  await closeLog();
  Deno.removeSync(path);
  logger("hub").info("one");
  assertEquals([...Deno.readDirSync(folder.path)], []);
});
