import { RequestError } from "../../../src/http/failure.ts";
import { type Finding, findingLines, Findings, verdict } from "../../../src/cli/doctor/findings.ts";
import { assertEquals, assertRejects } from "../../assert.ts";

const FAILED: Finding = {
  step: "origin",
  outcome: "failed",
  detail: "It fails.",
  hint: "Mend it.",
};

Deno.test("a finding is a line with its mark, and beneath it what to do", () => {
  assertEquals(
    findingLines(FAILED, null),
    [
      "✗ origin              It fails.",
      "                      → Mend it.",
    ],
  );
  assertEquals(
    findingLines({ ...FAILED, outcome: "ok", hint: null }, null),
    ["✓ origin              It fails."],
  );
});

Deno.test("on a terminal lines are as long as it is wide", () => {
  assertEquals(
    findingLines({ ...FAILED, outcome: "warning", detail: "It is as it is." }, 30),
    [
      "! origin              It is as",
      "                      it is.",
      "                      → Mend",
      "                        it.",
    ],
  );
});

Deno.test("an attempt that does not reach its end is a failed step, with the hint that knows more", async () => {
  const told: Finding[] = [];
  const findings = new Findings((finding) => told.push(finding));
  const fail = (hint: string) => () =>
    Promise.reject(new RequestError("connection", "is far away", hint));
  assertEquals(await findings.attempt("a", "x:1", fail(""), "Come closer."), null);
  assertEquals(await findings.attempt("b", "x:1", fail("Walk."), "Come closer."), null);
  assertEquals(await findings.attempt("c", "x:1", () => Promise.resolve(1)), 1);
  assertEquals(told, [
    { step: "a", outcome: "failed", detail: "x:1 is far away.", hint: "Come closer." },
    { step: "b", outcome: "failed", detail: "x:1 is far away.", hint: "Walk." },
  ]);
  await assertRejects(
    () => findings.attempt("d", "x:1", () => Promise.reject(new TypeError("ours"))),
    TypeError,
  );
});

Deno.test("the verdict counts what is broken and what should be looked at", () => {
  const [ok, warning]: Finding[] = [
    { ...FAILED, outcome: "ok" },
    { ...FAILED, outcome: "warning" },
  ];
  if (!ok || !warning) throw new Error("unreachable");
  assertEquals(verdict([ok, { ...FAILED, outcome: "skipped" }]), "All is well.");
  assertEquals(verdict([ok, warning]), "It works, with 1 warning.");
  assertEquals(verdict([FAILED]), "1 problem.");
  assertEquals(
    verdict([FAILED, warning, warning, FAILED]),
    "2 problems and 2 warnings. Begin with the first: it may be the cause of others.",
  );
});
