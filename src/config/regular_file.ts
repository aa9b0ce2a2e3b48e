/**
 * Reads files that somebody else may have put there.
 *
 * @module
 */

import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { messageOf } from "../text.ts";

/** The error of a path without a regular file, or with too large a one. The message is a clause behind the path. */
export class IrregularFile extends Error {
  override readonly name = "IrregularFile";
}

/** The options of {@linkcode readRegularFile}. */
export interface ReadOptions {
  /** The most bytes that the file may have. */
  readonly limit: number;
  /** True if the path may be a symbolic link. Folders on the way to it always may. @default {true} */
  readonly links?: boolean;
}

/**
 * Reads a regular file that is not larger than expected. A pipe would be waited for, and a device may never end.
 *
 * @throws {IrregularFile} If it is a pipe, a device, a link that is not allowed, or too large.
 * @throws {Error} Any error that `Deno.statSync` and `Deno.openSync` throw.
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
    // The file that was looked at must be the open one: the runtime follows a link, even if told not to.
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
    const message = messageOf(error);
    if (code === "EACCES" || code === "EPERM") throw new Deno.errors.PermissionDenied(message);
    if (code === "ENOENT") throw new Deno.errors.NotFound(message);
    throw error;
  }
}

function readWhole(descriptor: number, size: number, limit: number): Uint8Array<ArrayBuffer> {
  if (size > limit) throw new IrregularFile(tooLarge(limit));
  // The file may grow meanwhile. One byte more than the limit tells that there are too many.
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

/** Reads the text of a regular file. Bytes that are no UTF-8 become U+FFFD. */
export function readRegularText(path: string, options: ReadOptions): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(readRegularFile(path, options));
}

function tooLarge(limit: number): string {
  return `is larger than ${limit} bytes`;
}
