import type { IsocketEvent } from '../../core/events.ts';
import type { FileCount, SurveyedDirectory } from '../../core/survey.ts';
import { systemErrorCode } from '../../errors.ts';
import type { Name } from '../../name.ts';
import type { IsExcluded } from '../../source/scanner.ts';
import { countInPortions } from '../count-directory.ts';

interface Counted {
  count: FileCount;
  readonly atMs: number;
  readonly tookMs: number;
}

export interface CensusOptions {
  readonly root: Name;
  readonly isExcluded: IsExcluded;
  /** A count of the daemon's own that is older is no longer taken. */
  readonly oldMs: number;
  /** Called with a defect: all else goes on. */
  readonly failed: (error: unknown) => void;
}

/** What was counted is not counted again for so many times as long as that took; what is closed changes by what is sent alone. */
const REST_FACTOR = 10;
const CLOSED_MS = 600_000;
/** Names that were sent while their directory was counted. */
const MOST_SENT = 100_000;

/**
 * Counts the directories of which the daemon itself has no count, or an old one: those that wait for their turn, or whose listing waits for a
 * destination. One at a time, in small portions, and only while somebody asks.
 */
export class Census implements Disposable {
  readonly #options: CensusOptions;
  readonly #counted = new Map<Name, Counted>();
  readonly #ended = new AbortController();
  #running: { readonly name: Name; readonly sent: Map<Name, number> } | undefined;

  constructor(options: CensusOptions) {
    this.#options = options;
  }

  [Symbol.dispose](): void {
    this.#ended.abort();
  }

  /** The younger count; undefined: it is not counted yet. */
  of({ plan, count, ageMs }: SurveyedDirectory): FileCount | undefined {
    const own = this.#counted.get(plan.directory.name);
    return own !== undefined && performance.now() - own.atMs < ageMs ? own.count : count;
  }

  note(event: IsocketEvent): void {
    if (event.type !== 'sent') return;
    const slash = event.path.indexOf('/');
    const name = event.path.slice(0, slash);
    const counted = this.#counted.get(name);
    const running = this.#running?.name === name ? this.#running : undefined;
    if (counted === undefined && running === undefined) return;
    const path = event.path.slice(slash + 1);
    if (counted !== undefined) counted.count = withSent(counted.count, [path, event.bytes]);
    if (running !== undefined && running.sent.size < MOST_SENT) running.sent.set(path, event.bytes);
  }

  /** Somebody asks: begins to count what needs it. Does not wait for that. */
  want(unfinished: readonly SurveyedDirectory[]): void {
    const names = new Set(unfinished.map(({ plan }) => plan.directory.name));
    for (const name of this.#counted.keys()) if (!names.has(name)) this.#counted.delete(name);
    this.#countNext(unfinished);
  }

  #countNext(unfinished: readonly SurveyedDirectory[]): void {
    if (this.#running !== undefined || this.#ended.signal.aborted) return;
    const next = unfinished.find((one) => this.#needs(one));
    if (next === undefined) return;
    void this.#count(next)
      .catch(this.#options.failed)
      .finally(() => {
        this.#running = undefined;
        this.#countNext(unfinished.filter((one) => one !== next));
      });
  }

  #needs({ plan, ageMs }: SurveyedDirectory): boolean {
    if (ageMs < this.#options.oldMs) return false;
    const own = this.#counted.get(plan.directory.name);
    if (own === undefined) return true;
    const restMs = Math.max(plan.phase === 'open' ? this.#options.oldMs : CLOSED_MS, own.tookMs * REST_FACTOR);
    return performance.now() - own.atMs > restMs;
  }

  async #count({ plan, isSent }: SurveyedDirectory): Promise<void> {
    const { name } = plan.directory;
    const { root, isExcluded } = this.#options;
    const sent = new Map<Name, number>();
    this.#running = { name, sent };
    const begunMs = performance.now();
    const options = {
      isExcluded,
      countsAsSent: isSent,
      met: (path: Name) => void sent.delete(path),
      signal: this.#ended.signal,
    };
    try {
      const found = await countInPortions(`${root}/${name}`, options);
      if (found === undefined) return;
      const count = [...sent].reduce(withSent, found);
      const atMs = performance.now();
      this.#counted.set(name, { count, atMs, tookMs: atMs - begunMs });
    } catch (error) {
      // Gone, or closed to us: whoever works on it says so.
      if (systemErrorCode(error) === undefined) throw error;
      this.#counted.delete(name);
    }
  }
}

/** One file more was sent. Where all were sent it is a new one. */
const withSent = (count: FileCount, [path, bytes]: readonly [Name, number]): FileCount => {
  const { files, bytes: all, unsent, unsentBytes, reserved, oldest } = count;
  if (unsent <= reserved.length) return { ...count, files: files + 1, bytes: all + bytes };
  const left = { unsent: unsent - 1, unsentBytes: Math.max(0, unsentBytes - bytes) };
  return { ...count, ...left, oldest: oldest?.path === path ? undefined : oldest };
};
