import type { Config } from '../../config/config.ts';
import type { IsocketEvent, Report } from '../../core/events.ts';
import type { DirectoryPlan, DirectorySnapshot } from '../../core/lifecycle.ts';
import { areReached } from '../../delivery/are-reached.ts';
import { systemErrorCode } from '../../errors.ts';
import { BestEffortNotes } from '../../marks/best-effort.ts';
import { namedIn } from '../../marks/finished-elsewhere.ts';
import type { StateFolder } from '../../marks/state.ts';
import type { Name } from '../../name.ts';
import { readProof } from '../../source/read-proof.ts';
import { readDirectory } from '../../source/root.ts';
import { fill, type SiteEnd } from './fill.ts';

export interface BestEffortOptions {
  readonly config: Config;
  readonly state: StateFolder;
  /** Files that these have are sent. */
  readonly required: readonly SiteEnd[];
  readonly destinations: readonly SiteEnd[];
  /** Others write into records of directories meanwhile: only what is finished is brought there. */
  readonly isBeside: boolean;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/**
 * Brings to the best-effort destinations (`required: false`) what the required ones have: of directories in which something was sent, as
 * events tell. Its failures are warnings, each outage once, and nothing waits for it.
 */
export class BestEffort implements Disposable {
  readonly #options: BestEffortOptions;
  readonly #notes: BestEffortNotes;
  /** Those that nothing got to when they were tried last. */
  readonly #down = new Set<string>();
  readonly #ended = new AbortController();
  readonly #signal: AbortSignal;

  constructor(options: BestEffortOptions) {
    this.#options = options;
    this.#signal = AbortSignal.any([options.signal, this.#ended.signal]);
    const labels = options.destinations.map(({ transport }) => transport.label);
    this.#notes = new BestEffortNotes(options.state.path, labels);
  }

  note(event: IsocketEvent): void {
    if (event.type === 'sent') this.#notes.note(event.path.split('/', 1)[0] ?? '');
    else if (event.type === 'finished' || event.type === 'claims') this.#notes.note(event.directory);
  }

  /** Nothing got to any of them when they were tried last. */
  get isDown(): boolean {
    return this.#down.size === this.#options.destinations.length;
  }

  /** @param only of these directories; undefined: of all that they wait for */
  async run(only?: ReadonlySet<Name>): Promise<void> {
    // One that is slow does not hold the others up.
    await Promise.all(this.#options.destinations.map((one) => this.#fill(one, only)));
    this.#notes.save();
  }

  /** What is under way ends; the next run goes on with it. */
  [Symbol.dispose](): void {
    this.#ended.abort();
    this.#notes[Symbol.dispose]();
  }

  async #fill(to: SiteEnd, only: ReadonlySet<Name> | undefined): Promise<void> {
    const { config, state, required, isBeside, report } = this.#options;
    const signal = this.#signal;
    const { label } = to.transport;
    const wanted = this.#waitingFor(label).filter(
      ({ phase, directory }) => only?.has(directory.name) !== false && (phase === 'finished' || !isBeside),
    );
    const isStopped = (): boolean => signal.aborted;
    if (isStopped()) return;
    if (wanted.length === 0) {
      await this.#askIfDown(to);
      return;
    }
    const finished = new Set(wanted.flatMap(({ phase, directory }) => (phase === 'finished' ? [directory.name] : [])));
    const told = new Told(report, { label, finished, notes: this.#notes });
    await fill({ config, state, to, from: required, plans: wanted, isBeside, report: told.report, signal });
    if (isStopped()) return;
    if (told.isDown) {
      this.#down.add(label);
      return;
    }
    this.#down.delete(label);
    if (this.#notes.answered(label)) told.restored();
    // What is refused was told: it is not tried each minute. `status` goes on counting it.
    for (const name of finished) this.#notes.forget(label, name);
  }

  /** `isocket fill` may have brought there what it waited for. */
  async #askIfDown({ transport }: SiteEnd): Promise<void> {
    if (!this.#notes.isDown(transport.label)) return;
    const { root } = this.#options.config.source;
    if (await areReached([transport], { root, signal: this.#signal })) this.#notes.answered(transport.label);
  }

  /** What it waits for, as it is on the disk now. */
  #waitingFor(label: string): DirectoryPlan[] {
    const { root } = this.#options.config.source;
    return [...this.#notes.waiting(label)].flatMap((name): DirectoryPlan[] => {
      const directory = lookAt(root, name);
      if (directory === 'unreadable') return [];
      // An unfinished one is as good as open: what is sent of it goes.
      const phase = directory?.finishedWatch === true ? 'finished' : 'open';
      const plan = directory && ({ directory, phase, closedBy: null } as const);
      if (plan !== undefined && !this.#isThere(plan, label)) return [plan];
      this.#notes.forget(label, name);
      return [];
    });
  }

  #isThere({ phase, directory }: DirectoryPlan, label: string): boolean {
    if (phase !== 'finished') return false;
    const proof = readProof(`${this.#options.config.source.root}/${directory.name}`);
    const isEmpty = (proof as { readonly files?: unknown } | undefined | null)?.files === 0;
    return (isEmpty && !this.#options.config.announce) || namedIn(proof).has(label);
  }
}

/** undefined: there is no such directory. */
const lookAt = (root: Name, name: Name): DirectorySnapshot | 'unreadable' | undefined => {
  try {
    return readDirectory(root, name);
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return 'unreadable';
  }
};

interface ToldAbout {
  readonly label: string;
  /** Directories that are tried once. */
  readonly finished: ReadonlySet<Name>;
  readonly notes: BestEffortNotes;
}

/** What is told of a fill that nobody asked for. */
class Told {
  isDown = false;
  readonly #report: Report;
  readonly #about: ToldAbout;

  constructor(report: Report, about: ToldAbout) {
    this.#report = report;
    this.#about = about;
  }

  readonly report: Report = (event) => {
    const { label, finished, notes } = this.#about;
    if (event.type === 'filled' || event.type === 'note') this.#report(event);
    else if (event.type === 'failed') this.#tell(event, finished.has(event.path.split('/', 1)[0] ?? ''));
    else if (event.type === 'connection' && event.state === 'lost' && !event.retrying) {
      this.isDown = true;
      // Of a required one the work on the site says it.
      if (event.destination === label) this.#tell(event, notes.failed(label, event.message));
    }
  };

  restored(): void {
    const message = `best effort: ${this.#about.label} is reached again`;
    this.#report({ type: 'note', level: 'info', message });
  }

  /** @param isNew else it was told, or is told when the directory is finished */
  #tell({ message, hint }: { readonly message: string; readonly hint?: string }, isNew: boolean): void {
    const text = `best effort, nothing waits for it: ${message}${hint === undefined ? '' : `; ${hint}`}`;
    this.#report({ type: 'note', level: isNew ? 'warning' : 'info', message: text });
  }
}
