/**
 * Reading files that somebody else may have put there.
 *
 * @module
 */

import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

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
  const info = links ? Deno.statSync(path) : Deno.lstatSync(path);
  const { isFile, isSymlink, isDirectory } = info;
  if (isDirectory) throw new Deno.errors.IsADirectory(`${path} is a folder`);
  if (!isFile) {
    throw new IrregularFile(`is ${isSymlink ? "a symbolic link" : "a pipe or a device"}, no file`);
  }
  const descriptor = openAtOnce(path);
  try {
    const { dev, ino, size } = fstatSync(descriptor);
    // What was looked at is what is open; the runtime opens what a link leads to, even if told not to.
    if (dev !== info.dev || ino !== info.ino) {
      throw new IrregularFile("is replaced while it is read");
    }
    return readWhole(descriptor, size, limit);
  } finally {
    closeSync(descriptor);
  }
}

/** Opens a file for reading. A pipe that has taken its place is not waited for. */
function openAtOnce(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as { readonly code?: string };
    const message = error instanceof Error ? error.message : String(error);
    if (code === "EACCES" || code === "EPERM") throw new Deno.errors.PermissionDenied(message);
    if (code === "ENOENT") throw new Deno.errors.NotFound(message);
    throw error;
  }
}

function readWhole(descriptor: number, size: number, limit: number): Uint8Array<ArrayBuffer> {
  if (size > limit) throw new IrregularFile(tooLarge(limit));
  // It may grow meanwhile. One byte more than there may be tells that there are too many.
  let bytes = new Uint8Array(Math.min(limit, size) + 1);
  let length = 0;
  for (;;) {
    const count = readSync(descriptor, bytes, length, bytes.length - length, null);
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
