import { createHash } from "node:crypto";
import { page } from "../../src/admin/page.ts";
import { FAMILIES, type Samples } from "../../src/metrics/families.ts";
import { assertEquals, assertMatch } from "../assert.ts";
import { Office } from "./fixtures.ts";

/** The page's own text, and what of it the browser takes for a style, a script, and an element. */
async function parts() {
  const html = await page().text();
  const inside = (name: string) =>
    [...html.matchAll(new RegExp(`<${name}\\b[^>]*>(.*?)</${name}>`, "gs"))]
      .map(([, text = ""]) => text);
  const elements = html.replace(/(?<=<(style|script)>).*?(?=<\/\1>)/gs, "").match(/<[a-z][^>]*>/g);
  return { html, styles: inside("style"), scripts: inside("script"), elements: elements ?? [] };
}

function hashOf(text: string): string {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}

Deno.test("the page is HTML that no cache keeps, and that tells no other site of itself", () => {
  const { status, headers } = page();
  assertEquals(status, 200);
  assertEquals(headers.get("content-type"), "text/html; charset=utf-8");
  assertEquals(headers.get("cache-control"), "no-store");
  assertEquals(headers.get("cross-origin-opener-policy"), "same-origin");
  assertEquals(headers.get("referrer-policy"), "no-referrer");
});

Deno.test("the page may use its own style and script, ask its own server, and do nothing else", async () => {
  const { styles: [style = ""], scripts: [script = ""] } = await parts();
  assertEquals(page().headers.get("content-security-policy")?.split("; "), [
    "default-src 'none'",
    `style-src ${hashOf(style)}`,
    `script-src ${hashOf(script)}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ]);
});

Deno.test("the page has one style and one script, both of them in it", async () => {
  const { styles, scripts, elements } = await parts();
  assertEquals([styles.length, scripts.length], [1, 1]);
  assertEquals(elements.filter((each) => /^<(style|script)\b/.test(each)), ["<style>", "<script>"]);
  assertMatch(scripts[0] ?? "", /^\s*"use strict";/);
});

Deno.test("the page refers to nothing but itself", async () => {
  const { html, styles, elements } = await parts();
  const text = elements.join("\n");
  assertEquals(text.match(/\s(src|srcset|data|action|formaction|ping|poster)=/g), null);
  const targets = [...text.matchAll(/\shref="([^"]*)"/g)].map(([, target]) => target);
  assertEquals(targets.filter((target) => !target?.startsWith("#")), []);
  assertEquals(elements.filter((each) => /^<(link|base|iframe|object|embed|img)\b/.test(each)), []);
  assertEquals(styles.join().match(/url\(|@import|image-set\(/g), null);
  const links = html.match(/\b(https?|wss?|data|javascript):[^\s"']*|["'(]\/\/[a-z]/g) ?? [];
  assertEquals(links.filter((link) => link !== "http://www.w3.org/2000/svg"), []);
});

Deno.test("no element of the page has a style or a handler in its attributes", async () => {
  const { elements } = await parts();
  assertEquals(elements.filter((each) => /\s(style|on[a-z]+)=/i.test(each)), []);
});

Deno.test("the script never takes a text for markup or code", async () => {
  const { scripts } = await parts();
  const risky = /innerHTML|outerHTML|insertAdjacentHTML|document\.write|setHTML|DOMParser|srcdoc/g;
  assertEquals(scripts.join().match(risky), null);
  assertEquals(scripts.join().match(/\beval\b|\bFunction\(|\bimport\b/g), null);
});

Deno.test("the script keeps nothing where it would outlive the page", async () => {
  const { scripts } = await parts();
  assertEquals(scripts.join().match(/localStorage|sessionStorage|indexedDB|cookie|caches/g), null);
});

Deno.test("the page explains each reason that a refusal, an end or an ignored command has", async () => {
  const script = await page().text();
  const explained = (table: string) => {
    const [, body = ""] = new RegExp(`const ${table} = \\{([^}]*)\\};`).exec(script) ?? [];
    return [...body.matchAll(/^ +(\w+): /gm)].map(([, reason]) => reason ?? "").sort();
  };
  const { metrics } = new Office().snapshot();
  const counted = (samples: Samples) => samples.map(([{ reason = "" }]) => reason).sort();
  assertEquals(explained("BROWSERS"), counted(metrics.aphlict_refused_connections_total));
  assertEquals(explained("REQUESTS"), counted(metrics.aphlict_refused_requests_total));
  assertEquals(explained("ENDS"), counted(metrics.aphlict_disconnects_total));
  assertEquals(explained("COMMANDS"), counted(metrics.aphlict_ignored_commands_total));
});

Deno.test("every metric that the page names is a family", async () => {
  const { scripts } = await parts();
  const named = scripts.join().match(/\b(aphlict|process)_\w+/g) ?? [];
  assertEquals(named.filter((name) => !(name in FAMILIES)), []);
  assertEquals(named.length > 20, true);
});
