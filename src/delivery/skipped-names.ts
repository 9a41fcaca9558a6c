import type { SkippedKind } from '../core/events.ts';
import { showName, type Name } from '../name.ts';
import type { SiteContext } from './context.ts';

const MOST_NAMED = 3;

/** What is not sent of one directory (contract.md §2): counted as it is listed, and told when the directory is finished. */
export class SkippedNames {
  readonly #site: Pick<SiteContext, 'counters' | 'report'>;
  readonly #directory: Name;
  readonly #first: Name[] = [];

  constructor(site: Pick<SiteContext, 'counters' | 'report'>, directory: Name) {
    this.#site = site;
    this.#directory = directory;
  }

  /** @param tells count and report it: not for a listing that repeats an earlier one */
  note(path: Name, kind: SkippedKind, tells: boolean): void {
    if (kind !== 'excluded' && this.#first.length < MOST_NAMED) this.#first.push(path);
    if (!tells) return;
    this.#site.counters[kind === 'excluded' ? 'excluded' : 'skipped'] += 1;
    this.#site.report({ type: 'skipped', path: `${this.#directory}/${path}`, kind });
  }

  /** What cannot be sent in a warning, excluded names at `info`. */
  reportFinished(skipped: ReadonlyMap<SkippedKind, number>): void {
    const { report } = this.#site;
    const name = showName(this.#directory);
    const kinds = [...skipped].filter(([kind]) => kind !== 'excluded').map(([kind, count]) => `${count} ${kind}`);
    if (kinds.length > 0) {
      const message = `${name} is finished without what cannot be sent: ${kinds.join(', ')}${this.#named()}`;
      report({ type: 'note', level: 'warning', message });
    }
    const excluded = skipped.get('excluded') ?? 0;
    if (excluded === 0) return;
    report({ type: 'note', level: 'info', message: `${name} is finished without ${excluded} excluded names` });
  }

  /** ": a, b and more" */
  #named(): string {
    const names = this.#first.map((name) => ` "${showName(name)}"`);
    return names.length === 0 ? '' : `:${names.join(',')}${names.length === MOST_NAMED ? ' …' : ''}`;
  }
}
