import fc from "fast-check";
import type { LogConfig } from "../../src/config/config.ts";
import { LogFile } from "../../src/log/file.ts";
import { LogFileError } from "../../src/log/trouble.ts";
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
  return new LogFile({ path, rotateSize: size, rotateKeep: keep, level: null, format }, complain);
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

/** Lets no file be opened while `test` runs, as when the process has too many open. */
function withoutOpening(test: () => void): void {
  const { openSync } = Deno;
  const set = (value: unknown) =>
    Object.defineProperty(Deno, "openSync", { value, writable: true, configurable: true });
  set(() => {
    throw new Error("Too many open files (os error 24)");
  });
  try {
    test();
  } finally {
    set(openSync);
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
    openFile(path, { size: 4, keep: 2 }, noComplaint).close();
    assertEquals((Deno.statSync(path).mode ?? 0) & 0o777, 0o664 & ~Deno.umask());
  });
});

/** Lets the system write at most as many bytes as `room` says, call by call, while `test` runs. */
function withRoom(room: readonly number[], test: () => void): void {
  const { writeSync } = Deno.FsFile.prototype;
  const left = [...room];
  Deno.FsFile.prototype.writeSync = function (bytes) {
    const count = left.shift() ?? bytes.length;
    if (count === 0) throw new Error("No room");
    return writeSync.call(this, bytes.subarray(0, count));
  };
  try {
    test();
  } finally {
    Deno.FsFile.prototype.writeSync = writeSync;
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
