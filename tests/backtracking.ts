/**
 * Finds regular expressions whose matching can take more than linear time.
 *
 * An expression becomes an automaton with one state for each class of characters in it (Glushkov's), and one
 * that stands for the search: the text that an expression without `^` passes over before it begins to match. Two loops
 * that a text can be shared out to in several ways make the time quadratic or worse, one loop that a text can
 * go through in several ways makes it exponential (Weber and Seidl, "On the degree of ambiguity of finite
 * automata", 1991). A loop behind which the expression ends cannot fail, and costs nothing.
 *
 * @module
 */

/** A part of an expression. */
type Node =
  | { readonly type: "set"; readonly set: bigint }
  /** Something that takes no character and may fail. */
  | { readonly type: "assertion" }
  /** The beginning of the text. */
  | { readonly type: "start" }
  | { readonly type: "sequence" | "alternatives"; readonly nodes: readonly Node[] }
  | { readonly type: "repeat"; readonly node: Node; readonly min: number; readonly max: number };

/** Code points that stand for all others: a class is known by those of them that are in it. */
const SAMPLES: readonly number[] = [
  ...Array.from({ length: 0x300 }, (_, code) => code),
  ...[0x3a9, 0x430, 0x660, 0x1680, 0x2003, 0x200b, 0x2028, 0x2029, 0x202e, 0x212a, 0x3000, 0x4e2d],
  ...[0xd800, 0xdc00, 0xe000, 0xfeff, 0xffff, 0x1f600, 0xe0001, 0x10ffff],
];

const EVERYTHING = (1n << BigInt(SAMPLES.length)) - 1n;

/** A count above this is as good as none. */
const FEW = 100;

/** An expression that this module does not understand, or does not want. */
class Unclear extends Error {}

/** Reads the syntax of an expression. */
class PatternParser {
  readonly #pattern: string;
  readonly #flags: string;
  #at = 0;

  constructor(pattern: string, flags: string) {
    this.#pattern = pattern;
    this.#flags = flags.replace(/[gyd]/g, "");
    if (flags.includes("v")) throw new Unclear("the flag v");
  }

  parse(): Node {
    const node = this.#alternatives();
    if (this.#at < this.#pattern.length) throw new Unclear(`"${this.#pattern.slice(this.#at)}"`);
    return node;
  }

  #alternatives(): Node {
    const nodes = [this.#sequence()];
    while (this.#takes("|")) nodes.push(this.#sequence());
    return nodes.length === 1 && nodes[0] ? nodes[0] : { type: "alternatives", nodes };
  }

  #sequence(): Node {
    const nodes: Node[] = [];
    while (this.#at < this.#pattern.length && !"|)".includes(this.#next)) nodes.push(this.#term());
    return { type: "sequence", nodes };
  }

  #term(): Node {
    const node = this.#atom();
    const found = /^(?:[*+?]|\{(\d+)(?:(,)(\d*))?\})\??/.exec(this.#pattern.slice(this.#at));
    if (found === null) return node;
    this.#at += found[0].length;
    const [quantifier, least, comma, most] = found;
    if (quantifier.startsWith("*")) return { type: "repeat", node, min: 0, max: Infinity };
    if (quantifier.startsWith("+")) return { type: "repeat", node, min: 1, max: Infinity };
    if (quantifier.startsWith("?")) return { type: "repeat", node, min: 0, max: 1 };
    const max = comma === undefined ? Number(least) : most ? Number(most) : Infinity;
    return { type: "repeat", node, min: Number(least), max };
  }

  #atom(): Node {
    if (this.#takes("^")) return { type: this.#flags.includes("m") ? "assertion" : "start" };
    if (this.#takes("$") || this.#takes("\\b") || this.#takes("\\B")) return { type: "assertion" };
    for (const opening of ["(?=", "(?!", "(?<=", "(?<!"]) {
      if (!this.#takes(opening)) continue;
      if (hasLoop(this.#group())) throw new Unclear("a loop in a lookaround");
      return { type: "assertion" };
    }
    if (this.#takes("(?:")) return this.#group();
    const named = /^\(\?<\w+>/.exec(this.#pattern.slice(this.#at))?.[0];
    if (named !== undefined && this.#takes(named)) return this.#group();
    if (this.#pattern.startsWith("(?", this.#at)) throw new Unclear("flags in a group");
    if (this.#takes("(")) return this.#group();
    return { type: "set", set: this.#set() };
  }

  /** The rest of a group. */
  #group(): Node {
    const node = this.#alternatives();
    if (!this.#takes(")")) throw new Unclear("a group without end");
    return node;
  }

  /** The characters of a class, an escape, or one character; asked of the engine itself. */
  #set(): bigint {
    const rest = this.#pattern.slice(this.#at);
    if (/^\\(?:[1-9]|k<)/.test(rest)) throw new Unclear("a reference back");
    const source = /^\[(?:[^\]\\]|\\[^])*\]/.exec(rest)?.[0] ??
      /^\\(?:[pPu]\{[^}]*\}|u[\da-fA-F]{4}|x[\da-fA-F]{2}|c[a-zA-Z]|[^])/.exec(rest)?.[0] ??
      String.fromCodePoint(rest.codePointAt(0) ?? 0);
    this.#at += source.length;
    const one = new RegExp(`^(?:${source})$`, this.#flags.replace("m", ""));
    let set = 0n;
    for (const [index, code] of SAMPLES.entries()) {
      if (one.test(String.fromCodePoint(code))) set |= 1n << BigInt(index);
    }
    // Of characters that are no sample nothing is known.
    return set === 0n ? EVERYTHING : set;
  }

  get #next(): string {
    return this.#pattern.charAt(this.#at);
  }

  #takes(text: string): boolean {
    if (!this.#pattern.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }
}

function hasLoop(node: Node): boolean {
  if (node.type === "repeat") return node.max > FEW || hasLoop(node.node);
  return "nodes" in node && node.nodes.some(hasLoop);
}

/** The ends of a part's automaton, where it is joined to the parts around it. */
interface Ends {
  /** States that it may begin with anywhere, and those that it begins with only where the text begins. */
  readonly first: readonly number[];
  readonly firstAtStart: readonly number[];
  readonly last: readonly number[];
  /** States behind which the part may end without another condition. */
  readonly freeLast: readonly number[];
  /** The part may match nothing: anywhere, where the text begins, or without any condition. */
  readonly empty: boolean;
  readonly emptyAtStart: boolean;
  readonly free: boolean;
}

const NOTHING: Ends = {
  first: [],
  firstAtStart: [],
  last: [],
  freeLast: [],
  empty: true,
  emptyAtStart: true,
  free: true,
};

/** The automaton of an expression. */
class Automaton {
  /** Characters that lead into each state. */
  readonly sets: bigint[] = [];
  /** States that may follow each; one that may in two ways is there twice. */
  readonly follow: number[][] = [];
  /** States from which the expression may end at once: from these on nothing can fail. */
  readonly final: ReadonlySet<number>;
  readonly #reachable: readonly ReadonlySet<number>[];

  constructor(node: Node, isSticky: boolean) {
    const { first, freeLast } = this.#build(node);
    this.final = new Set(freeLast);
    if (!isSticky) {
      const search = this.#state(EVERYTHING);
      this.#connect([search], [search, ...first]);
    }
    this.#reachable = this.follow.map((_, state) => this.#from(state));
  }

  #state(set: bigint): number {
    this.follow.push([]);
    return this.sets.push(set) - 1;
  }

  #connect(last: readonly number[], first: readonly number[]): void {
    for (const state of last) this.follow[state]?.push(...first);
  }

  #build(node: Node): Ends {
    switch (node.type) {
      case "set": {
        const states = [this.#state(node.set)];
        return {
          first: states,
          firstAtStart: [],
          last: states,
          freeLast: states,
          empty: false,
          emptyAtStart: false,
          free: false,
        };
      }
      case "assertion":
        return { ...NOTHING, free: false };
      case "start":
        return { ...NOTHING, empty: false, free: false };
      case "sequence":
        return node.nodes.reduce((ends, next) => this.#join(ends, this.#build(next)), NOTHING);
      case "alternatives":
        return node.nodes.map((each) => this.#build(each)).reduce((a, b) => ({
          first: [...a.first, ...b.first],
          firstAtStart: [...a.firstAtStart, ...b.firstAtStart],
          last: [...a.last, ...b.last],
          freeLast: [...a.freeLast, ...b.freeLast],
          empty: a.empty || b.empty,
          emptyAtStart: a.emptyAtStart || b.emptyAtStart,
          free: a.free || b.free,
        }));
      case "repeat":
        return this.#repeat(node.node, node.min, node.max);
    }
  }

  #join(a: Ends, b: Ends): Ends {
    this.#connect(a.last, b.first);
    return {
      first: [...a.first, ...(a.empty ? b.first : [])],
      firstAtStart: [
        ...a.firstAtStart,
        ...(a.emptyAtStart ? b.firstAtStart : []),
        ...(a.emptyAtStart && !a.empty ? b.first : []),
      ],
      last: [...b.last, ...(b.empty ? a.last : [])],
      freeLast: [...b.freeLast, ...(b.free ? a.freeLast : [])],
      empty: a.empty && b.empty,
      emptyAtStart: a.emptyAtStart && b.emptyAtStart,
      free: a.free && b.free,
    };
  }

  /** Two copies of what must be there and two of what may be are as ambiguous as more of them. */
  #repeat(node: Node, min: number, max: number): Ends {
    let ends = NOTHING;
    const isLoop = max > FEW;
    const required = Math.min(min, 2) - (isLoop && min > 0 ? 1 : 0);
    for (let count = 0; count < required; count++) ends = this.#join(ends, this.#build(node));
    if (isLoop) {
      const loop = this.#build(node);
      this.#connect(loop.last, loop.first);
      return this.#join(ends, min > 0 ? loop : optional(loop));
    }
    for (let count = 0; count < Math.min(max - min, 2); count++) {
      ends = this.#join(ends, optional(this.#build(node)));
    }
    return ends;
  }

  /** States that can be reached from a state by one step or more. */
  #from(state: number): Set<number> {
    const found = new Set<number>();
    for (const todo = [state]; todo.length > 0;) {
      for (const next of this.follow[todo.pop() ?? 0] ?? []) {
        if (!found.has(next)) todo.push(next);
        found.add(next);
      }
    }
    return found;
  }

  reaches(from: number, to: number): boolean {
    return this.#reachable[from]?.has(to) ?? false;
  }

  /**
   * Tells whether one text leads from each of some states to each of others, in one step or more.
   *
   * @param differs The first two have to part on the way.
   */
  leads(from: readonly number[], to: readonly number[], differs = false): boolean {
    const goal = `${to}${differs}`;
    const seen = new Set<string>();
    for (const todo = [{ states: from, apart: !differs }]; todo.length > 0;) {
      const { states, apart } = todo.pop() ?? { states: [], apart: false };
      for (const next of this.#steps(states, to)) {
        const isApart = apart || next[0] !== next[1];
        const key = `${next}${differs && isApart}`;
        if (key === goal) return true;
        if (seen.has(key)) continue;
        seen.add(key);
        todo.push({ states: next, apart: isApart });
      }
    }
    return false;
  }

  /** The next states of several on one character, from which each can still reach its goal. */
  #steps(states: readonly number[], to: readonly number[]): number[][] {
    let found: { readonly next: number[]; readonly set: bigint }[] = [{
      next: [],
      set: EVERYTHING,
    }];
    for (const [index, state] of states.entries()) {
      const goal = to[index] ?? 0;
      found = found.flatMap(({ next, set }) =>
        [...new Set(this.follow[state])].flatMap((after) => {
          const common = set & (this.sets[after] ?? 0n);
          const isUseful = common !== 0n && (after === goal || this.reaches(after, goal));
          return isUseful ? { next: [...next, after], set: common } : [];
        })
      );
    }
    return found.map(({ next }) => next);
  }
}

function optional(ends: Ends): Ends {
  return { ...ends, empty: true, emptyAtStart: true, free: true };
}

/**
 * Says why matching an expression may take more than linear time; `null` when it does not.
 *
 * @param flags As in a literal; with `y` an expression is not searched for.
 */
export function backtracking(pattern: string, flags: string): string | null {
  let automaton: Automaton;
  try {
    automaton = new Automaton(new PatternParser(pattern, flags).parse(), flags.includes("y"));
  } catch (error) {
    if (error instanceof Unclear) return `has ${error.message}, which this check does not follow`;
    throw error;
  }
  const states = automaton.follow.keys().filter((state) => automaton.reaches(state, state));
  const loops = [...states];
  for (const p of loops) {
    if (automaton.final.has(p)) continue;
    const next = automaton.follow[p] ?? [];
    const twice = next.filter((state, index) => next.indexOf(state) !== index);
    if (
      twice.some((state) => automaton.reaches(state, p)) || automaton.leads([p, p], [p, p], true)
    ) return "goes through one loop in several ways: exponential";
  }
  for (const p of loops) {
    for (const q of loops) {
      if (p === q || automaton.final.has(q) || !automaton.reaches(p, q)) continue;
      if (automaton.leads([p, p, q], [p, q, q])) {
        return "shares a text out to two loops, or to the search and a loop, in several ways: quadratic";
      }
    }
  }
  return null;
}
