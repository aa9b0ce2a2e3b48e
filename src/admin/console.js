"use strict";

/** How often the server is asked, and how long it may take to answer, in ms. */
const INTERVAL_MS = 2000;
const PATIENCE_MS = 10_000;

/** What the charts cover, and how far apart two samples are at most that a line connects, in ms. */
const SPAN_MS = 15 * 60_000;
const GAP_MS = 15_000;

const DAY_MS = 24 * 3600_000;

/** Days before the end of a certificate from which on it is warned of. */
const WARNING_DAYS = 14;

/** For how long a restart is warned of, in ms. */
const RECENTLY_MS = 3600_000;

/** What is in use of a limit when it is warned of. */
const NEARLY = 0.9;

/** The size of a chart in its own units. */
const [WIDTH, HEIGHT] = [300, 100];

// Numbers and times as they are read.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const rough = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const calendar = new Intl.DateTimeFormat("sv-SE");

const number = (value) => whole.format(value);
const rate = (value) => value < 100 ? fine.format(value) : whole.format(value);
const of = (part, all, show = number) => `${show(part)} of ${show(all)}`;

/** A latency is the bound of a bucket; what is beyond the last bound counts as that one. */
const latency = (value) => value < 2500 ? `≤ ${rough.format(value)}` : "> 1,000";

function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(Math.floor(Math.log2(Math.max(value, 1)) / 10), units.length - 1);
  return `${rate(value / 1024 ** power)} ${units[power]}`;
}

function duration(ms) {
  const [s, min, h] = [1000, 60_000, 3600_000].map((unit) => Math.floor(ms / unit));
  if (h >= 48) return `${Math.floor(h / 24)} d ${h % 24} h`;
  if (h > 0) return `${h} h ${min % 60} min`;
  return min > 0 ? `${min} min ${s % 60} s` : `${s} s`;
}

const ago = (ms) => ms === null ? "never" : `${duration(ms)} ago`;

/** A time of today, or with its date. */
function moment(at, now) {
  const day = calendar.format(at);
  return (day === calendar.format(now) ? "" : `${day} `) + clock.format(at);
}

// What was collected: now.metrics has the samples of each family, as [labels, value].

/** The samples of a family that have these labels. */
function having({ metrics }, family, labels = {}) {
  const wanted = Object.entries(labels);
  return metrics[family].filter(([own]) => wanted.every(([label, text]) => own[label] === text));
}

/** Their sum, and `null` where there are none. */
function sum(now, family, labels) {
  const samples = having(now, family, labels);
  return samples.length === 0 ? null : samples.reduce((all, [, value]) => all + value, 0);
}

/** Their sums by another label, whose values are words of the program. */
function counts(now, family, labels, label = "reason") {
  const found = {};
  for (const [own, value] of having(now, family, labels)) {
    found[own[label]] = (found[own[label]] ?? 0) + value;
  }
  return found;
}

/** Shows what is invisible, or would turn around or hide what stands beside it. */
function visible(text) {
  const escape = (each) => `\\u{${each.codePointAt(0).toString(16)}}`;
  return text.replace(/(?!\n)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, escape);
}

// What is shown. A cell is a text, or { text, note, tone }.

const good = (text, note) => ({ text, note, tone: "ok" });
const warn = (text, note) => ({ text, note, tone: "warn" });
const bad = (text, note) => ({ text, note, tone: "bad" });
const some = (count, tone, note) => ({ text: number(count), note, tone: count > 0 ? tone : "" });

/** A line is its name, its value in a sample, and its value now where the samples' last is not all. */
const CHARTS = [
  {
    title: "Listeners",
    show: number,
    lines: [["", (sample) => sample.listeners, (now) => sum(now, "aphlict_listeners")]],
  },
  { title: "Messages in", unit: "/s", show: rate, lines: [["", (sample) => sample.messagesIn]] },
  { title: "Messages out", unit: "/s", show: rate, lines: [["", (sample) => sample.messagesOut]] },
  {
    title: "Delivery latency",
    unit: "ms",
    show: latency,
    lines: [["p50", (sample) => sample.latency50Ms], ["p99", (sample) => sample.latency99Ms]],
  },
  {
    title: "Backlog",
    show: bytes,
    lines: [["", (sample) => sample.backlogBytes, (now) => sum(now, "aphlict_backlog_bytes")]],
  },
  {
    title: "Event loop lag",
    unit: "ms",
    show: rate,
    lines: [["", (sample) => sample.lagMs, (now) => lagMs(now)]],
  },
];

// Why something was refused or has ended.

const BROWSERS = {
  origin: 'Their page is not of "origins"',
  address: "Their address had as many connections as it may have",
  connections: "There were as many connections as there may be",
  files: "The host allows no more open files",
  memory: "There was no memory for them, or they held the most of it",
  handshakes: "They were the slowest of too many that had sent no request",
  timeout: "They sent no whole request in time",
  tls: "TLS did not come about",
  malformed: "Their request opens no WebSocket",
};
const REQUESTS = {
  forbidden: '"allow" does not have their address',
  token: "They did not have the token",
  page: "A page in a browser has sent them",
  busy: "Too many messages were being received, or too much of them",
  large: "Their body was too long",
  invalid: "They were no messages",
  misdirected: "There is nothing there, or not for this method",
  slow: "Their body did not arrive in time",
  broken: "Their body did not arrive whole",
  stopping: "The server stopped, or changed its certificate",
  files: "The host allows no more open files",
  memory: "There was no memory for them, or they held the most of it",
  handshakes: "They were the slowest of too many connections",
  timeout: "They sent no whole request in time",
  tls: "TLS did not come about",
  malformed: "They were no HTTP requests",
};
const ENDS = {
  client: "The browser closed it",
  server: "This server closed it",
  lost: "It broke off",
  silent: "Nothing came any more, in spite of a ping",
  protocol: "The browser broke the protocol",
  encoding: "The browser sent text that is not UTF-8",
  size: "A message of the browser was too long",
  rate: "The browser sent too many bytes in a second",
  unfinished: "The browser did not finish a message in time",
  memory: "It held the most when memory was short, or there was none for it",
  failed: "A mistake of this server",
  commands: "The browser sent too many commands",
  backlog: "The browser read too slowly",
  instance: "The name of its instance was too long",
};
const COMMANDS = {
  invalid: "They are no commands",
  subscriptions: "They were for more topics, or longer ones, than there may be",
  memory: "There was no memory for their subscriptions",
  replay: "Messages were forgotten before it was their turn in a replay",
};

const REFUSED = {
  client: "aphlict_refused_connections_total",
  admin: "aphlict_refused_requests_total",
};

const STATES = { up: good, self: good, down: bad, unknown: warn };

/** A column is its heading, its cell, and its class. */
const TABLES = {
  servers: {
    caption: "What each holds now, and has turned away",
    rows: ({ now }) =>
      now.servers.map((server) => ({ ...server, now, at: { server: server.url } })),
    columns: [
      ["Server", ({ url, type }) => ({ text: url, note: type })],
      ["State", (server) => isListening(server) ? good("listening") : bad("not listening")],
      ["In use", inUse],
      ["In", ({ now, at }) => bytes(sum(now, "aphlict_received_bytes_total", at)), "number"],
      ["Out", ({ now, at }) => known(sum(now, "aphlict_sent_bytes_total", at), bytes), "number"],
      ["Certificate", (server) => server.certificate === null ? "none" : expiry(server)],
      ["Refused", ({ type, now, at }) => summed(counts(now, REFUSED[type], at)), "number"],
      [
        "Ended",
        ({ type, now, at }) =>
          type === "client" ? summed(counts(now, "aphlict_disconnects_total", at)) : "–",
        "number",
      ],
    ],
  },
  peers: {
    caption: "The servers that messages are passed on to",
    empty: "No peers are configured.",
    rows: ({ now }) => now.peers,
    columns: [
      ["Peer", ({ peer, fingerprint }) => ({ text: peer, note: fingerprint ?? "" })],
      ["State", ({ state }) => (STATES[state] ?? warn)(state)],
      ["Queued", ({ queued }) => some(queued, "warn"), "number"],
      ["Sent", ({ sent }) => number(sent), "number"],
      ["Failed", ({ failed }) => number(failed), "number"],
      ["Dropped", droppedOf, "number"],
      ["Last contact", (peer) => ago(peer["last.contact"])],
      [
        "Last failure",
        (peer) => ({ text: ago(peer["last.failure"]), note: peer["last.error"] ?? "" }),
      ],
    ],
  },
  messages: {
    caption: "The last 50, the newest first; opened ones stay",
    empty: "No message has been published yet.",
    rows: messagesOf,
    key: ({ key }) => key,
    columns: [
      ["Time", ({ at, now }) => moment(at, now)],
      ["Instance", ({ instance }) => instance],
      ["Type", ({ type }) => type || "–"],
      ["Subscribers", ({ subscribers }) => number(subscribers), "number"],
      ["Receivers", ({ receivers }) => number(receivers), "number"],
      ["Outcome", ({ outcome }) => outcome],
      ["Size", ({ bytes: size }) => bytes(size), "number"],
      ["Content", null],
    ],
    furnish: addContent,
  },
  refusedBrowsers: reasons("WebSockets refused to browsers", REFUSED.client, BROWSERS),
  refusedRequests: reasons("Requests refused by admin servers", REFUSED.admin, REQUESTS),
  ended: reasons("Connections of browsers that have ended", "aphlict_disconnects_total", ENDS),
  ignored: reasons(
    "Commands of browsers that were ignored",
    "aphlict_ignored_commands_total",
    COMMANDS,
  ),
  instances: {
    caption: "Those that something was published for, 100 at most",
    empty: "No instance has had a message yet.",
    // The sum of those that nothing was published for has no name.
    rows: ({ now }) => now.metrics.aphlict_listeners.filter(([own]) => own.phorge_instance !== ""),
    key: ([own]) => own.phorge_instance,
    columns: [
      ["Instance", ([own]) => own.phorge_instance],
      ["Listeners", ([, listeners]) => number(listeners), "number"],
    ],
  },
  metrics: {
    caption: "Everything that is measured, under the names of the metrics page",
    rows: ({ now }) =>
      Object.entries(now.metrics).flatMap(([name, samples]) =>
        samples.map(([labels, value]) => ({ name, labels: Object.entries(labels), value }))
      ),
    key: ({ name, labels }) => JSON.stringify([name, labels]),
    columns: [
      ["Metric", ({ name }) => name],
      ["Labels", ({ labels }) => labels.map((pair) => pair.join("=")).join(", ") || "–"],
      ["Value", ({ value }) => measured(value), "number"],
    ],
  },
};

const FACTS = [
  ["Aphlict", ({ version }) => version],
  ["Deno", ({ deno }) => deno],
  ["Fingerprint", ({ fingerprint }) => fingerprint],
  ["Up for", ({ uptimeMs }) => duration(uptimeMs)],
  ["Restarts", (now) => {
    const restarts = sum(now, "aphlict_restarts_total");
    return restarts === null ? "no supervisor" : some(restarts, "warn");
  }],
  ["Held for browsers and Phorge", (now) => ({
    text: of(...memoryOf(now), bytes),
    note: listed(byAccount(now, "aphlict_memory_bytes"), bytes),
  })],
  ["Refused for want of memory", (now) => summed(byAccount(now, "aphlict_memory_refused_total"))],
  ["Ended for want of memory", (now) => summed(byAccount(now, "aphlict_memory_evicted_total"))],
  ["Memory of the host", (now) => known(sum(now, "aphlict_memory_granted_bytes"), bytes)],
  ["Heap", (now) => of(...heapOf(now), bytes)],
  ["Outside the heap", (now) => bytes(sum(now, "aphlict_external_bytes"))],
  ["Resident", (now) => bytes(sum(now, "process_resident_memory_bytes"))],
  ["Event loop lag", (now) => `${rate(lagMs(now))} ms`],
  ["Open files allowed", (now) => known(sum(now, "process_max_fds"))],
  ["Subscriptions", (now) => number(sum(now, "aphlict_subscriptions"))],
  ["Messages", (now) => summed(counts(now, "aphlict_messages_total", {}, "outcome"))],
  [
    "Messages remembered",
    (now) =>
      some(sum(now, "aphlict_history_messages"), "", bytes(sum(now, "aphlict_history_bytes"))),
  ],
  [
    "Log lines left out",
    (now) => some(sum(now, "aphlict_log_left_out_total"), "warn", "too many of a kind"),
  ],
  [
    "Log lines lost",
    (now) => some(sum(now, "aphlict_log_lost_total"), "bad", "not written to a file"),
  ],
];

const known = (value, show = number) => value === null ? "–" : show(value);
const lagMs = (now) => 1000 * sum(now, "aphlict_event_loop_lag_seconds");
const heapOf = (now) => [sum(now, "aphlict_heap_bytes"), sum(now, "aphlict_heap_limit_bytes")];
const memoryOf = (now) => [
  sum(now, "aphlict_memory_bytes"),
  sum(now, "aphlict_memory_limit_bytes"),
];
const byAccount = (now, family) => counts(now, family, {}, "account");
const isListening = ({ now, at }) => sum(now, "aphlict_server_listening", at) > 0;
const isNearly = ([part, all]) => part > NEARLY * all;

/** A number, or of a histogram how many values it has and what they come to. */
function measured(value) {
  if (typeof value === "number") return String(value);
  const count = value.counts.reduce((all, each) => all + each, 0);
  return { text: number(count), note: count > 0 ? `mean ${rough.format(value.sum / count)}` : "" };
}

/** What an administrator should look after. The texts stay the same while the problem does. */
function problemsOf(data) {
  const { now } = data;
  const found = [];
  if (sum(now, "aphlict_ready") === 0) found.push(bad("The service is not ready"));
  for (const server of TABLES.servers.rows(data)) {
    const { url, at } = server;
    if (!isListening(server)) found.push(bad(`${url} is not listening`));
    const limit = sum(now, "aphlict_connections_limit", at);
    if (limit !== null && isNearly([sum(now, "aphlict_connections", at), limit])) {
      found.push(warn(`${url} has hardly any connection left`));
    }
    if (server.certificate !== null) {
      const { text, tone } = expiry(server);
      if (tone !== "ok") found.push({ text: `The certificate of ${url} ${text}`, tone });
    }
  }
  for (const { peer, state, "last.error": error } of now.peers) {
    if (state === "down") found.push(bad(`Peer ${peer} is down`, error ?? ""));
  }
  if (isNearly(memoryOf(now))) {
    found.push(warn("Hardly any memory is left for browsers", '"limit.memory" bounds it'));
  }
  if (isNearly(heapOf(now))) found.push(warn("The heap is nearly full"));
  const held = sum(now, "aphlict_files_connections_limit");
  const wanted = sum(now, "aphlict_connections_limit");
  if (held !== null && held < wanted) {
    found.push(warn(`The host's open files are enough for ${of(held, wanted)} connections`));
  }
  const restarts = sum(now, "aphlict_restarts_total");
  if (restarts > 0 && now.uptimeMs < RECENTLY_MS) {
    const often = restarts === 1 ? "once" : `${number(restarts)} times`;
    found.push(warn(`The service has ended by itself ${often}, and is up for less than an hour`));
  }
  const defects = sum(now, "aphlict_internal_errors_total");
  if (defects > 0) {
    const note = `${number(defects)}; the log has them: please report them`;
    found.push(bad("Aphlict has met internal errors", note));
  }
  if (sum(now, "aphlict_log_lost_total") > 0) found.push(bad("Log lines could not be written"));
  return found.length > 0 ? found : [good("Nothing needs looking after")];
}

function expiry({ certificate, now, at }) {
  const expires = 1000 * sum(now, "aphlict_certificate_expiry_timestamp_seconds", at);
  const days = Math.floor((expires - now.at) / DAY_MS);
  const note = `${calendar.format(expires)}, ${certificate}`;
  if (expires <= now.at) return bad("has expired", note);
  const text = `expires in ${number(days)} ${days === 1 ? "day" : "days"}`;
  return days < WARNING_DAYS ? warn(text, note) : good(text, note);
}

function inUse({ type, now, at }) {
  const [used, limit, note] = type === "client"
    ? ["aphlict_connections", "aphlict_connections_limit", "connections"]
    : ["aphlict_requests", "aphlict_requests_limit", "messages"];
  return { text: of(sum(now, used, at), sum(now, limit, at)), note };
}

function droppedOf(peer) {
  const kinds = ["full", "old", "refused"].map((kind) => [kind, peer[`dropped.${kind}`]]);
  return { ...summed(Object.fromEntries(kinds)), tone: peer.dropped > 0 ? "warn" : "" };
}

/** How many there are, and of which kinds. */
function summed(found) {
  const all = Object.values(found).reduce((total, count) => total + count, 0);
  return { text: number(all), note: all > 0 ? listed(found) : "" };
}

/** Those that have happened, as `reason 3, other 1`. */
function listed(found, show = number) {
  const happened = Object.entries(found).filter(([, count]) => count > 0);
  return happened.map(([kind, count]) => `${kind} ${show(count)}`).join(", ") || "–";
}

/** A table of what has happened on all servers, by reason. */
function reasons(caption, family, meanings) {
  return {
    caption,
    empty: `${caption}: none.`,
    rows: ({ now }) =>
      Object.entries(counts(now, family)).map(([kind, count]) => ({ kind, count }))
        .filter(({ count }) => count > 0),
    key: ({ kind }) => kind,
    columns: [
      ["Reason", ({ kind }) => ({ text: kind, note: meanings[kind] ?? "" })],
      ["Count", ({ count }) => number(count), "number"],
    ],
  };
}

let isHeld = false;
let listing = [];

/** Messages whose content is shown, by key. They stay when newer ones come. */
const opened = new Map();

function messagesOf({ now, messages }) {
  if (!isHeld) {
    // Numbers of messages are those of no other process.
    listing = messages.map((note) => ({ ...note, key: String(note.id), now: now.at }));
  }
  const keys = new Set(listing.map(({ key }) => key));
  return [...listing, ...[...opened.values()].filter(({ key }) => !keys.has(key))];
}

// How it gets there: what is on the page stays, and only its text changes.

const element = (id) => document.getElementById(id);

function complete(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const make = (name, attributes = {}, ...children) =>
  complete(document.createElement(name), attributes, children);
const draw = (name, attributes, ...children) =>
  complete(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

/** Sets a text, and leaves it alone when it is the same: it may be selected. */
function put(node, text) {
  if (node.firstChild === null) node.append(text);
  else if (node.firstChild.data !== text) node.firstChild.data = text;
}

/** Fills what has been made by `blank`. */
function fill(cell, content) {
  const { text, note = "", tone = "" } = typeof content === "string" ? { text: content } : content;
  const [main, small] = cell.children;
  put(main, visible(text));
  put(small, visible(note));
  small.hidden = note === "";
  cell.dataset.tone = tone;
}

const blank = (name, attributes) =>
  make(name, attributes, make("bdi"), make("small", { hidden: "" }));

/** Gives `parent` one child for each item. Those that stay are neither made anew nor moved. */
function keep(parent, items, keyOf, create, update) {
  const wanted = new Map(items.map((item, index) => [String(keyOf(item, index)), item]));
  const present = new Map();
  for (const child of parent.querySelectorAll(":scope > [data-key]")) {
    if (wanted.has(child.dataset.key)) present.set(child.dataset.key, child);
    else remove(child);
  }
  let [next = null] = present.values();
  for (const [key, item] of wanted) {
    const child = present.get(key) ?? create(item);
    child.dataset.key = key;
    if (child === next) next = child.nextElementSibling;
    else parent.insertBefore(child, next);
    update(child, item);
  }
}

/** Whoever was in it goes on from the box around it. */
function remove(child) {
  if (child.contains(document.activeElement)) child.closest(".scroll, main").focus();
  child.remove();
}

/** Makes a table in a box, and returns what updates it. */
function tableIn(box, { caption, empty = "", rows, key = (_, index) => index, columns, furnish }) {
  const heads = columns.map(([head, , kind = ""]) =>
    make("th", { scope: "col", class: kind }, head)
  );
  const head = make("thead", {}, make("tr", {}, ...heads));
  const table = make("table", {}, make("caption", {}, caption), head);
  const region = { class: "scroll", tabindex: "0", role: "region", "aria-label": caption };
  const scroll = make("div", region, table);
  const nothing = make("p", { class: "card muted" }, empty);
  box.append(scroll, nothing);
  const create = (item) => {
    const cells = columns.map(([, , kind = ""], index) =>
      index === 0 ? blank("th", { scope: "row", class: kind }) : blank("td", { class: kind })
    );
    const row = make("tbody", {}, make("tr", {}, ...cells));
    furnish?.(row, item);
    return row;
  };
  const update = (row, item) => {
    for (const [index, [, cellOf]] of columns.entries()) {
      if (cellOf !== null) fill(row.rows[0].cells[index], cellOf(item));
    }
  };
  return (data) => {
    const items = rows(data);
    scroll.hidden = items.length === 0;
    nothing.hidden = items.length > 0;
    keep(table, items, key, create, update);
  };
}

/** Makes a chart, and returns what updates it. */
function chartIn(box, { title, unit = "", show, lines }) {
  const format = (value) => value === null ? "–" : show(value);
  const kind = (index) => ({ class: index === 0 ? "first" : "second" });
  const area = draw("path", { class: "area" });
  const paths = lines.map((_, index) => draw("path", kind(index)));
  const frame = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" };
  const picture = draw("svg", frame, area, ...paths);
  const values = lines.map(() => make("b"));
  const legend = lines.map(([name], index) =>
    make("p", kind(index), `${name} `, values[index], ` ${unit}`)
  );
  const range = make("span");
  box.append(make(
    "figure",
    { class: "card" },
    make("h3", {}, title),
    make("div", { class: "values" }, ...legend),
    picture,
    make("figcaption", {}, make("span", {}, "15 min ago"), range, make("span", {}, "now")),
  ));
  return ({ now, samples }) => {
    const series = lines.map(([, of, current]) => [
      ...samples.map((sample) => ({ at: sample.at, value: of(sample) })),
      ...current ? [{ at: now.at, value: current(now) }] : [],
    ]);
    const known = series.flat().map(({ value }) => value).filter((value) => value !== null);
    const [least, most] = [Math.min(...known), Math.max(...known)];
    const place = ({ at, value }) => [
      ((1 - (now.at - at) / SPAN_MS) * WIDTH).toFixed(1),
      ((1 - value / (most > 0 ? most : 1)) * HEIGHT).toFixed(1),
    ];
    for (const [index, points] of series.entries()) {
      const pieces = piecesOf(points).map((piece) => piece.map(place));
      // Without the last step, a single point would not be seen.
      paths[index].setAttribute("d", pieces.map((piece) => `M${piece.join("L")}h0`).join(""));
      if (lines.length === 1) area.setAttribute("d", pieces.map(areaBelow).join(""));
      put(values[index], format(points.at(-1)?.value ?? null));
    }
    put(range, known.length > 0 ? `min ${show(least)}, max ${show(most)}` : "no values yet");
    const current = legend.map(({ textContent }) => textContent).join(", ");
    const text = `${title} in the last 15 minutes: now ${current}; ${range.textContent}`;
    picture.setAttribute("aria-label", text);
  };
}

const areaBelow = (piece) => `M${piece[0][0]} ${HEIGHT}L${piece.join("L")}V${HEIGHT}Z`;

/** Cuts a line where values are missing. */
function piecesOf(points) {
  const pieces = [];
  let before = null;
  for (const point of points) {
    if (point.value !== null) {
      if (before === null || point.at - before > GAP_MS) pieces.push([]);
      pieces.at(-1).push(point);
    }
    before = point.value === null ? null : point.at;
  }
  return pieces;
}

function factsIn(box) {
  const cells = FACTS.map(([label]) => {
    const cell = blank("dd");
    box.append(make("div", {}, make("dt", {}, label), cell));
    return cell;
  });
  return ({ now }) => {
    for (const [index, [, cellOf]] of FACTS.entries()) fill(cells[index], cellOf(now));
  };
}

function problemsIn(list) {
  return (data) => keep(list, problemsOf(data), ({ text }) => text, () => blank("li"), fill);
}

function configurationIn({ path, settings, flags }) {
  return ({ configuration }) => {
    put(path, visible(configuration.path));
    put(settings, visible(JSON.stringify(configuration.settings, null, 2)));
    put(flags, visible(configuration.flags));
  };
}

function linksIn(nav) {
  for (const { id, textContent } of document.querySelectorAll("main h2")) {
    nav.append(make("a", { href: `#${id}` }, textContent));
  }
}

/** Says something that is heard, too. */
const announce = (text) => put(element("news"), text);

// The content of a message, for whoever asks for it.

const FORGOTTEN =
  "It is not kept: it is longer than 16 KiB, there are 50 newer ones, or the process that " +
  "had it is gone.";

/** What the server asks for; nowhere but here. */
let token = null;

function addContent(row, note) {
  const id = `content-${note.key}`;
  const about = `Content of ${visible(note.type) || "message"} at ${clock.format(note.at)}`;
  const state = { "aria-expanded": "false", "aria-controls": id, "aria-label": about };
  const button = make("button", state, "Content");
  const text = make("pre", { role: "region", "aria-label": about });
  const place = make("td", { colspan: TABLES.messages.columns.length, class: "content" }, text);
  const below = make("tr", { id, hidden: "" }, place);
  row.rows[0].lastElementChild.replaceChildren(button);
  row.append(below);
  let isLoaded = false;
  button.addEventListener("click", async () => {
    below.hidden = !below.hidden;
    button.setAttribute("aria-expanded", String(!below.hidden));
    if (below.hidden) return opened.delete(note.key);
    opened.set(note.key, note);
    if (isLoaded) return;
    put(text, "…");
    try {
      put(text, visible(await contentOf(note)));
      isLoaded = true;
    } catch ({ message }) {
      put(text, message);
      announce(message);
    }
  });
}

/** Throws with what to tell when it is not to be had. */
async function contentOf({ id }) {
  for (;;) {
    const headers = token === null ? {} : { authorization: `Bearer ${token}` };
    const response = await get(`message/?id=${id}`, headers);
    if (response.ok) return indented(await response.text());
    if (response.status === 404) throw new Error(FORGOTTEN);
    if (response.status !== 401) throw await problemOf(response);
    token = await askForToken(token === null ? "" : "This is not the token that the server has.");
    if (token === null) throw new Error("It is shown to whoever has the server's token.");
  }
}

/** The same JSON on several lines, unless something in it would be another thing then, as a large number. */
function indented(json) {
  const value = JSON.parse(json);
  return JSON.stringify(value) === json ? JSON.stringify(value, null, 2) : json;
}

/** Resolves to `null` when the reader has none. */
function askForToken(problem) {
  const dialog = document.querySelector("dialog");
  const input = element("token");
  put(element("wrong"), problem);
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      resolve(dialog.returnValue === "go" ? input.value : null);
      input.value = "";
    }, { once: true });
  });
}

// Asking the server, again and again.

async function get(path, headers = {}) {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  try {
    return await fetch(path, { headers, cache: "no-store", signal });
  } catch ({ name }) {
    const what = name === "TimeoutError" ? "does not answer in time" : "cannot be reached";
    throw new Error(`The server ${what}.`);
  }
}

async function problemOf(response) {
  const { error } = await response.json().catch(() => ({ error: "" }));
  return new Error(`The server answers with ${response.status}. ${visible(String(error))}`);
}

const updates = [
  problemsIn(element("problems")),
  ...CHARTS.map((chart) => chartIn(element("charts"), chart)),
  ...Object.entries(TABLES).map(([name, table]) => tableIn(element(`${name}-table`), table)),
  factsIn(element("facts")),
  configurationIn({
    path: element("path"),
    settings: element("settings"),
    flags: element("flags"),
  }),
];

/** The last that was heard of the service, and since when nothing was. */
let heard = null;
let goneSince = null;
let isAsking = false;
let timer;

function show(data) {
  for (const update of updates) update(data);
  const { now } = data;
  const isOther = heard !== null && heard.fingerprint !== now.fingerprint;
  const since = clock.format(Date.now());
  if (isOther) announce(`Another process answers since ${since}: it counts from the beginning.`);
  else if (goneSince !== null) announce(`The server answers since ${since}.`);
  heard = now;
  goneSince = null;
  put(element("updated"), `As of ${clock.format(now.at)}`);
  mark(sum(now, "aphlict_ready") > 0 ? good("Ready") : bad("Not ready"), "");
}

function miss(problem) {
  goneSince ??= Date.now();
  const shown = heard === null ? "" : ` What is shown is from ${moment(heard.at, Date.now())}.`;
  const retry = "The page tries again every two seconds.";
  mark(
    bad("No answer"),
    `${problem} It has been so since ${clock.format(goneSince)}.${shown} ${retry}`,
  );
}

function mark({ text, tone }, alarm) {
  document.body.classList.toggle("stale", alarm !== "");
  document.title = `${text} – Aphlict at ${location.host}`;
  put(element("state"), text);
  element("state").dataset.tone = tone;
  element("gone").hidden = alarm === "";
  put(element("gone"), alarm);
}

async function ask() {
  if (isAsking || document.hidden) return;
  isAsking = true;
  try {
    const response = await get("data/");
    if (!response.ok) throw await problemOf(response);
    await response.json().then(show).catch(() => {
      throw new Error("The server's answer cannot be understood.");
    });
  } catch ({ message }) {
    miss(message);
  }
  isAsking = false;
  timer = setTimeout(ask, INTERVAL_MS);
}

// Nothing is asked for a page that nobody sees.
document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  ask();
});
element("hold").addEventListener("click", ({ currentTarget }) => {
  isHeld = !isHeld;
  currentTarget.setAttribute("aria-pressed", String(isHeld));
});
linksIn(document.querySelector("nav"));
ask();
