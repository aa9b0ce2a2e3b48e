/**
 * No regular expression of the program backtracks: its cost is linear in the text, whoever wrote that.
 */

import { ROOT } from "./acceptance/program.ts";
import { filesBelow } from "./files.ts";
import { assert, assertEquals } from "./assert.ts";
import { backtracking } from "./backtracking.ts";

/** Finds the expressions in a file's text that backtrack, as `expression: why`. */
function faultsIn(name: string, text: string): string[] {
  const found: string[] = [];
  const look = (pattern: string, flags: string) => {
    const why = backtracking(pattern, flags);
    if (why !== null) found.push(`/${pattern}/${flags}: ${why}`);
  };
  /** The arguments of `RegExp`, called or constructed. */
  const construct = ({ callee, arguments: [pattern, flags] }: Construction) => {
    if (callee.type !== "Identifier" || callee.name !== "RegExp") return;
    const texts = [pattern, flags].map((each) => each?.type === "Literal" ? each.value : each);
    const [source, given = ""] = texts;
    if (typeof source === "string" && typeof given === "string") look(source, given);
    else found.push("RegExp: its pattern is known at run time only");
  };
  const plugin: Deno.lint.Plugin = {
    name: "regex",
    rules: {
      literals: {
        create: () => ({
          Literal(node) {
            if ("regex" in node && node.regex) look(node.regex.pattern, node.regex.flags);
          },
          NewExpression: construct,
          CallExpression: construct,
        }),
      },
    },
  };
  Deno.lint.runPlugin(plugin, name, text);
  return found;
}

type Construction = Deno.lint.NewExpression | Deno.lint.CallExpression;

Deno.test("no regular expression of the program backtracks more than linearly", () => {
  const paths = filesBelow("src", ".ts", ".js");
  assert(paths.includes("src/admin/console.js"));
  const found = paths.flatMap((path) =>
    faultsIn(path, Deno.readTextFileSync(`${ROOT}${path}`)).map((fault) => `${path}: ${fault}`)
  );
  assertEquals(found, []);
});

/** Expressions that backtrack, the first of them from older versions of the program. */
const SLOW: readonly RegExp[] = [
  /^([^\s:]+):[ \t]*(.*?)[ \t]*$/,
  /[ \t]*,[ \t]*/,
  /^\s*for\s*=\s*(?:"([^"\\]*)"|([^\s"]*))\s*$/i,
  // Nested.
  /^(a+)+$/,
  /^(a*)*$/,
  /^(?:a+|b)*c/,
  /^(?:a?b?)*$/,
  /^(?:a+)?(?:(?:a+)b?)+$/,
  /^(\w+\s?)*$/,
  /^(?:a|[a-c])*d/,
  /^(?:ab|a|b)*c/,
  /^(?:.{1,3})*x/,
  /^(?:a{2,})+b/,
  /^(?:\w{1,200})+$/,
  // Adjacent.
  /^a*a*$/,
  /^\s*\s+x/,
  /^\d+\w*$/,
  /^a*b?a*$/,
  /^a*(?:b|c*|)a*$/,
  /^\s*(?:x?)\s*$/,
  /^\s*(?:)\s*$/,
  /^a*(?=b?)a*$/,
  /^a+(?:x|(?:y*))(a)+$/,
  /^a{0,1000}a{0,1000}$/,
  /^[a-m]*[k-z]*$/,
  /^A*a*$/i,
  /^\p{L}*\w*$/u,
  /^.*,.*,.*$/,
  /^.*?x.*?y/,
  // Searched for.
  /\s+$/,
  /\s*$/,
  /a*b/,
  /(?:a+)b/,
  /(?:x|y*)z/,
  /x?\d+$/,
  /x*$/g,
  /a.*b/,
  /^ +$/m,
  /^x|\s+$/,
  /\b\w+\b!/,
  /(?:^|a)a*$/,
  // Not followed.
  /(?=.*x)y/,
  /^(a*)\1$/,
];

/** Expressions that do not. */
const LINEAR: readonly RegExp[] = [
  /^\s+/,
  /^a*$/,
  /\s+/,
  /\d+/g,
  /x.*/s,
  /a/,
  /[^ -~]/g,
  /^[\w-]+(\.[\w-]+)*$/,
  /^"(?:[^"\\]|\\.)*"/,
  /^([^:]+):(.*)$/,
  /^\s*for\s*=/,
  /^(?:ab|cd)*$/,
  /^a+b+c+$/,
  /^a{1,8}[a-f]{0,63}$/,
  /"[^"]*"/,
  /<[^<>]*>/g,
  /^\d+ ?[A-Za-z]*$/,
  /^(?:a|b)*c/,
  /(?!\n)[\p{Cc}\p{Cf}]/gu,
  /, (?=\w$)/,
  / *x/y,
  /^$/,
  /^\[(?<name>[\w]+)\]:\u{20}*$/u,
];

for (const { source, flags } of SLOW) {
  Deno.test(`/${source}/${flags} is found`, () => {
    assert(backtracking(source, flags) !== null);
  });
}

for (const { source, flags } of LINEAR) {
  Deno.test(`/${source}/${flags} is linear`, () => {
    assertEquals(backtracking(source, flags), null);
  });
}

Deno.test("expressions are found wherever they stand in a file", () => {
  const slow = [
    "const a = 6 / 2 / /x*$/.source.length;",
    "text.replace(/[x/]x*$/g, '');",
    "`${/x*$/}`;",
    'new RegExp("x*$");',
    'RegExp("x*$", "i");',
    "new RegExp(text);",
    "new RegExp('a', flags);",
    "new RegExp(`x${text}`);",
  ];
  for (const name of ["a.ts", "b.js"]) {
    for (const text of slow) assertEquals(faultsIn(name, text).length, 1, `${name}: ${text}`);
    const linear = 'const a = 1 / x*$/ 2; "/x*$/"; // /x*$/\nnew RegExp("^x*$");';
    assertEquals(faultsIn(name, linear), []);
  }
});
