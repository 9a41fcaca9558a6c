import type { Name } from '../name.ts';
import { isOlder, orderOf, plan, type DirectoryPlan, type DirectorySnapshot, type NewestBy } from './lifecycle.ts';

/**
 * The directories of a site as last seen, for a daemon that hears of one at a time: of the finished ones, which may be many, the newest alone
 * decides anything, so that a change costs what is unfinished and not what is there.
 */
export class SiteDirectories {
  readonly #newestBy: NewestBy;
  readonly #unfinished = new Map<Name, DirectorySnapshot>();
  readonly #finished = new Set<Name>();
  /** While there is one, the order of births is worthless. */
  readonly #withoutBirth = new Set<Name>();
  #newestFinished: DirectorySnapshot | undefined;
  /** The order that holds for all of them: one directory without a birth time makes the order of births worthless. */
  #order: NewestBy;

  constructor(newestBy: NewestBy) {
    this.#newestBy = newestBy;
    this.#order = newestBy;
  }

  has(name: Name): boolean {
    return this.#unfinished.has(name) || this.#finished.has(name);
  }

  setAll(directories: readonly DirectorySnapshot[]): void {
    this.#unfinished.clear();
    this.#finished.clear();
    this.#withoutBirth.clear();
    this.#newestFinished = undefined;
    this.#order = orderOf(directories, this.#newestBy);
    for (const one of directories) this.#put(one);
  }

  /**
   * Takes what is known now of one directory. Returns false where that changes what is known of others: then `setAll` is called for.
   * @param now undefined: it is not there
   */
  set(name: Name, now: DirectorySnapshot | undefined): boolean {
    this.#unfinished.delete(name);
    this.#finished.delete(name);
    const wasWithoutBirth = this.#withoutBirth.delete(name);
    if (wasWithoutBirth && this.#withoutBirth.size === 0 && now?.birthNs !== 0n) return false;
    // Which one is the newest now, nobody knows.
    const wasNewest = this.#newestFinished?.name === name;
    if (wasNewest && (now?.finishedWatch !== true || isOlder(now, this.#newestFinished, this.#order))) return false;
    if (now === undefined) return true;
    if (this.#order === 'birth' && now.birthNs === 0n) return false;
    this.#put(now);
    return true;
  }

  /** What is to be done with each unfinished directory, oldest first: contract.md §2. */
  plans(): DirectoryPlan[] {
    const newest = this.#newestFinished === undefined ? [] : [this.#newestFinished];
    return plan([...this.#unfinished.values(), ...newest], this.#order).filter(({ phase }) => phase !== 'finished');
  }

  #put(one: DirectorySnapshot): void {
    if (one.birthNs === 0n) this.#withoutBirth.add(one.name);
    if (!one.finishedWatch) {
      this.#unfinished.set(one.name, one);
      return;
    }
    this.#finished.add(one.name);
    if (!isOlder(one, this.#newestFinished, this.#order)) this.#newestFinished = one;
  }
}
