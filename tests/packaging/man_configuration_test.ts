import {
  ADMIN_KEYS,
  CLIENT_KEYS,
  configurationManPage,
  type Keys,
  LOG_KEYS,
  PEER_KEYS,
  SERVER_KEYS,
  TOP_KEYS,
} from "../../packaging/man_configuration.ts";
import { ConfigError } from "../../src/config/error.ts";
import { validate } from "../../src/config/validate.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../assert.ts";
import { ROOT } from "../acceptance/program.ts";

/** A key that is like no other, so that all that are known are told. */
const UNKNOWN = "qqqqqqqqqqqqqqqq";

/** The keys that the validator knows, by the place of the object that has them. */
function knownKeys(): Record<string, string[]> {
  const entry = { [UNKNOWN]: 1 };
  try {
    validate("x.json", { ...entry, servers: [entry], logs: [entry], cluster: [entry] });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return Object.fromEntries(
      error.problems.filter(({ path }) => path.endsWith(UNKNOWN)).map(({ path, message }) => [
        path.replace(UNKNOWN, ""),
        /one of: (.*)\.$/.exec(message)?.[1]?.split(", ").toSorted() ?? [],
      ]),
    );
  }
  throw new Error("It was accepted");
}

function names(...all: readonly Keys[]): string[] {
  return all.flatMap((keys) => Object.keys(keys)).toSorted();
}

Deno.test("aphlict.json(5) has every key that the validator knows, and no other", () => {
  assertEquals(knownKeys(), {
    "": names(TOP_KEYS),
    "servers[0].": names(SERVER_KEYS, CLIENT_KEYS, ADMIN_KEYS),
    "logs[0].": names(LOG_KEYS),
    "cluster[0].": names(PEER_KEYS),
  });
});

Deno.test("aphlict.json(5) names as required what the validator misses", () => {
  const required = (keys: Keys) =>
    Object.entries(keys).filter(([, what]) => what.startsWith("Required.")).map(([name]) => name);
  try {
    validate("x.json", { servers: [{}], logs: [{}], cluster: [{}] });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const missing = error.problems.filter(({ message }) => message.startsWith("The key is missing"))
      .map(({ path }) => path);
    assertEquals(
      missing.toSorted(),
      [
        ...required(TOP_KEYS).filter((name) => name !== "servers"),
        ...required(SERVER_KEYS).map((name) => `servers[0].${name}`),
        ...required(LOG_KEYS).map((name) => `logs[0].${name}`),
        ...required(PEER_KEYS).map((name) => `cluster[0].${name}`),
      ].toSorted(),
    );
  }
  assertEquals(required(TOP_KEYS), ["servers", "pidfile"]);
});

Deno.test("aphlict.json(5) shows the example as it is, in ASCII", () => {
  const example = Deno.readTextFileSync(`${ROOT}conf/examples/aphlict.json`);
  const page = configurationManPage("1.2.3", example);
  assertMatch(page, /^\.TH APHLICT\.JSON 5 "" "Aphlict on Deno 1\.2\.3" "File Formats"/);
  assertMatch(page, /^[\n\x20-\x7e]*$/);
  assertStringIncludes(page, "\\(dqpidfile\\(dq: \\(dq/run/aphlict/aphlict.pid\\(dq,");
  assert(Object.keys(TOP_KEYS).every((name) => page.includes(`\\fB${name}\\fR`)));
});
