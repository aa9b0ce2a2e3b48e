/**
 * The metrics page in the eyes of Prometheus' own checker.
 */

import { assertEquals } from "../assert.ts";
import { Browser } from "../acceptance/browser.ts";
import { peerAt, publish, run } from "../acceptance/server.ts";
import { Folder } from "../folder.ts";
import { ROOT } from "../acceptance/program.ts";
import { until } from "../acceptance/until.ts";

const EXAMPLES = `${ROOT}conf/examples/prometheus`;

/** What `promtool check metrics` says of a text. */
async function check(metrics: string): Promise<{ readonly code: number; readonly said: string }> {
  const process = new Deno.Command("promtool", {
    args: ["check", "metrics"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = process.stdin.getWriter();
  await writer.write(new TextEncoder().encode(metrics));
  await writer.close();
  const { code, stdout, stderr } = await process.output();
  const decoder = new TextDecoder();
  return { code, said: decoder.decode(stdout) + decoder.decode(stderr) };
}

Deno.test("Prometheus finds nothing wrong with the metrics of a service that has done everything", async () => {
  await using running = await run({ cluster: () => [peerAt(1)] });
  {
    await using browser = await Browser.open(running.client, { topics: ["A"], path: "/~a%22b/" });
    browser.send("nonsense");
    await browser.pong();
    await publish(running.admin, { subscribers: ["A"] }, { instance: 'a%22b\\ "quoted"\nline' });
    await publish(running.admin, { subscribers: ["A"] }, { instance: "a%22b" });
    await browser.next();
  }
  const page = async () => await (await fetch(`http://127.0.0.1:${running.admin}/metrics/`)).text();
  await until(async () => (await page()).includes('state="down"} 1'));
  assertEquals(await check(await page()), { code: 0, said: "" });
});

Deno.test("the example for Prometheus is one that it takes", () => {
  const { code, stdout, stderr } = new Deno.Command("promtool", {
    args: ["check", "config", `${EXAMPLES}/prometheus.yml`],
  }).outputSync();
  const decoder = new TextDecoder();
  assertEquals(code, 0, decoder.decode(stdout) + decoder.decode(stderr));
});

Deno.test("the alerts of the example fire for a certificate that ends, and for open files that run out", () => {
  using folder = new Folder();
  const series = (name: string, value: number) => ({ series: name, values: `${value}x10` });
  const labels = 'job="aphlict",instance="a:22281"';
  const expected = (name: string, extra: Record<string, string>, summary: string) => ({
    eval_time: "6m",
    alertname: name,
    exp_alerts: [{
      exp_labels: { job: "aphlict", instance: "a:22281", ...extra },
      exp_annotations: { summary },
    }],
  });
  const DAY = 86_400;
  const path = folder.write(
    "tests.yml",
    JSON.stringify({
      rule_files: [`${EXAMPLES}/aphlict.rules.yml`],
      tests: [{
        interval: "1m",
        // The clock of such a test begins with the epoch.
        input_series: [
          series(`aphlict_certificate_expiry_timestamp_seconds{${labels},server="ends"}`, 2 * DAY),
          series(`aphlict_certificate_expiry_timestamp_seconds{${labels},server="is"}`, 15 * DAY),
          series(`aphlict_connections{${labels},server="one"}`, 500),
          series(`aphlict_connections{${labels},server="two"}`, 420),
          series(`process_max_fds{${labels}}`, 1000),
          series('process_max_fds{job="other",instance="a:22281"}', 10),
        ],
        alert_rule_test: [
          expected(
            "AphlictCertificateEnds",
            { server: "ends" },
            "The certificate of ends ends in 1d 23h 54m 0s.",
          ),
          expected(
            "AphlictFiles",
            {},
            "Aphlict on a:22281 runs out of open files. Raise LimitNOFILE.",
          ),
        ],
      }],
    }),
  );
  const { code, stdout, stderr } = new Deno.Command("promtool", { args: ["test", "rules", path] })
    .outputSync();
  const decoder = new TextDecoder();
  assertEquals(code, 0, decoder.decode(stdout) + decoder.decode(stderr));
});

Deno.test("every metric that an alert of the example is about is there", async () => {
  const rules = Deno.readTextFileSync(`${EXAMPLES}/aphlict.rules.yml`);
  const named = rules.match(/\b(?:aphlict|process)_\w+/g) ?? [];
  await using running = await run({ cluster: () => [peerAt(1)] });
  const page = await (await fetch(`http://127.0.0.1:${running.admin}/metrics/`)).text();
  // A service of its own has no supervisor, no certificate, and was not told of its open files.
  const conditional = /_(restarts_total|expiry_timestamp_seconds|max_fds)$/;
  const missing = named.filter((name) =>
    !page.includes(`# TYPE ${name} `) && !conditional.test(name)
  );
  assertEquals(missing, []);
  assertEquals(named.length > 10, true);
});

Deno.test("Prometheus' checker finds what is wrong", async () => {
  assertEquals((await check("aphlict_x 1 2 3\n")).code, 1);
});
