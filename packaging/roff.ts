/**
 * The parts of a man page, in the macros of groff_man(7), which mandoc knows, too.
 *
 * @module
 */

/**
 * Returns the first lines of a page.
 *
 * @param section The section of the manual, and its name there.
 * @param what The line of `whatis`.
 */
export function heading(
  name: string,
  [section, called]: readonly [number, string],
  version: string,
  what: string,
): string[] {
  return [
    // There is no date, so that the page of one version is the same whenever it is made.
    `.TH ${name.toUpperCase()} ${section} "" "Aphlict on Deno ${version}" "${called}"`,
    // No hyphens where there are none, as in a path, and no gaps. After .YS the register counts.
    ".nr HY 0",
    ".nh",
    ".ad l",
    ...FALLBACKS,
    ".SH NAME",
    `${name} \\- ${escaped(what)}`,
  ];
}

/** Returns an example, which is shown as it is typed. */
export function literal(text: string): string[] {
  return [".RS 4", ".EX", ...text.split("\n").map(escaped), ".EE", ".RE"];
}

/**
 * Returns an entry of a list.
 *
 * @param tag The tag, in roff.
 */
export function item(tag: string, text: string): string[] {
  return [".TP", tag, prose(text)];
}

/** Returns a paragraph. */
export function paragraph(text: string): string[] {
  return [".PP", prose(text)];
}

/** Returns a text, with the parts in backticks set in bold. */
function prose(text: string): string {
  return text.split("`").map((part, place) =>
    place % 2 === 0 ? escaped(part) : `\\fB${escaped(part)}\\fR`
  ).join("").replace(/^\./, "\\&.");
}

/** The characters for the marks of the doctor on a terminal that has ASCII alone. */
const FALLBACKS = [".fchar \\[u2713] v", ".fchar \\[u2717] x"];

/** The glyphs of the characters that roff would take for something else, see groff_char(7). */
const GLYPHS: Readonly<Record<string, string>> = {
  "\\": "\\(rs",
  "-": "\\-",
  "'": "\\(aq",
  '"': "\\(dq",
  "`": "\\(ga",
  "^": "\\(ha",
  "~": "\\(ti",
};

/** Returns a text as it is written within a line of roff. */
export function escaped(text: string): string {
  return text.replace(/[\\'"`^~-]|[^\x20-\x7e]/gu, (character) => {
    const code = character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0");
    return GLYPHS[character] ?? `\\[u${code}]`;
  });
}
