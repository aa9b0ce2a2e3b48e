/**
 * What a test does on another host, as a program of its own: a browser, or Phorge, of the service
 * that runs there.
 *
 * - `visitor.ts listen`: subscribes, says so, and prints `N MS` for each message: its number, and when
 *   it came; `Closed CODE` at the connection's end.
 * - `visitor.ts publish FROM TO`: publishes these numbers one after the other, and prints when it began.
 * - `visitor.ts meet`: says so when the service has reached all its peers.
 *
 * @module
 */

import { Browser } from "../acceptance/browser.ts";
import { publish, status } from "../acceptance/server.ts";

/** Where the services listen for those on their own host. */
export const CLIENT_PORT = 22_280;
export const ADMIN_PORT = 22_281;

const TOPIC = "PHID-USER-a";

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

async function listen(): Promise<never> {
  await using browser = await Browser.open(CLIENT_PORT, { topics: [TOPIC] });
  void browser.closed.then(({ code }) => {
    say(`Closed ${code}`);
    Deno.exit();
  });
  say("Listening");
  for (;;) {
    const { n } = JSON.parse(await browser.next());
    say(`${n} ${Date.now()}`);
  }
}

async function publishAll(from: number, to: number): Promise<void> {
  const began = Date.now();
  for (let n = from; n <= to; n++) {
    await publish(ADMIN_PORT, {
      subscribers: [TOPIC],
      n,
      uniqueID: `u${n}`,
      text: "é".repeat(100),
    });
  }
  say(`Began ${began}`);
}

async function meet(): Promise<void> {
  for (;;) {
    const peers = (await status(ADMIN_PORT))["cluster"] as readonly { readonly state: string }[];
    if (peers.every(({ state }) => state === "up" || state === "self")) return say("Met");
    // Each look costs the service something, and there are three at a time.
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

if (import.meta.main) {
  const [step, from, to] = Deno.args;
  if (step === "listen") await listen();
  else if (step === "publish") await publishAll(Number(from), Number(to));
  else await meet();
}
