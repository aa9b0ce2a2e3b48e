/**
 * The files of the project, for tests that read them.
 *
 * @module
 */

import { ROOT } from "./acceptance/program.ts";

/**
 * Returns the files below a folder, by their paths from the folder of the project.
 *
 * @param end The ends of the names that are wanted. @default All.
 */
export function filesBelow(folder: string, ...end: readonly string[]): string[] {
  return [...Deno.readDirSync(`${ROOT}${folder}`)].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    if (isDirectory) return filesBelow(path, ...end);
    return end.length === 0 || end.some((each) => name.endsWith(each)) ? [path] : [];
  });
}
