import type { Config } from '../config/config.ts';
import type { Report } from '../core/events.ts';
import type { DirectoryPlan, DirectorySnapshot } from '../core/lifecycle.ts';
import { SiteDirectories } from '../core/site-directories.ts';
import { UserError } from '../errors.ts';
import { showName, type Name } from '../name.ts';
import { cannotWork, failedDirectory } from '../source/directory-failures.ts';
import { LINKED_CURE, linkedDirectories } from '../source/linked-directories.ts';
import { checkRoot, isSiteName, readDirectory, readRoot } from '../source/root.ts';
import { replacedRoot, rootIdentity } from '../source/root-identity.ts';
import type { IsExcluded } from '../source/scanner.ts';

/** What is known of the site's directories now. */
export interface RootView {
  /** Of each unfinished directory, oldest first. */
  readonly plans: readonly DirectoryPlan[];
  /** Is there a directory of this name, finished or unreadable ones included? */
  readonly has: (name: Name) => boolean;
}

export interface WholeRoot extends RootView {
  readonly directories: readonly DirectorySnapshot[];
  readonly names: ReadonlySet<Name>;
  /** The last listing failed. */
  readonly wasAway: boolean;
}

/** The root as the daemon found it at its start: it may go away and come back, but not become another one. */
export class RootWatch {
  readonly #source: Config['source'];
  readonly #isExcluded: IsExcluded;
  readonly #report: Report;
  readonly #home: string;
  readonly #known: SiteDirectories;
  /** Directories that the disk does not let us look at, and what was reported of each. */
  readonly #unreadable = new Map<Name, string>();
  #failure: string | undefined;
  #links: string | undefined;

  /** @throws UserError where the root cannot be read */
  constructor(source: Config['source'], isExcluded: IsExcluded, report: Report) {
    this.#source = source;
    this.#isExcluded = isExcluded;
    this.#report = report;
    this.#known = new SiteDirectories(source.newest);
    checkRoot(source.root);
    this.#home = rootIdentity(source.root);
  }

  /** Why the root cannot be listed now; undefined: it can. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Directories that the disk does not let us look at, and why. */
  get unreadable(): ReadonlyMap<Name, string> {
    return this.#unreadable;
  }

  /** May this name in the root be a directory of the site? */
  concerns(name: Name): boolean {
    return isSiteName(name, { tag: this.#source.tag, isExcluded: this.#isExcluded });
  }

  /**
   * Looks at everything.
   * @throws UserError, which is reported once, while the root cannot be read or is another one
   */
  list(): WholeRoot {
    const { root, tag } = this.#source;
    try {
      const { directories, unreadable, links } = readRoot(root, tag, this.#isExcluded);
      this.#checkSameRoot();
      const wasAway = this.#failure !== undefined;
      if (wasAway) this.#report({ type: 'note', level: 'warning', message: `${showName(root)} is back` });
      this.#failure = undefined;
      this.#known.setAll(directories);
      const names = new Set([...directories, ...unreadable].map(({ name }) => name));
      for (const name of this.#unreadable.keys()) if (!names.has(name)) this.#unreadable.delete(name);
      for (const { name } of directories) this.#unreadable.delete(name);
      for (const { name, error } of unreadable) this.#noteUnreadable(name, error);
      this.#noteLinks(links);
      return { ...this.#view(), directories, names, wasAway };
    } catch (error) {
      if (error instanceof UserError) this.#noteFailure(error);
      throw error;
    }
  }

  /**
   * Looks at these names alone. undefined: that does not do, everything must be listed.
   * @throws UserError as `list` does
   */
  look(names: Iterable<Name>): RootView | undefined {
    if (this.#failure !== undefined) return undefined;
    try {
      this.#checkSameRoot();
    } catch (error) {
      if (error instanceof UserError) this.#noteFailure(error);
      throw error;
    }
    for (const name of names) if (!this.#lookAt(name)) return undefined;
    return this.#view();
  }

  #lookAt(name: Name): boolean {
    let now: DirectorySnapshot | undefined;
    try {
      now = readDirectory(this.#source.root, name);
      this.#unreadable.delete(name);
    } catch (error) {
      this.#noteUnreadable(name, error);
    }
    return this.#known.set(name, now);
  }

  #view(): RootView {
    return {
      plans: this.#known.plans(),
      has: (name) => this.#known.has(name) || this.#unreadable.has(name),
    };
  }

  #checkSameRoot(): void {
    if (rootIdentity(this.#source.root) !== this.#home) throw replacedRoot(this.#source.root);
  }

  /** Once for as long as it is so. */
  #noteUnreadable(name: Name, error: unknown): void {
    const failure = cannotWork(name, error);
    if (this.#unreadable.get(name) !== failure.message) this.#report(failedDirectory(name, failure));
    this.#unreadable.set(name, failure.message);
  }

  #noteLinks(links: readonly Name[]): void {
    const message = linkedDirectories(this.#source.root, links);
    if (message !== undefined && message !== this.#links)
      this.#report({ type: 'note', level: 'warning', message: `${message}; ${LINKED_CURE}` });
    this.#links = message;
  }

  #noteFailure({ message: state, hint }: UserError): void {
    const message = hint === undefined ? state : `${state}; ${hint}`;
    if (message !== this.#failure) this.#report({ type: 'note', level: 'warning', message });
    this.#failure = message;
  }
}
