/**
 * The memory budget: one bound for all that outsiders can make the process hold, charged at its real cost.
 *
 * A limit for each connection times the number of connections is no bound. So everything that grows by what
 * outsiders do is charged to an {@linkcode Account}. Each account has a floor that no other can take, and a
 * ceiling. The rest of the budget is a pool for all. When the pool is used up, one holder is ended for another: the
 * largest, if the other holds no more; or, of requests on their way, the one that has held the most for the
 * longest. See docs/decisions/0013-memory-budget.md.
 *
 * Charging costs the same however many hold something. Pure.
 *
 * @module
 */

import { type Metrics, single } from "./metrics/families.ts";

/** The shares of the budget that an account has. */
interface Shares {
  /** The share that it has whatever the others hold. The rest that all floors leave is the pool. */
  readonly floor: number;
  /** The largest share that it may have, however much of the pool is free. */
  readonly ceiling: number;
  /**
   * The holder that is ended when memory is short: the largest, for holders of no more; or the slowest, for any
   * holder. The slowest has the most bytes, times the time for which it has held something.
   */
  readonly ends: "largest" | "slowest";
}

/** The accounts, by what is charged to them. */
export const ACCOUNTS = {
  /** Connections whose request has not been read, or has been answered. */
  requests: { floor: 1 / 16, ceiling: 1 / 4, ends: "slowest" },
  /** WebSockets, without what else they hold. */
  connections: { floor: 1 / 4, ceiling: 1, ends: "largest" },
  /** Messages of browsers that have not come whole, and their bytes that wait to be read. */
  messages: { floor: 1 / 32, ceiling: 1 / 8, ends: "largest" },
  /** Frames that wait for browsers to read. */
  frames: { floor: 1 / 16, ceiling: 3 / 8, ends: "largest" },
  /** Topics, and the instances that connections name. */
  subscriptions: { floor: 1 / 16, ceiling: 3 / 8, ends: "largest" },
  /** Messages that were published lately. */
  history: { floor: 1 / 16, ceiling: 1 / 16, ends: "largest" },
  /** Bodies that are being received by admin servers. */
  bodies: { floor: 1 / 32, ceiling: 1 / 4, ends: "slowest" },
} as const satisfies Readonly<Record<string, Shares>>;
export type AccountName = keyof typeof ACCOUNTS;

/** A connection, or a request, that may be ended for what it holds. One object stands for all that it holds. */
export interface AccountHolder {
  /** Ends the holder for what it holds of an account. All its holdings are closed before this returns. */
  evict(account: AccountName): void;
}

/** Called when memory is short. */
export type OnShort = (account: AccountName, what: "refused" | "evicted") => void;

/** Holders that are ended for one charge, at most: a charge needs room for itself, not for all. */
const EVICTIONS = 32;

/** The bound over all accounts. */
export class Budget {
  #limit: number;
  readonly #accounts: readonly Account[];
  /** @internal */
  readonly now: () => number;

  /**
   * @param limit The limit in bytes.
   * @param onShort Called for each charge that was refused, and for each holder that was ended.
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

  /** Returns the bytes that all accounts may hold together. */
  get limit(): number {
    return this.#limit;
  }

  /** Sets another limit. Bytes that are held stay; new charges have to fit. */
  set limit(bytes: number) {
    this.#limit = bytes;
  }

  /** Returns the bytes that all accounts hold. */
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

  /** @internal Returns the bytes of the pool that are free; negative when the limit was lowered. */
  get free(): number {
    let pool = this.#limit;
    for (const account of this.#accounts) pool -= Math.max(account.floor, account.bytes);
    return pool;
  }

  /**
   * @internal Returns the holding to end for a holder that then has `total`, `bytes` more than now. Its account is
   * the one that is farthest above its floor then.
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

/** The account of one kind of memory. */
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

  /** Returns the bytes that are held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Returns the bytes that no other account can take. */
  get floor(): number {
    return this.#budget.limit * ACCOUNTS[this.name].floor;
  }

  /** Returns the bytes that it may hold at most. */
  get ceiling(): number {
    return this.#budget.limit * ACCOUNTS[this.name].ceiling;
  }

  /** @internal */
  get now(): number {
    return this.#budget.now();
  }

  /** Returns the number of charges that were refused. */
  get refused(): number {
    return this.#refused;
  }

  /** Returns the number of holders that were ended for what they held. */
  get evicted(): number {
    return this.#evicted;
  }

  /** Returns a new holding of nothing. */
  open(holder: AccountHolder): Holding {
    return new Holding(this, holder);
  }

  /**
   * Charges bytes for which their holder cannot be ended later. `false`: they were refused, and nothing is charged.
   *
   * @param holder The holder that is not ended to make room for itself.
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
   * A holder of as much is ended for a newcomer, too. If not, the first holders could keep all others out by doing
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
        // Too many would be ended, or would be ended in vain.
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

  /** Tells whether there is room for `bytes` more without ending a holder. */
  fits(bytes: number): boolean {
    return this.#deficit(bytes) <= 0;
  }

  /** Returns the bytes that must be given back before there is room for `bytes` more; none if it is not positive. */
  #deficit(bytes: number): number {
    const overCeiling = this.#bytes + bytes - this.ceiling;
    const ofPool = bytes - Math.max(0, this.floor - this.#bytes);
    return Math.max(overCeiling, ofPool <= 0 ? 0 : ofPool - this.#budget.free);
  }

  /** @internal Returns the holding to end for a holder that then has `total`; `null`: there is none. */
  victim(total: number): Holding | null {
    if (ACCOUNTS[this.name].ends === "slowest") return this.#slowest;
    const { largest } = this;
    return largest === null || largest.bytes < total ? null : largest;
  }

  /** Returns one of the slowest: each list of a size has its oldest first. */
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

  /** @internal Returns one of the largest: no other is a tenth larger. */
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
  /** @internal The time since which it may be ended, in ms. */
  since = 0;
  /** @internal Its neighbours among those of its size. */
  before: Holding | null = null;
  /** @internal */
  behind: Holding | null = null;

  constructor(account: Account, holder: AccountHolder) {
    this.#account = account;
    this.holder = holder;
  }

  /** Returns the bytes that it has. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Sets the bytes that are held now. `false`: there is no room for the increase, or the holding has been closed.
   * Nothing is changed then, and the caller gives back what it has taken.
   *
   * @param isSpared True if its holder must not be ended for it, as it waits only for this server.
   */
  set(bytes: number, isSpared = false): boolean {
    if (this.#isClosed) return false;
    const more = bytes - this.#bytes;
    if (more > 0 && !this.#account.makeRoom(more, bytes, this.holder)) return false;
    // A holder that was ended for it may have closed it.
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
    // The holding must not be found again, whatever the holder does.
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
