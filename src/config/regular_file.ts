/**
 * Reading files that somebody else may have put there.
 *
 * @module
 */

/** A path at which there is no regular file, or one that is too large. The message is a clause that follows the path. */
export class IrregularFile extends Error {
  override readonly name = "IrregularFile";
}

/** How {@linkcode readRegularFile} reads. */
export interface ReadOptions {
  /** Bytes of the file, at most. */
  readonly limit: number;
  /** Whether the path may be a symbolic link. Folders on the way to it always may. @default {true} */
  readonly links?: boolean;
}

/**
 * Reads a file that is no pipe, which would be waited for, no device, which may never end, and not larger than expected.
 *
 * @throws {IrregularFile} If it is one of those.
 * @throws {Error} What `Deno.statSync` and `Deno.openSync` throw.
 */
export function readRegularFile(
  path: string,
  { limit, links = true }: ReadOptions,
): Uint8Array<ArrayBuffer> {
  const { isFile, isSymlink, isDirectory, size } = links
    ? Deno.statSync(path)
    : Deno.lstatSync(path);
  // A folder is left to the system, which has a word for it.
  if (!isFile && !isDirectory) {
    throw new IrregularFile(`is ${isSymlink ? "a symbolic link" : "a pipe or a device"}, no file`);
  }
  if (isFile && size > limit) throw new IrregularFile(tooLarge(limit));
  using file = Deno.openSync(path);
  // It may grow meanwhile. One byte more than there may be tells that there are too many.
  let bytes = new Uint8Array(Math.min(limit, size) + 1);
  let length = 0;
  for (;;) {
    const count = file.readSync(bytes.subarray(length)) ?? 0;
    length += count;
    if (length > limit) throw new IrregularFile(tooLarge(limit));
    if (count === 0) return bytes.subarray(0, length);
    if (length < bytes.length) continue;
    const larger = new Uint8Array(Math.min(limit + 1, 2 * length));
    larger.set(bytes);
    bytes = larger;
  }
}

/** Reads the text of such a file. Bytes that are no UTF-8 become U+FFFD. */
export function readRegularText(path: string, options: ReadOptions): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(readRegularFile(path, options));
}

function tooLarge(limit: number): string {
  return `is larger than ${limit} bytes`;
}
