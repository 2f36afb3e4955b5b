/**
 * How much may be held on behalf of clients: bytes of messages that have begun and not ended, or names
 * that nothing answers to. Each owner has a budget, and so has the server, so that limits of one stream
 * add up to no more.
 */

export interface BudgetLimits {
  readonly server: number;
  readonly owner: number;
}

/** What one stream holds. */
export class Account {
  readonly owner: string;
  readonly #budget: Budget;
  readonly #over: (why: string) => void;
  held = 0;

  constructor(budget: Budget, owner: string, over: (why: string) => void) {
    this.#budget = budget;
    this.owner = owner;
    this.#over = over;
  }

  /** The present amount. May end this stream or others. */
  set(amount: number): void {
    if (amount !== this.held) this.#budget.change(this, amount);
  }

  end(why: string): void {
    this.#over(why);
  }
}

interface Owner {
  total: number;
  /** Those that hold something, the one that began first at the front. */
  readonly accounts: Set<Account>;
}

export class Budget {
  readonly #limits: BudgetLimits;
  readonly #what: string;
  readonly #owners = new Map<string, Owner>();
  #total = 0;

  /** `what` ends "N ... of this client, at most M". */
  constructor(limits: BudgetLimits, what: string) {
    this.#limits = limits;
    this.#what = what;
  }

  get total(): number {
    return this.#total;
  }

  /** Owners that hold something. */
  get owners(): number {
    return this.#owners.size;
  }

  /** `over` ends the stream, which sets its account to 0 at once. */
  open(owner: string, over: (why: string) => void): Account {
    return new Account(this, owner, over);
  }

  /** Of an owner with too much, and of the one with the most where all have too much, the streams go that began first. */
  change(account: Account, amount: number): void {
    const owner = this.#ownerOf(account.owner);
    this.#total += amount - account.held;
    owner.total += amount - account.held;
    account.held = amount;
    if (amount > 0) owner.accounts.add(account);
    else owner.accounts.delete(account);
    if (owner.accounts.size === 0) this.#owners.delete(account.owner);
    this.#keepOwner(owner);
    this.#keepServer();
  }

  /** As many as it takes: those that began first may hold next to nothing. */
  #keepOwner(owner: Owner): void {
    const most = this.#limits.owner;
    while (owner.total > most)
      if (!endFirst(owner, `${owner.total} ${this.#what} of this client, at most ${most}`)) return;
  }

  #keepServer(): void {
    const most = this.#limits.server;
    while (this.#total > most) {
      const why = `${this.#total} ${this.#what} of all clients, at most ${most}, and most of them of this one`;
      if (!endFirst(this.#largest(), why)) return;
    }
  }

  #ownerOf(name: string): Owner {
    const known = this.#owners.get(name);
    if (known !== undefined) return known;
    const owner = { total: 0, accounts: new Set<Account>() };
    this.#owners.set(name, owner);
    return owner;
  }

  #largest(): Owner | undefined {
    let largest: Owner | undefined;
    for (const owner of this.#owners.values())
      if (largest === undefined || owner.total > largest.total) largest = owner;
    return largest;
  }
}

/** False: none was ended that held something. */
function endFirst(owner: Owner | undefined, why: string): boolean {
  for (const account of owner?.accounts ?? []) {
    account.end(why);
    return account.held === 0;
  }
  return false;
}
