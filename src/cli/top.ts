/**
 * `aphlict top`.
 *
 * @module
 */

import { setTimeout as pause } from "node:timers/promises";
import type { ConsoleData } from "../admin/console.ts";
import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { formatTime } from "../log/format.ts";
import { secondsIn } from "./args.ts";
import { type Command, CONFIG_OPTION, configPath, EXIT, PROBE_PERMISSIONS } from "./command.ts";
import { requestConsole } from "./service_data.ts";
import { dashboard, fit, type Room } from "./dashboard.ts";
import { NoAnswerError } from "./admin.ts";
import { wrap } from "./help.ts";
import { print, printError } from "./output.ts";
import { Terminal, terminalRoom } from "./terminal.ts";

/** The interval at which the service is asked, in seconds. */
const INTERVAL = 2;

/** The help on the keys. */
const KEYS = "q quits, as Ctrl-C does.";

/** Shows the status of the service, again and again. */
export const top: Command = {
  verb: "top",
  synopsis: "Show what the service does, again and again, in the terminal.",
  details:
    "Asks the first admin server that answers: browsers, messages in a second, latency, what waits, peers, what was " +
    "refused, the process, and the last messages, never with their content. Rates and latency are those " +
    "of the last 5 seconds. q or Ctrl-C ends it. When the service is gone it says so, and goes on " +
    "trying. Without a terminal it prints one screen, as with --once.",
  options: [
    CONFIG_OPTION,
    {
      name: "interval",
      value: "SECONDS",
      help: `How often to ask, from 0.2 to 3600. Default: ${INTERVAL}.`,
    },
    { name: "once", help: "Print one screen and end: with 1 when there is no service to ask." },
  ],
  permissions: PROBE_PERMISSIONS,
  async run(invocation) {
    const { options } = invocation;
    const intervalMs = secondsIn(options, "interval", 0.2, 3600) ?? INTERVAL * 1000;
    const config = loadConfig(configPath(invocation));
    return options.has("once") || !Deno.stdout.isTerminal()
      ? await printOnce(config)
      : await watch(config, intervalMs);
  },
};

async function printOnce(config: Config): Promise<number> {
  try {
    const width = Deno.stdout.isTerminal() ? terminalRoom().width : Infinity;
    print(dashboard(await requestConsole(config), { width, height: Infinity }));
    return EXIT.done;
  } catch (error) {
    if (!(error instanceof NoAnswerError)) throw error;
    printError(error.explanation);
    return EXIT.failed;
  }
}

/** Shows the dashboard until a key or a signal ends it. */
async function watch(config: Config, intervalMs: number): Promise<number> {
  using terminal = new Terminal();
  const ended = Promise.withResolvers<"ended">();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => ended.resolve("ended"));
  }
  void terminal.quit().then(() => ended.resolve("ended"));
  let screen: Screen = { data: null, error: null };
  const draw = () => terminal.draw(linesOf(screen, intervalMs, terminalRoom()));
  Deno.addSignalListener("SIGWINCH", draw);
  for (;;) {
    const looking = look(config, screen);
    const seen = await Promise.race([looking, ended.promise]);
    if (seen === "ended") return EXIT.done;
    screen = seen;
    draw();
    if (await Promise.race([pause(intervalMs), ended.promise]) === "ended") return EXIT.done;
  }
}

/** The content of the screen. */
interface Screen {
  /** The last data of the service; `null` before the first. */
  readonly data: ConsoleData | null;
  /** The reason why the service does not answer now; `null` when it does. */
  readonly error: NoAnswerError | null;
}

async function look(config: Config, { data }: Screen): Promise<Screen> {
  try {
    return { data: await requestConsole(config), error: null };
  } catch (error) {
    if (!(error instanceof NoAnswerError)) throw error;
    return { data, error };
  }
}

function linesOf(
  { data, error }: Screen,
  intervalMs: number,
  room: Room,
): string[] {
  if (error === null) return data === null ? [] : withKeys(data, room);
  return [
    `The service ${error.hasTimedOut ? "is silent" : "is gone"}: ${error.message}`,
    ...error.hint === "" ? [] : [error.hint],
    `Trying again each ${intervalMs / 1000} s. ${KEYS}`,
    "",
    ...data === null ? [] : [`It was last seen at ${formatTime(new Date(data.now.at))}.`],
  ].flatMap((line) => wrap(line, "", room.width));
}

/** Returns the dashboard, and in the last line of the screen the key that ends it. */
function withKeys(data: ConsoleData, { width, height }: Room): string[] {
  const lines = dashboard(data, { width, height: height - 1 });
  const gap = Array.from({ length: Math.max(0, height - 1 - lines.length) }, () => "");
  return [...lines, ...gap, fit(KEYS, width)];
}
