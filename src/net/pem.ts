/**
 * The blocks of a PEM file, without the text around them.
 *
 * @module
 */

/** The base64 digits on a line, as in RFC 7468. */
const WIDTH = 64;

/** One block of a file. */
export interface PemBlock {
  /** The kind of its content, such as `CERTIFICATE`. */
  readonly label: string;
  /**
   * The state of the block:
   * - `whole`: it begins, holds base64, and ends.
   * - `cut`: the file ends, or another block begins, before its end. The file may still be being written.
   * - `encrypted`: it needs a password.
   * - `garbled`: it holds something else than base64.
   */
  readonly state: "whole" | "cut" | "encrypted" | "garbled";
  /** The block alone, in lines of 64 digits; only for a whole one. */
  readonly text: string;
}

/**
 * Returns the blocks of a text in their order.
 *
 * A byte order mark, indentation, any kind of line break, and text before, between and after the blocks change nothing.
 * Costs one pass over the text.
 *
 * @example
 * ```ts
 * import { pemBlocks } from "./pem.ts";
 *
 * const [block] = pemBlocks("\uFEFF -----BEGIN X-----\r\n AAAA\r\n -----END X-----");
 * block?.text; // "-----BEGIN X-----\nAAAA\n-----END X-----\n"
 * ```
 */
export function pemBlocks(text: string): readonly PemBlock[] {
  const blocks: PemBlock[] = [];
  let open: { readonly label: string; readonly lines: string[] } | null = null;
  for (const each of text.split(/[\r\n]/)) {
    // A byte order mark counts as white space.
    const line = each.trim();
    const label = labelIn(line, "BEGIN");
    if (label !== null) {
      if (open !== null) blocks.push({ label: open.label, state: "cut", text: "" });
      open = { label, lines: [] };
    } else if (open !== null && labelIn(line, "END") === open.label) {
      blocks.push(blockOf(open.label, open.lines));
      open = null;
    } else open?.lines.push(line);
  }
  if (open !== null) blocks.push({ label: open.label, state: "cut", text: "" });
  return blocks;
}

/** Returns the label of a line that begins or ends a block; `null` when it does not. */
function labelIn(line: string, which: "BEGIN" | "END"): string | null {
  const [before, after] = [`-----${which} `, "-----"];
  return line.startsWith(before) && line.endsWith(after) &&
      line.length > before.length + after.length
    ? line.slice(before.length, -after.length)
    : null;
}

function blockOf(label: string, lines: readonly string[]): PemBlock {
  // The older form has header fields before the base64.
  const isEncrypted = label.startsWith("ENCRYPTED ") ||
    lines.some((line) => line.startsWith("Proc-Type:") && line.includes("ENCRYPTED"));
  if (isEncrypted) return { label, state: "encrypted", text: "" };
  const body = lines.join("").replaceAll(/[ \t]/g, "");
  if (body === "" || !/^[A-Za-z0-9+/]+={0,2}$/.test(body)) {
    return { label, state: "garbled", text: "" };
  }
  const parts = [`-----BEGIN ${label}-----`];
  for (let at = 0; at < body.length; at += WIDTH) parts.push(body.slice(at, at + WIDTH));
  return { label, state: "whole", text: `${[...parts, `-----END ${label}-----`].join("\n")}\n` };
}
