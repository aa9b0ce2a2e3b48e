/**
 * A tab of Debian's Chromium under the control of a test, by the DevTools protocol:
 * https://chromedevtools.github.io/devtools-protocol/
 *
 * @module
 */

import type { Process } from "../acceptance/process.ts";
import { until } from "../acceptance/until.ts";
import { Folder } from "../folder.ts";
import { startChromium } from "./site.ts";

/** What the protocol sends: the answer to a command, or an event. */
interface Frame {
  readonly id?: number;
  readonly method?: string;
  // deno-lint-ignore no-explicit-any -- each method has parameters of its own
  readonly params?: any;
  // deno-lint-ignore no-explicit-any -- and results
  readonly result?: any;
  readonly error?: { readonly message: string };
}

/** How a tab is looked at. */
export interface Looks {
  /** In CSS pixels. */
  readonly width?: number;
  readonly height?: number;
  readonly scheme?: "light" | "dark";
}

/** See the module. Dispose of it: the browser is ended. */
export class Tab implements AsyncDisposable {
  /** The URLs that were asked for. */
  readonly requests: string[] = [];
  /** What the console would show in red: exceptions, violations of the CSP, `console.error()`. */
  readonly complaints: string[] = [];
  readonly #folder: Folder;
  readonly #process: Process;
  readonly #socket: WebSocket;
  readonly #answers = new Map<number, (frame: Frame) => void>();
  #lastId = 0;
  #passed = () => {};

  private constructor(folder: Folder, process: Process, socket: WebSocket) {
    this.#folder = folder;
    this.#process = process;
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
  }

  /** Opens a page, and waits until it is loaded. */
  static async open(url: string, looks: Looks = {}): Promise<Tab> {
    const folder = new Folder();
    const process = startChromium(folder, "--remote-debugging-port=0", "about:blank");
    try {
      const line = await process.line(/^DevTools listening on /);
      const { host } = new URL(line.slice(line.indexOf("ws://")));
      const tab = new Tab(folder, process, await connect(await addressOf(host)));
      for (const domain of ["Page", "Runtime", "Log", "Network"]) {
        await tab.send(`${domain}.enable`);
      }
      await tab.look(looks);
      await tab.send("Page.navigate", { url });
      await tab.until('document.readyState === "complete"');
      return tab;
    } catch (error) {
      await end(process, folder);
      throw error;
    }
  }

  /** Sends a command, and resolves with its result. */
  // deno-lint-ignore no-explicit-any -- see Frame
  async send(method: string, params: Record<string, unknown> = {}): Promise<any> {
    const id = ++this.#lastId;
    const answer = Promise.withResolvers<Frame>();
    this.#answers.set(id, answer.resolve);
    this.#socket.send(JSON.stringify({ id, method, params }));
    const { result, error } = await answer.promise;
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  /** The value of an expression in the page. */
  // deno-lint-ignore no-explicit-any -- whatever it is
  async evaluate(expression: string): Promise<any> {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails) throw new Error(`${expression}: ${result.description}`);
    return result.value;
  }

  /** Resolves when an expression is true in the page. */
  async until(expression: string): Promise<void> {
    try {
      await until(async () => await this.evaluate(`Boolean(${expression})`));
    } catch (error) {
      throw new Error(`In vain: ${expression}`, { cause: error });
    }
  }

  /** Lets the page's clocks run ahead; they stand still from then on. */
  async pass(ms: number): Promise<void> {
    const passed = Promise.withResolvers<void>();
    this.#passed = passed.resolve;
    await this.send("Emulation.setVirtualTimePolicy", { policy: "advance", budget: ms });
    await passed.promise;
  }

  /** Changes how it is looked at. */
  async look({ width = 1280, height = 900, scheme = "light" }: Looks): Promise<void> {
    await this.send("Emulation.setDeviceMetricsOverride", {
      width,
      height,
      deviceScaleFactor: 1,
      mobile: width < 600,
    });
    const features = [{ name: "prefers-color-scheme", value: scheme }];
    await this.send("Emulation.setEmulatedMedia", { features });
  }

  /** Presses a key, and lets it go. */
  async press(key: "Tab" | "Enter" | "Escape"): Promise<void> {
    const codes = { Tab: 9, Enter: 13, Escape: 27 };
    const event = { key, code: key, windowsVirtualKeyCode: codes[key] };
    const text = key === "Enter" ? { text: "\r" } : {};
    await this.send("Input.dispatchKeyEvent", { type: "keyDown", ...event, ...text });
    await this.send("Input.dispatchKeyEvent", { type: "keyUp", ...event });
  }

  /** Types a text into what has the focus. */
  async type(text: string): Promise<void> {
    await this.send("Input.insertText", { text });
  }

  /** What is in sight, as PNG. */
  async picture(): Promise<Uint8Array> {
    const { data } = await this.send("Page.captureScreenshot", { format: "png" });
    return Uint8Array.fromBase64(data);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await end(this.#process, this.#folder);
  }

  #hear({ id, method, params, result, error }: Frame): void {
    if (id !== undefined) {
      this.#answers.get(id)?.({ result, ...error ? { error } : {} });
      this.#answers.delete(id);
    }
    switch (method) {
      case "Emulation.virtualTimeBudgetExpired":
        this.#passed();
        break;
      case "Network.requestWillBeSent":
        this.requests.push(params.request.url);
        break;
      case "Runtime.exceptionThrown":
        this.complaints.push(params.exceptionDetails.exception?.description ?? "An exception");
        break;
      case "Runtime.consoleAPICalled":
        if (params.type === "error") this.complaints.push(JSON.stringify(params.args));
        break;
      case "Log.entryAdded":
        // A server that cannot be reached, or says no, is not the page's fault.
        if (params.entry.level === "error" && params.entry.source !== "network") {
          this.complaints.push(params.entry.text);
        }
        break;
    }
  }
}

/** Where the browser's first tab listens. */
async function addressOf(host: string): Promise<string> {
  for (;;) {
    const response = await fetch(`http://${host}/json/list`);
    const targets: { readonly type: string; readonly webSocketDebuggerUrl: string }[] =
      await response.json();
    const page = targets.find(({ type }) => type === "page");
    if (page !== undefined) return page.webSocketDebuggerUrl;
  }
}

async function connect(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error(`${url} does not open`));
  });
  return socket;
}

async function end(process: Process, folder: Folder): Promise<void> {
  process.kill("SIGTERM");
  await process.ended();
  folder[Symbol.dispose]();
}
