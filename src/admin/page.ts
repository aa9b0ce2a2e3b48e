/**
 * The live page as one answer: everything that it needs is in it, and it can connect to nothing but this server.
 *
 * @module
 */

import { createHash } from "node:crypto";
import style from "./console.css" with { type: "text" };
import frame from "./console.html" with { type: "text" };
import script from "./console.js" with { type: "text" };

const HTML = frame
  .replace("<style></style>", () => `<style>${style}</style>`)
  .replace("<script></script>", () => `<script>${script}</script>`);

/** The headers of the page. Its own style and script work by their hashes, and no other does. */
const HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "cache-control": "no-store",
  "content-security-policy": [
    "default-src 'none'",
    `style-src ${hashOf(style)}`,
    `script-src ${hashOf(script)}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "cross-origin-opener-policy": "same-origin",
  "referrer-policy": "no-referrer",
} as const;

/** Returns the page as an answer. */
export function page(): Response {
  return new Response(HTML, { headers: HEADERS });
}

/** Returns the source that allows an inline element of this text (Content Security Policy Level 3, section 2.3.1). */
function hashOf(text: string): string {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}
