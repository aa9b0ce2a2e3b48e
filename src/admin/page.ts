/**
 * The live page as one answer: everything it needs is in it, and it can reach nothing but this server.
 *
 * @module
 */

import { createHash } from "node:crypto";
import html from "./console.html" with { type: "text" };

/** Made once. */
const HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "cache-control": "no-store",
  "content-security-policy": [
    "default-src 'none'",
    `style-src ${hashesOf("style")}`,
    `script-src ${hashesOf("script")}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
} as const;

/** Answers with the page. */
export function page(): Response {
  return new Response(html, { headers: HEADERS });
}

/** What lets the page's own elements of this name work, and no other. */
function hashesOf(element: "style" | "script"): string {
  const found = html.matchAll(new RegExp(`<${element}>(.*?)</${element}>`, "gs"));
  return Array.from(found, ([, text = ""]) => {
    return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  }).join(" ");
}
