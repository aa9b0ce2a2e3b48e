/**
 * The account of memory: what outsiders can make the process hold, charged at its real cost, has one bound.
 *
 * A limit for each connection times the number of connections is no bound. So everything that grows by what
 * outsiders do is charged to an {@linkcode Account}. Each account has a floor that no other can take, and a ceiling;
 * what is left of the budget is a pool for all. When that is used up, a holder is ended for somebody else: the largest,
 * for those who hold less than it does; or, of what is only on its way, the one that has held the most for the longest.
 * See docs/decisions/0013-memory-budget.md.
 *
 * Charging costs the same however many hold something. Pure.
 *
 * @module
 */

import { type Metrics, single } from "./metrics/families.ts";

/** The shares of the budget that an account has. */
interface Shares {
  /** It has this much whatever the others hold. What all floors leave is the pool. */
  readonly floor: number;
  /** It has no more than this, however much of the pool is free. */
  readonly ceiling: number;
  /**
   * Who is ended when memory is short: the largest, for those who hold no more; or the slowest, whoever needs the room:
   * the one whose bytes, times the time for which it has held something, are the most.
   */
  readonly ends: "largest" | "slowest";
}

/** The accounts, by what is charged to them. */
export const ACCOUNTS = {
  /** Connections whose request has not been read, or has been answered. */
  requests: { floor: 1 / 16, ceiling: 1 / 4, ends: "slowest" },
  /** WebSockets, without what else they hold. */
  connections: { floor: 1 / 4, ceiling: 1, ends: "largest" },
  /** Messages of browsers that have not come whole, and what waits to be read of them. */
  messages: { floor: 1 / 32, ceiling: 1 / 8, ends: "largest" },
  /** Frames that wait for browsers to read. */
  frames: { floor: 1 / 16, ceiling: 3 / 8, ends: "largest" },
  /** Topics, and the instances that connections name. */
  subscriptions: { floor: 1 / 16, ceiling: 3 / 8, ends: "largest" },
  /** What was published lately. */
  history: { floor: 1 / 16, ceiling: 1 / 16, ends: "largest" },
  /** Bodies that are being received by admin servers. */
  bodies: { floor: 1 / 32, ceiling: 1 / 4, ends: "slowest" },
} as const satisfies Readonly<Record<string, Shares>>;
export type AccountName = keyof typeof ACCOUNTS;

/** A connection, or a request, that may be ended for what it holds. It is the same for all that it holds. */
export interface AccountHolder {
  /** Ends it for what it holds of an account. All its holdings are closed before this returns. */
  evict(account: AccountName): void;
}

/** Told when memory is short. */
export type OnShort = (account: AccountName, what: "refused" | "evicted") => void;

/** Holders that are ended for one charge at most: it needs room for itself, not for all. */
const EVICTIONS = 32;

/** The bound over all accounts. */
export class Budget {
  #limit: number;
  readonly #accounts: readonly Account[];
  /** @internal */
  readonly now: () => number;

  /**
   * @param limit Bytes.
   * @param onShort Is told of each charge that was refused, and of each holder that was ended.
   * @param now A clock in ms.
   */
  constructor(
    limit: number,
    onShort: OnShort = () => {},
    now: () => number = () => performance.now(),
  ) {
    this.#limit = limit;
    this.now = now;
    const names = Object.keys(ACCOUNTS) as AccountName[];
    this.#accounts = names.map((name) => new Account(name, this, onShort));
  }

  /** Bytes that all accounts may hold together. */
  get limit(): number {
    return this.#limit;
  }

  /** Sets another limit. What is held stays; what comes has to fit. */
  set limit(bytes: number) {
    this.#limit = bytes;
  }

  /** Bytes that all accounts hold. */
  get bytes(): number {
    return this.#accounts.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Returns the account of this name. */
  account(name: AccountName): Account {
    const account = this.#accounts.find((each) => each.name === name);
    if (account === undefined) throw new RangeError(`There is no account ${name}`);
    return account;
  }

  /** Returns the families of the budget and its accounts. */
  metrics(): Partial<Metrics> {
    const byAccount = (valueOf: (account: Account) => number) =>
      this.#accounts.map((account) => [{ account: account.name }, valueOf(account)] as const);
    return {
      aphlict_memory_limit_bytes: single(this.#limit),
      aphlict_memory_bytes: byAccount(({ bytes }) => bytes),
      aphlict_memory_refused_total: byAccount(({ refused }) => refused),
      aphlict_memory_evicted_total: byAccount(({ evicted }) => evicted),
    };
  }

  /** @internal Bytes of the pool that are free; negative when the limit was lowered. */
  get free(): number {
    let pool = this.#limit;
    for (const account of this.#accounts) pool -= Math.max(account.floor, account.bytes);
    return pool;
  }

  /**
   * @internal The one to end for a holder that then has `total`, `bytes` more than now, of the account that is farthest
   * above its floor then.
   */
  victim(requester: Account, bytes: number, total: number): Holding | null {
    let found: Holding | null = null;
    let farthest = 0;
    for (const account of this.#accounts) {
      const excess = account.bytes - account.floor + (account === requester ? bytes : 0);
      if (excess <= farthest) continue;
      const holding = account.victim(total);
      if (holding === null) continue;
      found = holding;
      farthest = excess;
    }
    return found;
  }
}

/** Memory of one kind. */
export class Account {
  readonly name: AccountName;
  readonly #budget: Budget;
  readonly #onShort: OnShort;
  /** Holdings by classes of their size, the oldest of each first: their heads and tails. */
  readonly #heads: (Holding | null)[] = new Array(SIZES).fill(null);
  readonly #tails: (Holding | null)[] = new Array(SIZES).fill(null);
  #bytes = 0;
  #refused = 0;
  #evicted = 0;

  constructor(name: AccountName, budget: Budget, onShort: OnShort) {
    this.name = name;
    this.#budget = budget;
    this.#onShort = onShort;
  }

  /** Bytes that are held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes that no other account can take. */
  get floor(): number {
    return this.#budget.limit * ACCOUNTS[this.name].floor;
  }

  /** Bytes that it may hold at most. */
  get ceiling(): number {
    return this.#budget.limit * ACCOUNTS[this.name].ceiling;
  }

  /** @internal */
  get now(): number {
    return this.#budget.now();
  }

  /** Charges that were refused. */
  get refused(): number {
    return this.#refused;
  }

  /** Holders that were ended for what they held. */
  get evicted(): number {
    return this.#evicted;
  }

  /** A holding of nothing. */
  open(holder: AccountHolder): Holding {
    return new Holding(this, holder);
  }

  /**
   * Charges bytes for which their holder cannot be ended later. `false`: they were refused, and nothing is charged.
   *
   * @param holder Is not ended to make room for itself.
   */
  hold(bytes: number, holder: AccountHolder | null = null): boolean {
    if (!this.makeRoom(bytes, bytes, holder)) return false;
    this.#bytes += bytes;
    return true;
  }

  /** Charges or gives back bytes that are bounded elsewhere. */
  adjust(bytes: number): void {
    this.#bytes += bytes;
  }

  /**
   * @internal Makes room for `bytes` more, for a holder that then has `total`.
   *
   * A holder of as much is ended for a newcomer, too. Otherwise those who came first could keep all others out by doing
   * nothing.
   */
  makeRoom(bytes: number, total: number, holder: AccountHolder | null): boolean {
    for (let ended = 0; !this.fits(bytes); ended++) {
      // At its ceiling the account makes room by itself.
      const victim = this.#bytes + bytes > this.ceiling
        ? this.victim(total)
        : this.#budget.victim(this, bytes, total);
      if (
        victim === null || victim.holder === holder ||
        // To end as many as that for nothing helps nobody.
        ended === EVICTIONS || victim.bytes * EVICTIONS < this.#deficit(bytes)
      ) {
        this.#refused++;
        this.#onShort(this.name, "refused");
        return false;
      }
      victim.evict();
    }
    return true;
  }

  /** Tells whether there is room for `bytes` more without ending anybody. */
  fits(bytes: number): boolean {
    return this.#deficit(bytes) <= 0;
  }

  /** Bytes that must be given back before there is room for `bytes` more; none if it is not positive. */
  #deficit(bytes: number): number {
    const overCeiling = this.#bytes + bytes - this.ceiling;
    const ofPool = bytes - Math.max(0, this.floor - this.#bytes);
    return Math.max(overCeiling, ofPool <= 0 ? 0 : ofPool - this.#budget.free);
  }

  /** @internal The one to end for a holder that then has `total`; `null`: there is none. */
  victim(total: number): Holding | null {
    if (ACCOUNTS[this.name].ends === "slowest") return this.#slowest;
    const { largest } = this;
    return largest === null || largest.bytes < total ? null : largest;
  }

  /** One of the slowest: each list of a size has its oldest first. */
  get #slowest(): Holding | null {
    const { now } = this;
    let found: Holding | null = null;
    let most = -1;
    for (const head of this.#heads) {
      if (!head) continue;
      const cost = head.bytes * (now - head.since);
      if (cost <= most) continue;
      found = head;
      most = cost;
    }
    return found;
  }

  /** @internal One of the largest: no other is a tenth larger. */
  get largest(): Holding | null {
    for (let size = SIZES - 1; size > 0; size--) {
      const head = this.#heads[size];
      if (head) return head;
    }
    return null;
  }

  /** @internal Counts an end. */
  countEviction(): void {
    this.#evicted++;
    this.#onShort(this.name, "evicted");
  }

  /** @internal */
  link(holding: Holding): void {
    const { size } = holding;
    const tail = this.#tails[size] ?? null;
    holding.before = tail;
    holding.behind = null;
    if (tail) tail.behind = holding;
    else this.#heads[size] = holding;
    this.#tails[size] = holding;
  }

  /** @internal */
  unlink(holding: Holding): void {
    const { size } = holding;
    if (holding.before) holding.before.behind = holding.behind;
    else this.#heads[size] = holding.behind;
    if (holding.behind) holding.behind.before = holding.before;
    else this.#tails[size] = holding.before;
  }
}

/** The share that one holder has of one account. */
export class Holding {
  readonly #account: Account;
  /** @internal */
  readonly holder: AccountHolder;
  #bytes = 0;
  #isClosed = false;
  /** @internal The class of its size, if it may be ended; else 0. */
  size = 0;
  /** @internal Since when it may be ended, in ms. */
  since = 0;
  /** @internal Its neighbours among those of its size. */
  before: Holding | null = null;
  /** @internal */
  behind: Holding | null = null;

  constructor(account: Account, holder: AccountHolder) {
    this.#account = account;
    this.holder = holder;
  }

  /** Bytes that it has. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Says how many bytes are held now. `false`: there is no room for what it is more than before, or it has been
   * closed. Nothing is changed then, and the caller gives back what it has taken.
   *
   * @param isSpared Its holder is not to be ended for it, as it waits for nobody but us.
   */
  set(bytes: number, isSpared = false): boolean {
    if (this.#isClosed) return false;
    const more = bytes - this.#bytes;
    if (more > 0 && !this.#account.makeRoom(more, bytes, this.holder)) return false;
    // Those who were ended for it may have closed it.
    if (this.#isClosed) return false;
    this.#change(bytes, isSpared);
    return true;
  }

  /** Gives everything back. Nothing can be held by it any more. */
  close(): void {
    if (this.#isClosed) return;
    this.#change(0, false);
    this.#isClosed = true;
  }

  #change(bytes: number, isSpared: boolean): void {
    this.#account.adjust(bytes - this.#bytes);
    this.#bytes = bytes;
    const size = isSpared ? 0 : sizeOf(bytes);
    if (size === this.size) return;
    if (this.size > 0) this.#account.unlink(this);
    else this.since = this.#account.now;
    this.size = size;
    if (size > 0) this.#account.link(this);
  }

  /** @internal Ends its holder. */
  evict(): void {
    this.#account.countEviction();
    this.holder.evict(this.#account.name);
    // Whatever the holder does: it must not be found again.
    this.close();
  }
}

/** Classes of sizes between a size and twice that. */
const CLASSES = 8;

/** Classes of all sizes up to 2^53, and that of nothing. */
const SIZES = 53 * CLASSES + 1;

function sizeOf(bytes: number): number {
  return bytes === 0 ? 0 : Math.floor(Math.log2(bytes) * CLASSES) + 1;
}
