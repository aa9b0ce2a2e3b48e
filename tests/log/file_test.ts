import fs from "node:fs";
import fc from "fast-check";
import type { LogConfig } from "../../src/config/config.ts";
import { LogFile } from "../../src/log/file.ts";
import { LogFileError } from "../../src/log/file_error.ts";
import { assertEquals, assertMatch, assertStringIncludes, assertThrows } from "../assert.ts";
import { Folder } from "../folder.ts";

function withFolder(test: (folder: string) => void): void {
  using folder = new Folder();
  test(folder.path);
}

function makeFile(
  path: string,
  { size, keep, format = "text" }: { size: number; keep: number; format?: LogConfig["format"] },
  complain: (text: string) => void,
): LogFile {
  return new LogFile(
    { path, links: [], rotateSize: size, rotateKeep: keep, level: null, format },
    complain,
  );
}

function openFile(...parameters: Parameters<typeof makeFile>): LogFile {
  const file = makeFile(...parameters);
  file.open();
  return file;
}

function noComplaint(text: string): void {
  throw new Error(`Unexpected complaint: ${text}`);
}

function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

Deno.test("a line is in the file as soon as it is written", () => {
  withFolder((folder) => {
    const path = `${folder}/a.log`;
    const file = openFile(path, { size: 1000, keep: 2 }, noComplaint);
    file.write("one\n");
    assertEquals(Deno.readTextFileSync(path), "one\n");
    file.close();
  });
});

Deno.test("an existing file is appended to, and its size counts for rotation", () => {
  withFolder((folder) => {
    const path = `${folder}/a.log`;
    Deno.writeTextFileSync(path, "12345678\n");
    const file = openFile(path, { size: 14, keep: 2 }, noComplaint);
    file.write("1234\n");
    file.write("5678\n");
    file.close();
    assertEquals(Deno.readTextFileSync(`${path}.1`), "12345678\n1234\n");
    assertEquals(Deno.readTextFileSync(path), "5678\n");
  });
});

Deno.test("rotation keeps as many files as asked for, the newest under the lowest number", () => {
  withFolder((folder) => {
    const path = `${folder}/a.log`;
    const file = openFile(path, { size: 4, keep: 2 }, noComplaint);
    for (const line of ["1\n", "2\n", "3\n", "4\n", "5\n", "6\n", "7\n"]) file.write(line);
    file.close();
    assertEquals(names(folder), ["a.log", "a.log.1", "a.log.2"]);
    assertEquals(Deno.readTextFileSync(path), "7\n");
    assertEquals(Deno.readTextFileSync(`${path}.1`), "5\n6\n");
    assertEquals(Deno.readTextFileSync(`${path}.2`), "3\n4\n");
  });
});

Deno.test("a line longer than the limit stands whole in a file of its own", () => {
  withFolder((folder) => {
    const path = `${folder}/a.log`;
    const file = openFile(path, { size: 4, keep: 3 }, noComplaint);
    for (const line of ["1\n", "long line\n", "2\n"]) file.write(line);
    file.close();
    assertEquals(Deno.readTextFileSync(`${path}.2`), "1\n");
    assertEquals(Deno.readTextFileSync(`${path}.1`), "long line\n");
    assertEquals(Deno.readTextFileSync(path), "2\n");
  });
});

Deno.test("for any lines and any size, the kept files hold the last lines in order, none twice", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ maxLength: 20 }), { maxLength: 40 }),
      fc.integer({ min: 1, max: 60 }),
      (texts, size) => {
        withFolder((folder) => {
          const path = `${folder}/a.log`;
          const file = openFile(path, { size, keep: 100 }, noComplaint);
          const lines = texts.map((text, index) =>
            `${index} ${text.replaceAll("\n", "").toWellFormed()}\n`
          );
          for (const line of lines) file.write(line);
          file.close();
          const files = names(folder).sort((a, b) => number(b) - number(a));
          const content = files.map((name) => Deno.readTextFileSync(`${folder}/${name}`));
          assertEquals(content.join(""), lines.join(""));
        });
      },
    ),
    { numRuns: 30 },
  );
});

function number(name: string): number {
  return Number(/\d+$/.exec(name)?.[0] ?? 0);
}

Deno.test("a device is written to and never renamed", () => {
  const file = openFile("/dev/null", { size: 1, keep: 1 }, noComplaint);
  for (let index = 0; index < 3; index++) file.write("line\n");
  file.close();
  assertEquals(Deno.statSync("/dev/null").isCharDevice, true);
});

Deno.test("lines that cannot be written are complained about once, and the caller is not disturbed", () => {
  const complaints: string[] = [];
  const file = openFile("/dev/full", { size: 1000, keep: 1 }, (text) => complaints.push(text));
  for (let index = 0; index < 3; index++) file.write("line\n");
  file.close();
  assertEquals(complaints.length, 1);
  assertMatch(complaints[0] ?? "", /^Cannot write log file \/dev\/full: No space left on device/);
});

Deno.test("a file that can be written again says how many lines are missing", () => {
  withFolder((folder) => {
    // A pipe refuses to be written while nobody has it open for reading.
    const path = `${folder}/pipe`;
    assertEquals(new Deno.Command("mkfifo", { args: [path] }).outputSync().success, true);
    const open = () => Deno.openSync(path, { read: true, write: true });
    const complaints: string[] = [];
    const reader = open();
    const file = openFile(path, { size: 1000, keep: 1 }, (text) => complaints.push(text));
    file.write("one\n");
    assertEquals(readFrom(reader), "one\n");
    reader.close();
    file.write("two\n");
    file.write("three\n");
    assertEquals(complaints.length, 1);
    const again = open();
    file.write("four\n");
    assertMatch(
      readFrom(again),
      /^\[\S+\] WARNING Lines that could not be written are missing here: 2\.\nfour\n$/,
    );
    file.write("five\n");
    assertEquals(readFrom(again), "five\n");
    again.close();
    file.write("six\n");
    assertEquals(complaints.length, 2, "the next outage is told of again");
    file.close();
  });
});

function readFrom(file: Deno.FsFile): string {
  const buffer = new Uint8Array(1000);
  return new TextDecoder().decode(buffer.subarray(0, file.readSync(buffer) ?? 0));
}

Deno.test("a rotation that fails is complained about once, and the file goes on", () => {
  withFolder((folder) => {
    const path = `${folder}/a.log`;
    const complaints: string[] = [];
    const file = openFile(path, { size: 4, keep: 2 }, (text) => complaints.push(text));
    file.write("1\n");
    // A folder that is not empty cannot be replaced by a file.
    Deno.mkdirSync(`${path}.1/full`, { recursive: true });
    Deno.mkdirSync(`${path}.2/full`, { recursive: true });
    for (const line of ["234\n", "5\n"]) file.write(line);
    file.close();
    assertEquals(
      complaints.length,
      2,
      "once for each attempt, which come as far apart as rotations",
    );
    assertStringIncludes(complaints[0] ?? "", `Cannot rotate log file ${path}: `);
    assertEquals(Deno.readTextFileSync(path), "1\n234\n5\n");
  });
});

Deno.test("after a rotation that failed the next is tried when the file has grown as much again", () => {
  withFolder((folder) => {
    const path = `${folder}/a.log`;
    const complaints: string[] = [];
    const file = openFile(path, { size: 4, keep: 1 }, (text) => complaints.push(text));
    Deno.mkdirSync(`${path}.1/full`, { recursive: true });
    for (let n = 0; n < 8; n++) file.write(`${n}\n`);
    file.close();
    assertEquals(complaints.length, 3, "at 4, 8 and 12 bytes of 16");
  });
});

/** Lets no file be opened while `test` runs, as when the process has too many open. */
function withoutOpening(test: () => void): void {
  const { openSync } = fs;
  fs.openSync = () => {
    throw new Error("too many open files");
  };
  try {
    test();
  } finally {
    fs.openSync = openSync;
  }
}

Deno.test("a rotation that cannot open the new file loses no line and no kept file but the oldest", () => {
  withFolder((folder) => {
    const path = `${folder}/a.log`;
    const complaints: string[] = [];
    const file = openFile(path, { size: 4, keep: 3 }, (text) => complaints.push(text));
    for (const line of ["1\n", "2\n", "3\n", "4\n", "5\n", "6\n", "7\n", "8\n"]) file.write(line);
    withoutOpening(() => {
      for (let index = 0; index < 4; index++) file.write("more\n");
    });
    assertEquals(Deno.readTextFileSync(path), `7\n8\n${"more\n".repeat(4)}`);
    assertEquals(Deno.readTextFileSync(`${path}.1`), "5\n6\n");
    assertEquals(Deno.readTextFileSync(`${path}.2`), "3\n4\n");
    assertEquals(complaints.length, 4);
    file.write("9\n");
    file.close();
    assertEquals(Deno.readTextFileSync(path), "9\n", "it rotates again when it can");
    assertEquals(Deno.readTextFileSync(`${path}.2`), "5\n6\n");
  });
});

Deno.test("a file in a missing folder cannot be opened", () => {
  withFolder((folder) => {
    assertThrows(
      () => openFile(`${folder}/missing/a.log`, { size: 4, keep: 2 }, noComplaint),
      LogFileError,
      "its folder does not exist",
    );
  });
});

Deno.test("a first line longer than the limit rotates nothing", () => {
  withFolder((folder) => {
    const file = openFile(`${folder}/a.log`, { size: 4, keep: 2 }, noComplaint);
    file.write("long line\n");
    file.close();
    assertEquals(names(folder), ["a.log"]);
  });
});

Deno.test("a new file may be read and written by user and group, as the umask allows", () => {
  withFolder((folder) => {
    const path = `${folder}/a.log`;
    const umask = Deno.umask(0o002);
    try {
      openFile(path, { size: 4, keep: 2 }, noComplaint).close();
    } finally {
      Deno.umask(umask);
    }
    assertEquals((Deno.statSync(path).mode ?? 0) & 0o777, 0o664);
  });
});

/** Lets the system write at most as many bytes as `room` says, call by call, while `test` runs. */
function withRoom(room: readonly number[], test: () => void): void {
  const { writeSync } = fs;
  const left = [...room];
  fs.writeSync = ((file: number, bytes: Uint8Array) => {
    const count = left.shift() ?? bytes.length;
    if (count === 0) throw new Error("No room");
    return writeSync(file, bytes.subarray(0, count));
  }) as typeof writeSync;
  try {
    test();
  } finally {
    fs.writeSync = writeSync;
  }
}

Deno.test("a line that the system takes in pieces is written whole", () => {
  withFolder((folder) => {
    const path = `${folder}/a.log`;
    const file = openFile(path, { size: 12, keep: 2 }, noComplaint);
    withRoom([1, 2, 1], () => file.write("12345\n"));
    file.write("6789\n");
    file.write("0\n");
    file.close();
    assertEquals(Deno.readTextFileSync(`${path}.1`), "12345\n6789\n", "each byte counts once");
    assertEquals(Deno.readTextFileSync(path), "0\n");
  });
});

Deno.test("a line after one that was written in part begins on a line of its own", () => {
  withFolder((folder) => {
    const path = `${folder}/a.log`;
    const complaints: string[] = [];
    const file = openFile(path, { size: 1000, keep: 2 }, (text) => complaints.push(text));
    file.write("one\n");
    withRoom([2, 0, 0], () => {
      file.write("two\n");
      file.write("three\n");
    });
    file.write("four\n");
    file.write("five\n");
    file.close();
    assertMatch(
      Deno.readTextFileSync(path),
      /^one\ntw\n\[\S+\] WARNING Lines that could not be written are missing here: 2\.\nfour\nfive\n$/,
    );
    assertEquals(complaints.length, 1);
  });
});

Deno.test("a line in another file than the one that was torn begins with no empty line", () => {
  withFolder((folder) => {
    const path = `${folder}/a.log`;
    const file = openFile(path, { size: 100, keep: 2 }, () => {});
    withRoom([2, 0], () => file.write("one\n"));
    file.close();
    Deno.renameSync(path, `${path}-old`);
    file.write("two\n");
    file.close();
    assertMatch(Deno.readTextFileSync(path), /^\[\S+\] WARNING .* missing here: 1\.\ntwo\n$/);
  });
});

Deno.test("a file opened anew after a line that was written in part goes on on a line of its own", () => {
  withFolder((folder) => {
    const path = `${folder}/a.log`;
    const old = openFile(path, { size: 100, keep: 2 }, () => {});
    withRoom([2, 0], () => old.write("one\n"));
    old.close();
    const file = openFile(path, { size: 100, keep: 2 }, noComplaint);
    file.follow(old);
    file.write("two\n");
    file.close();
    assertMatch(Deno.readTextFileSync(path), /^on\n\[\S+\] WARNING .* missing here: 1\.\ntwo\n$/);
  });
});

Deno.test("a size of 0 lets the file grow for ever", () => {
  withFolder((folder) => {
    const path = `${folder}/a.log`;
    const file = openFile(path, { size: 0, keep: 2 }, noComplaint);
    for (let index = 0; index < 100; index++) file.write("line\n");
    file.close();
    assertEquals(names(folder), ["a.log"]);
    assertEquals(Deno.readTextFileSync(path), "line\n".repeat(100));
  });
});

/** The lines of a log's files, oldest first. */
function allLines(folder: string): string[] {
  const files = names(folder).sort((a, b) => number(b) - number(a));
  return files.flatMap((name) =>
    Deno.readTextFileSync(`${folder}/${name}`).split("\n").slice(0, -1)
  );
}

Deno.test("50,000 lines are in the kept files, each once and in order", () => {
  withFolder((folder) => {
    const file = openFile(`${folder}/a.log`, { size: 32_768, keep: 100 }, noComplaint);
    const lines = Array.from({ length: 50_000 }, (_, index) => `line ${index} ${"x".repeat(30)}`);
    for (const line of lines) file.write(`${line}\n`);
    file.close();
    assertEquals(names(folder).length > 50, true, "it has rotated many times");
    assertEquals(allLines(folder).join("\n"), lines.join("\n"));
  });
});

/**
 * Lets so many files be renamed or opened while `test` runs, and then nothing be renamed, opened or
 * written any more, as when the process is killed. Returns whether it came to that.
 */
function crashAfter(steps: number, test: () => void): boolean {
  const { renameSync } = Deno;
  const { openSync, writeSync } = fs;
  const setRename = (value: typeof renameSync) =>
    Object.defineProperty(Deno, "renameSync", { value, writable: true, configurable: true });
  let left = steps;
  let crashed = false;
  const alive = (cost: number) => {
    crashed ||= left === 0;
    if (crashed) throw new Error("Killed");
    left -= cost;
  };
  setRename((...parameters) => {
    alive(1);
    renameSync(...parameters);
  });
  fs.openSync = (...parameters) => {
    alive(1);
    return openSync(...parameters);
  };
  fs.writeSync = ((file: number, bytes: Uint8Array) => {
    alive(0);
    return writeSync(file, bytes);
  }) as typeof writeSync;
  try {
    test();
  } finally {
    setRename(renameSync);
    Object.assign(fs, { openSync, writeSync });
  }
  return crashed;
}

function onlyKilled(complaint: string): void {
  assertStringIncludes(complaint, ": Killed");
}

for (const files of [1, 2, 3, 4]) {
  for (let steps = 0; steps <= files + 1; steps++) {
    Deno.test(`a crash after ${steps} steps of rotating ${files} files costs no line`, () => {
      withFolder((folder) => {
        const path = `${folder}/a.log`;
        const rotation = { size: 2, keep: 5 };
        const written = Array.from({ length: files }, (_, index) => `${index}`);
        const before = openFile(path, rotation, onlyKilled);
        for (const line of written) before.write(`${line}\n`);
        assertEquals(crashAfter(steps, () => before.write("-\n")), true);
        before.close();
        assertEquals(allLines(folder), written, "right after the crash");
        const after = openFile(path, rotation, noComplaint);
        while (written.length < 6) {
          after.write(`${written.length}\n`);
          written.push(`${written.length}`);
        }
        after.close();
        assertEquals(allLines(folder), written, "when every name is taken");
      });
    });
  }
}

Deno.test("for any size, keep and crashes, the files hold the last lines in order, none twice", () => {
  const lives = fc.array(
    fc.record({
      lines: fc.array(fc.nat({ max: 20 }), { maxLength: 15 }),
      steps: fc.nat({ max: 7 }),
    }),
    { minLength: 1, maxLength: 6 },
  );
  const sizes = fc.integer({ min: 1, max: 60 });
  const keeps = fc.integer({ min: 1, max: 5 });
  fc.assert(
    fc.property(lives, sizes, keeps, (lives, size, keep) => {
      withFolder((folder) => {
        const path = `${folder}/a.log`;
        const written: string[] = [];
        for (const { lines, steps } of lives) {
          const file = openFile(path, { size, keep }, onlyKilled);
          for (const [index, length] of lines.entries()) {
            const line = `${written.length} ${"x".repeat(length)}`;
            const write = () => file.write(`${line}\n`);
            const before = allLines(folder);
            const isFull = names(folder).length > keep;
            if (index < lines.length - 1) write();
            if (index < lines.length - 1 || !crashAfter(steps, write)) written.push(line);
            const found = allLines(folder);
            assertEquals(found, written.slice(written.length - found.length));
            if (!isFull) assertEquals(found.length >= before.length, true, "no line has gone");
          }
          file.close();
        }
      });
    }),
    { numRuns: 100 },
  );
});

Deno.test("a file that was deleted is created anew with the next line", () => {
  withFolder((folder) => {
    const path = `${folder}/a.log`;
    const file = openFile(path, { size: 1000, keep: 2 }, noComplaint);
    file.write("one\n");
    Deno.removeSync(path);
    file.write("two\n");
    file.write("three\n");
    file.close();
    assertEquals(Deno.readTextFileSync(path), "two\nthree\n");
  });
});

Deno.test("while its folder is gone lines are counted, and told of when it is back", () => {
  withFolder((folder) => {
    const path = `${folder}/logs/a.log`;
    const complaints: string[] = [];
    Deno.mkdirSync(`${folder}/logs`);
    const file = openFile(path, { size: 1000, keep: 2 }, (text) => complaints.push(text));
    file.write("one\n");
    Deno.removeSync(`${folder}/logs`, { recursive: true });
    for (let index = 0; index < 5; index++) file.write("lost\n");
    assertEquals(complaints, [
      `Cannot open log file ${path}: its folder does not exist. Create the folder, or change the ` +
      'path in "logs". Its lines are lost until it can be written again.',
    ]);
    Deno.mkdirSync(`${folder}/logs`);
    file.write("two\n");
    file.write("three\n");
    file.close();
    assertMatch(
      Deno.readTextFileSync(path),
      /^\[\S+\] WARNING Lines that could not be written are missing here: 5\.\ntwo\nthree\n$/,
    );
  });
});

Deno.test("a file that cannot be there from the start on is treated as one that has gone", () => {
  withFolder((folder) => {
    const path = `${folder}/logs/a.log`;
    const complaints: string[] = [];
    const file = makeFile(path, { size: 1000, keep: 2 }, (text) => complaints.push(text));
    file.write("lost\n");
    file.write("lost\n");
    Deno.mkdirSync(`${folder}/logs`);
    file.write("one\n");
    file.close();
    assertEquals(complaints.length, 1);
    assertMatch(Deno.readTextFileSync(path), /missing here: 2\.\none\n$/);
  });
});

Deno.test("a deleted file that the process has no room to open is created when it has", () => {
  withFolder((folder) => {
    const path = `${folder}/a.log`;
    const complaints: string[] = [];
    const file = openFile(path, { size: 1000, keep: 2 }, (text) => complaints.push(text));
    Deno.removeSync(path);
    withoutOpening(() => {
      file.write("lost\n");
      file.write("lost\n");
    });
    file.write("one\n");
    file.close();
    assertEquals(complaints.length, 1);
    assertStringIncludes(complaints[0] ?? "", "too many open files. Its lines are");
    assertMatch(Deno.readTextFileSync(path), /missing here: 2\.\none\n$/);
  });
});

Deno.test("missing lines are told of in the file's own format", () => {
  withFolder((folder) => {
    const path = `${folder}/logs/a.log`;
    const file = makeFile(path, { size: 1000, keep: 2, format: "json" }, () => {});
    file.write("lost\n");
    Deno.mkdirSync(`${folder}/logs`);
    file.write("{}\n");
    file.close();
    const [notice, line] = Deno.readTextFileSync(path).split("\n");
    assertEquals(
      JSON.parse(notice ?? "").message,
      "Lines that could not be written are missing here: 1.",
    );
    assertEquals(line, "{}");
  });
});

Deno.test("a new file after a line that was written in part begins with no empty line", () => {
  withFolder((folder) => {
    const path = `${folder}/a.log`;
    const file = openFile(path, { size: 6, keep: 2 }, () => {});
    file.write("one\n");
    withRoom([2, 0], () => file.write("2\n3\n"));
    assertEquals(allLines(folder)[0], "one");
    Deno.removeSync(path);
    file.write("four\n");
    file.close();
    assertMatch(Deno.readTextFileSync(path), /^\[\S+\] WARNING .* missing here: 1\.\nfour\n$/);
  });
});

Deno.test("a file cut short by somebody else counts as short", () => {
  withFolder((folder) => {
    const path = `${folder}/a.log`;
    const file = openFile(path, { size: 10, keep: 2 }, noComplaint);
    file.write("12345678\n");
    Deno.truncateSync(path);
    file.write("1234\n");
    file.close();
    assertEquals(names(folder), ["a.log"]);
  });
});

Deno.test("a log that is a link is written through it, and not rotated", () => {
  withFolder((folder) => {
    Deno.mkdirSync(`${folder}/data`);
    Deno.symlinkSync("data/real.log", `${folder}/a.log`);
    const file = openFile(`${folder}/a.log`, { size: 4, keep: 2 }, noComplaint);
    for (const line of ["one\n", "two\n", "three\n"]) file.write(line);
    file.close();
    assertEquals(names(folder), ["a.log", "data"]);
    assertEquals(Deno.readTextFileSync(`${folder}/data/real.log`), "one\ntwo\nthree\n");
  });
});

Deno.test("a log below a linked folder rotates there", () => {
  withFolder((folder) => {
    Deno.mkdirSync(`${folder}/data`);
    Deno.symlinkSync("data", `${folder}/log`);
    const file = openFile(`${folder}/log/a.log`, { size: 4, keep: 2 }, noComplaint);
    for (const line of ["one\n", "two\n"]) file.write(line);
    file.close();
    assertEquals(names(`${folder}/data`), ["a.log", "a.log.1"]);
  });
});

Deno.test("a pipe that nobody reads is refused at once, not waited for", () => {
  withFolder((folder) => {
    new Deno.Command("mkfifo", { args: [`${folder}/a.log`] }).outputSync();
    assertThrows(
      () => openFile(`${folder}/a.log`, { size: 4, keep: 2 }, noComplaint),
      LogFileError,
    );
  });
});
