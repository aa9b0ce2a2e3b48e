/**
 * The live page, as an administrator sees it. These tests need Debian's Chromium.
 */

import { Browser } from "../acceptance/browser.ts";
import { freePorts } from "../acceptance/ports.ts";
import { Process } from "../acceptance/process.ts";
import { publish, run, type Running, writeConfig } from "../acceptance/server.ts";
import { serviceArguments } from "../acceptance/program.ts";
import { until } from "../acceptance/until.ts";
import { assert, assertEquals, assertMatch, assertNotMatch } from "../assert.ts";
import { Folder } from "../folder.ts";
import { busy, empty, HOSTILE, hostile, Stage } from "./stage.ts";
import { type Looks, Tab } from "./tab.ts";

/** Every screen that the page is made for. */
const LOOKS: readonly Looks[] = [1280, 360].flatMap((width) =>
  (["light", "dark"] as const).map((scheme) => ({ width, scheme }))
);

/** Opens the page and waits until it shows something; whatever it does, it may not misbehave. */
async function visit(url: string, test: (tab: Tab) => Promise<void>): Promise<void> {
  await using tab = await Tab.open(url);
  await tab.until('document.querySelector("#state").textContent !== "Waiting"');
  await test(tab);
  assertEquals(tab.complaints, []);
  const { origin } = new URL(url);
  assertEquals(tab.requests.filter((each) => new URL(each).origin !== origin), []);
}

/** Describes what the page of a real service does. */
function it(does: string, test: (tab: Tab, service: Running) => Promise<void>): void {
  Deno.test(`the live page ${does}`, async () => {
    await using service = await run();
    await visit(urlOf(service), (tab) => test(tab, service));
  });
}

/** Describes what the page does with made-up data. */
function itShows(what: string, data: typeof busy, test: (tab: Tab, stage: Stage) => Promise<void>) {
  Deno.test(`the live page ${what}`, async () => {
    await using stage = new Stage(data(Date.now()));
    await visit(stage.url, (tab) => test(tab, stage));
  });
}

const urlOf = ({ admin }: { readonly admin: number }) => `http://127.0.0.1:${admin}/console/`;

const textOf = (selector: string) =>
  `document.querySelector(${JSON.stringify(selector)}).innerText`;

/** The texts of a message's row. */
const ROW = '[...document.querySelector("#messages-table tbody tr").cells].map((c) => c.innerText)';

async function kill({ process }: Running): Promise<void> {
  process.kill("SIGKILL");
  await process.ended();
}

/** Waits until the page has asked again, and shows what it was answered. */
async function update(tab: Tab): Promise<void> {
  await tab.evaluate('document.querySelector("#updated").textContent = "old"');
  await tab.until('document.querySelector("#updated").textContent !== "old"');
}

for (const path of ["/", "/?x", "/console", "/console/"]) {
  Deno.test(`a browser that is told to show ${path} shows the live page`, async () => {
    await using service = await run();
    const { origin, pathname } = new URL(urlOf(service));
    await visit(`${origin}${path}`, async (tab) => {
      assertEquals(await tab.evaluate("location.pathname + location.search"), pathname);
      await tab.until('document.querySelector("#state").textContent === "Ready"');
    });
  });
}

/** The ways in which a page can have a browser load something, each a promise of whether it got anything. */
const LOADS = `({
  read: (url) => fetch(url).then((answer) => answer.text()).then(() => true, () => false),
  fetch: (url) => fetch(url, { mode: "no-cors" }).then(() => true, () => false),
  script: (url) => new Promise((resolve) => {
    const script = document.createElement("script");
    script.onload = () => resolve(true);
    script.onerror = () => resolve(false);
    script.src = url;
    document.body.append(script);
  }),
})`;

Deno.test("a page of another site loads nothing of an admin server, in whatever way it tries", async () => {
  await using service = await run();
  const page = () => new Response("<p>hello", { headers: { "content-type": "text/html" } });
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, page);
  const { port } = server.addr;
  await using tab = await Tab.open(`http://localhost:${port}/`);
  const load = (way: string, url: string): Promise<boolean> =>
    tab.evaluate(`${LOADS}.${way}(${JSON.stringify(url)})`);
  for (const path of ["/", "/status/", "/metrics", "/console/", "/console/data/", "/elsewhere"]) {
    for (const way of ["read", "fetch", "script"]) {
      const url = `http://127.0.0.1:${service.admin}${path}`;
      assertEquals(await load(way, url), false, `${way} ${path}`);
    }
  }
  assertEquals(await load("fetch", `http://127.0.0.1:${port}/`), true, "others let it");
});

it("shows listeners, and a message without its content", async (tab, { admin, client }) => {
  await using _browser = await Browser.open(client, { topics: ["PHID-USER-a"] });
  const message = { subscribers: ["PHID-USER-a", "PHID-USER-b"], type: "notification", secret: 42 };
  await publish(admin, message, { instance: "acme" });
  await publish(admin, message);
  await tab.until("document.querySelectorAll('#messages-table tbody').length === 2");
  const [time, ...row] = await tab.evaluate(ROW);
  assertMatch(time, /^\d\d:\d\d:\d\d$/);
  assertEquals(row.slice(0, 5), ["default", "notification", "2", "1", "published"]);
  assertMatch(await tab.evaluate(textOf("#charts")), /^Listeners\s+1\s/);
  assertMatch(await tab.evaluate(textOf("#servers-table")), /1 of 50,000/);
  assertNotMatch(await tab.evaluate("document.documentElement.textContent"), /"secret"/);
  assertEquals(tab.requests.filter((url) => url.includes("message")), []);
});

it("shows a message's content to whoever asks for it", async (tab, { admin }) => {
  await publish(admin, { subscribers: ["PHID-USER-a"], type: "notification", secret: 42 });
  await tab.until("document.querySelector('#messages-table button')");
  await tab.evaluate("document.querySelector('#messages-table button').click()");
  await tab.until('document.querySelector("#messages-table pre").innerText.includes("secret")');
  assertEquals(JSON.parse(await tab.evaluate(textOf("#messages-table pre"))).secret, 42);
});

it("keeps an opened message when it is none of the last any more", async (tab, { admin }) => {
  await publish(admin, { subscribers: [], type: "opened", secret: 42 });
  await tab.until("document.querySelector('#messages-table button')");
  await tab.evaluate("document.querySelector('#messages-table button').click()");
  await tab.until('document.querySelector("#messages-table pre").innerText.includes("secret")');
  for (let n = 0; n < 60; n++) await publish(admin, { subscribers: [], type: "newer" });
  await tab.until("document.querySelectorAll('#messages-table tbody').length === 51");
  assertMatch(await tab.evaluate(textOf("#messages-table tbody:last-child")), /opened.*secret/s);
});

it("holds the list of messages when it is told to", async (tab, { admin }) => {
  await publish(admin, { subscribers: [], type: "first" });
  await tab.until("document.querySelector('#messages-table button')");
  await tab.evaluate("document.querySelector('#hold').click()");
  await publish(admin, { subscribers: [], type: "second" });
  // The answer to the first of them may be from before.
  await update(tab);
  await update(tab);
  assertEquals((await tab.evaluate(ROW))[2], "first");
  await tab.evaluate("document.querySelector('#hold').click()");
  await tab.until(`${ROW}[2] === "second"`);
});

it("shows markup in a type as text, and runs nothing of it", async (tab, { admin }) => {
  for (const type of HOSTILE) await publish(admin, { subscribers: [], type, more: HOSTILE });
  await tab.until("document.querySelectorAll('#messages-table tbody').length === 5");
  await tab.evaluate(
    "document.querySelectorAll('#messages-table button').forEach((b) => b.click())",
  );
  await tab.until(
    "[...document.querySelectorAll('#messages-table pre')].every((p) => p.innerText.length > 9)",
  );
  const types = await tab.evaluate(
    "[...document.querySelectorAll('#messages-table tbody')].map((b) => b.rows[0].cells[2].innerText)",
  );
  assertEquals(types.reverse(), [
    HOSTILE[0],
    HOSTILE[1],
    "\\u{202e}gnp.exe\\u{200f}\\u{2066}",
    "\\u{0}\\u{1b}[31m\\u{2028}\\u{d800}",
    HOSTILE[4],
  ]);
  assertEquals(await tab.evaluate("document.querySelectorAll('main img, main script').length"), 0);
  assertMatch(await tab.evaluate("document.title"), /^Ready – Aphlict at /);
});

Deno.test("the live page says that the server is gone, and goes on with another process", async () => {
  const ports = freePorts(2);
  await using first = await run({ ports });
  await publish(first.admin, { subscribers: [], type: "first" });
  await using tab = await Tab.open(urlOf(first));
  await tab.until('document.querySelector("#messages-table tbody")');
  assertEquals(await tab.evaluate('document.querySelector("#gone").hidden'), true);
  await kill(first);
  await tab.until('!document.querySelector("#gone").hidden');
  assertMatch(
    await tab.evaluate(textOf("#gone")),
    /^The server cannot be reached\. .* since \d\d:\d\d:\d\d\. What is shown is from \d\d:\d\d:\d\d\./,
  );
  assertEquals(await tab.evaluate('document.querySelector("#gone").getAttribute("role")'), "alert");
  assertEquals(await tab.evaluate("document.body.className"), "stale");
  assertMatch(await tab.evaluate("document.title"), /^No answer – /);
  assertEquals(
    await tab.evaluate("document.querySelectorAll('#messages-table tbody').length"),
    1,
    "what was shown stays",
  );
  await using _service = await run({ ports });
  await tab.until('document.querySelector("#gone").hidden');
  assertMatch(await tab.evaluate(textOf("#news")), /^Another process answers since /);
  assertEquals(await tab.evaluate("document.body.className"), "");
  assertEquals(await tab.evaluate("document.querySelectorAll('#messages-table tbody').length"), 0);
  assertEquals(tab.complaints, []);
});

Deno.test("the live page takes no message of another process for one that it still shows", async () => {
  const ports = freePorts(2);
  await using first = await run({ ports });
  await publish(first.admin, { subscribers: [], type: "first" });
  await using tab = await Tab.open(urlOf(first));
  await tab.until('document.querySelector("#messages-table button")');
  await tab.evaluate('document.querySelector("#hold").click()');
  await kill(first);
  await using second = await run({ ports });
  await publish(second.admin, { subscribers: [], type: "second" });
  await tab.until('document.querySelector("#news").innerText.startsWith("Another process")');
  assertEquals((await tab.evaluate(ROW))[2], "first");
  await tab.evaluate('document.querySelector("#messages-table button").click()');
  await tab.until(`${textOf("#messages-table pre")}.startsWith("It is not kept: ")`);
});

itShows("says what is wrong with an answer, and goes on after it", busy, async (tab, stage) => {
  const well = stage.answer;
  for (
    const [answer, says] of [
      [() => Response.json({ error: "Not you" }, { status: 403 }), /answers with 403\. Not you/],
      [() => new Response("<b>Proxy</b>", { status: 502 }), /answers with 502\./],
      [() => new Response("<b>Proxy</b>"), /cannot be understood/],
      [() => Response.json({}), /cannot be understood/],
    ] as const
  ) {
    stage.answer = answer;
    await tab.until(`${says}.test(document.querySelector("#gone").innerText)`);
    assertEquals(await tab.evaluate("document.body.className"), "stale");
  }
  stage.answer = well;
  await tab.until('document.querySelector("#gone").hidden');
  assertMatch(await tab.evaluate(textOf("#news")), /^The server answers since /);
});

Deno.test("the live page asks for the server's token, and keeps it as long as it is open", async () => {
  using folder = new Folder();
  const token = "0123456789abcdef";
  const [client, admin = 0] = freePorts(2);
  const { path } = writeConfig(folder, {
    servers: [
      { type: "client", port: client, listen: "127.0.0.1" },
      { type: "admin", port: admin, "token.file": folder.write("token", token) },
    ],
  });
  await using service = new Process(Deno.execPath(), serviceArguments(path, "serve"));
  await service.line(/has fingerprint /);
  const post = async (n: number) => {
    const response = await fetch(`http://127.0.0.1:${admin}/`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({ subscribers: [], n }),
    });
    assertEquals([response.status, typeof await response.text()], [200, "string"]);
  };
  await post(1);
  await post(2);
  const button = (index: number) =>
    `document.querySelectorAll("#messages-table button")[${index}].click()`;
  const content = (index: number) => `document.querySelectorAll("#messages-table pre")[${index}]`;
  const isAsked = 'document.querySelector("dialog").open';
  const enter = async (tab: Tab, text: string) => {
    await tab.until(isAsked);
    assertEquals(await tab.evaluate("document.activeElement.type"), "password");
    await tab.type(text);
    await tab.press("Enter");
  };
  await visit(urlOf({ admin }), async (tab) => {
    await tab.until("document.querySelectorAll('#messages-table button').length === 2");
    await tab.evaluate(button(0));
    await tab.until(isAsked);
    await tab.press("Escape");
    await tab.until(`${content(0)}.innerText === "It is shown to whoever has the server's token."`);
    await tab.evaluate(button(1));
    await enter(tab, "wrong");
    await tab.until(`${textOf("#wrong")} === "This is not the token that the server has."`);
    await enter(tab, token);
    await tab.until(`${content(1)}.innerText.includes('"n": 1')`);
    await tab.evaluate(button(0));
    await tab.evaluate(button(0));
    await tab.until(`${content(0)}.innerText.includes('"n": 2')`);
    assertEquals(await tab.evaluate(isAsked), false, "it is not asked for again");
    const kept = "document.documentElement.outerHTML + document.querySelector('#token').value + " +
      "JSON.stringify({ ...localStorage, ...sessionStorage }) + document.cookie + location";
    assert(!(await tab.evaluate(kept)).includes(token), "it is in memory only");
  });
});

it("works when nothing has happened yet", async (tab) => {
  const text = await tab.evaluate("document.body.innerText");
  assertMatch(text, /Nothing needs looking after/);
  assertMatch(text, /No peers are configured\./);
  assertMatch(text, /No message has been published yet\./);
  assertMatch(text, /Delivery latency\s+p50 – ms\s+p99 – ms\s+15 min ago\s+no values yet/);
  assertNotMatch(text, /NaN|undefined|null|Infinity|Invalid/);
});

itShows("says what needs looking after", busy, async (tab) => {
  assertEquals((await tab.evaluate(textOf("#problems"))).split(/\n+/), [
    "The certificate of wss://0.0.0.0:22280/ expires in 9 days",
    "Peer https://192.0.2.12:22281/ is down",
    "refuses the connection",
  ]);
  assertMatch(await tab.evaluate(textOf("#refusedBrowsers-table")), /origin\s+Their page .*\s+14/);
  assertMatch(await tab.evaluate(textOf("#refusedRequests-table")), /token\s+They .*\s+5/);
  assertMatch(await tab.evaluate(textOf("#ended-table")), /backlog\s+The browser .*\s+11/);
  assertNotMatch(await tab.evaluate("document.body.innerText"), /NaN|undefined|null|Infinity/);
});

itShows("draws what the last minutes were like, and says it in words", busy, async (tab) => {
  const charts = await tab.evaluate(
    '[...document.querySelectorAll("svg")].map((s) => [s.getAttribute("role"), s.ariaLabel])',
  );
  assertEquals(charts.length, 6);
  assert(charts.every(([role]: [string]) => role === "img"));
  assertMatch(
    charts[3][1],
    /^Delivery latency in the last 15 minutes: now p50 ≤ [\d.]+ ms, p99 ≤ [\d.]+ ms; min ≤ 0\.25, max ≤ 25$/,
  );
  assertMatch(
    charts[0][1],
    /^Listeners in the last 15 minutes: now  ?1,248 ; min [\d,]+, max [\d,]+$/,
  );
});

itShows("names its landmarks, headings, tables and their cells", busy, async (tab) => {
  const count = (selector: string) =>
    tab.evaluate(`document.querySelectorAll(${JSON.stringify(selector)}).length`);
  assertEquals(await Promise.all(["header", "nav[aria-label]", "main", "h1"].map(count)), [
    1,
    1,
    1,
    1,
  ]);
  assertEquals(await count("section"), await count("section[aria-labelledby] h2[id]"));
  assertEquals(await count("table"), await count("table > caption"));
  assertEquals(await count("th"), await count("th[scope]"));
  assertEquals(await count("nav a"), await count("h2") - 1, "all but the dialog's");
  const dangling = "[...document.querySelectorAll('nav a, .skip')]" +
    ".filter((a) => !document.querySelector(a.getAttribute('href'))).length";
  assertEquals(await tab.evaluate(dangling), 0);
  const nameless = "[...document.querySelectorAll('button, input')]" +
    ".filter((e) => !(e.ariaLabel || e.innerText || e.labels?.length)).length";
  assertEquals(await tab.evaluate(nameless), 0);
});

itShows("is gone through by keyboard, in order, and with the focus in sight", busy, async (tab) => {
  const seen: string[] = [];
  const focus = "(({ tagName, textContent, id }) => [tagName, textContent.slice(0, 20), id])" +
    "(document.activeElement)";
  await tab.press("Tab");
  assertEquals(await tab.evaluate(focus), ["A", "Skip to the content", ""]);
  assert(await tab.evaluate("document.activeElement.getBoundingClientRect().width > 50"));
  await tab.press("Enter");
  assertEquals((await tab.evaluate(focus))[2], "main");
  const place = "(() => { const r = document.activeElement.getBoundingClientRect();" +
    " return [r.top + scrollY, getComputedStyle(document.activeElement).outlineStyle]; })()";
  let before = 0;
  for (let n = 0; n < 8; n++) {
    await tab.press("Tab");
    const [top, outline] = await tab.evaluate(place);
    assertEquals(outline, "solid");
    seen.push((await tab.evaluate(focus))[0]);
    assert(top >= before || seen.at(-1) === "BUTTON", "it goes down");
    before = top;
  }
  assertEquals(seen.slice(0, 4), ["DIV", "DIV", "BUTTON", "DIV"]);
});

it("keeps focus, selection and what is open when it updates", async (tab, { admin }) => {
  await publish(admin, { subscribers: [], type: "first" });
  await tab.until("document.querySelector('#messages-table button')");
  await tab.evaluate(`(() => {
    for (const details of document.querySelectorAll("details")) details.open = true;
    const text = document.querySelector("#settings").firstChild;
    getSelection().setBaseAndExtent(text, 2, text, 200);
    document.querySelector("#messages-table button").focus();
    window.former = document.activeElement;
  })()`);
  const selected = await tab.evaluate("String(getSelection())");
  assertMatch(selected, /"servers"/);
  await publish(admin, { subscribers: [], type: "second" });
  await tab.until("document.querySelectorAll('#messages-table tbody').length === 2");
  assert(await tab.evaluate("document.activeElement === window.former"));
  assertEquals(await tab.evaluate("String(getSelection())"), selected);
  assertEquals(await tab.evaluate("document.querySelectorAll('details[open]').length"), 4);
});

itShows("lists every metric, with its labels and its value", busy, async (tab) => {
  await tab.evaluate('document.querySelectorAll("details").forEach((d) => d.open = true)');
  const rows: string[] = await tab.evaluate(
    "[...document.querySelectorAll('#metrics-table tbody')].map((row) =>" +
      "[...row.querySelectorAll('bdi')].map((cell) => cell.textContent).join(' '))",
  );
  const names = new Set(rows.map((row) => /^\w+/.exec(row)?.[0]));
  const { metrics } = busy(Date.now()).now;
  const present = Object.entries(metrics).filter(([, samples]) => samples.length > 0);
  assertEquals([...names], present.map(([name]) => name));
  assertMatch(rows.join("\n"), /^aphlict_connections server=wss:\/\/0\.0\.0\.0:22280\/ 1248$/m);
});

itShows("asks nothing while it is hidden, and at once when it is seen again", busy, async (tab) => {
  const set = (isHidden: boolean) =>
    tab.evaluate(
      `Object.defineProperty(document, "hidden", { value: ${isHidden}, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"))`,
    );
  const asked = () => tab.requests.filter((url) => url.endsWith("/data/")).length;
  await update(tab);
  await set(true);
  const before = asked();
  await tab.pass(60_000);
  assertEquals(asked(), before);
  await set(false);
  await until(() => asked() > before);
});

for (const data of [busy, empty, hostile]) {
  itShows(`is never wider than a phone, with ${data.name} data`, data, async (tab) => {
    for (const look of LOOKS) {
      await tab.look(look);
      await tab.evaluate('document.querySelectorAll("details").forEach((d) => d.open = true)');
      await tab.evaluate('document.querySelector("#messages-table button")?.click()');
      await tab.until("!document.querySelector('pre')?.innerText.startsWith('…')");
      assert(await tab.evaluate(LEGIBLE), `the content is in view at ${look.width}`);
      const width = await tab.evaluate("document.scrollingElement.scrollWidth");
      assert(width <= (look.width ?? 0), `${width} of ${look.width}`);
    }
  });
}

/** Whether an opened content can be read where its button was pressed. */
const LEGIBLE = `(() => {
  document.querySelector("#messages-table button")?.scrollIntoView({ block: "center", inline: "end" });
  const text = document.querySelector("td.content > pre");
  if (text === null || text.closest("tr").hidden) return true;
  const { left, right } = text.getBoundingClientRect();
  return left >= 0 && right <= innerWidth && right - left > innerWidth / 2 - 100;
})()`;

/** Texts whose contrast with what is behind them is below 4.5, by WCAG 2.2. */
const PALE = `(() => {
  const rgba = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (text) => rgba(text).slice(0, 3).map((byte) => byte / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, index) => sum + c * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = (element) => {
    const color = getComputedStyle(element).backgroundColor;
    return (rgba(color)[3] ?? 1) === 0 && element.parentElement ? behind(element.parentElement) : color;
  };
  const contrast = (element) => {
    const [less, more] = [light(getComputedStyle(element).color), light(behind(element))]
      .sort((a, b) => a - b);
    return (more + 0.05) / (less + 0.05);
  };
  const found = [...document.querySelectorAll("body, body *")].filter((element) =>
    [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== "") &&
    element.checkVisibility());
  return [found.length, found.filter((element) => contrast(element) < 4.5)
    .map((element) => element.outerHTML.slice(0, 80) + contrast(element))];
})()`;

itShows("has no pale text, light or dark, fresh or stale", busy, async (tab, stage) => {
  await tab.evaluate('document.querySelectorAll("details").forEach((d) => d.open = true)');
  const look = async () => {
    for (const scheme of ["light", "dark"] as const) {
      await tab.look({ scheme });
      const [texts, pale] = await tab.evaluate(PALE);
      assert(texts > 200, `${texts} texts`);
      assertEquals(pale, []);
    }
  };
  await look();
  stage.answer = () => new Response(null, { status: 500 });
  await tab.until('!document.querySelector("#gone").hidden');
  await look();
});

Deno.test("the browser holds the page to its policy", async () => {
  await using stage = new Stage(busy(Date.now()));
  await using tab = await Tab.open(stage.url);
  await tab.evaluate(`document.querySelector("h1").setAttribute("style", "color: red")`);
  await tab.evaluate(`document.body.append(Object.assign(new Image(), { src: "/x.png" }))`);
  await tab.evaluate(`document.querySelector("h1").setAttribute("onclick", "document.title = 1")`);
  await tab.evaluate(`fetch("http://127.0.0.1:1/").catch(() => {})`);
  await until(() => tab.complaints.length >= 4);
  assert(tab.complaints.every((each) => each.includes("Content Security Policy")));
});
