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

  constructor(options: BestEffortOptions) {
    this.#options = options;
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

  [Symbol.dispose](): void {
    this.#notes[Symbol.dispose]();
  }

  async #fill(to: SiteEnd, only: ReadonlySet<Name> | undefined): Promise<void> {
    const { config, state, required, isBeside, signal } = this.#options;
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
    const told = new Told(this.#options.report, label, this.#notes);
    const from = required;
    await fill({ config, state, to, from, plans: wanted, isBeside, report: told.report, signal });
    if (isStopped()) return;
    if (told.isDown) {
      this.#down.add(label);
      return;
    }
    this.#down.delete(label);
    if (this.#notes.answered(label)) told.restored();
    // What is refused was told: it is not tried each minute. `status` goes on counting it.
    for (const { phase, directory } of wanted) if (phase === 'finished') this.#notes.forget(label, directory.name);
  }

  /** `isocket fill` may have brought there what it waited for. */
  async #askIfDown({ transport }: SiteEnd): Promise<void> {
    const { config, signal } = this.#options;
    if (!this.#notes.isDown(transport.label)) return;
    if (await areReached([transport], { root: config.source.root, signal })) this.#notes.answered(transport.label);
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
    return (proof as { readonly files?: unknown } | undefined | null)?.files === 0 || namedIn(proof).has(label);
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

/** What is told of a fill that nobody asked for. */
class Told {
  isDown = false;
  readonly #report: Report;
  readonly #label: string;
  readonly #notes: BestEffortNotes;

  constructor(report: Report, label: string, notes: BestEffortNotes) {
    this.#report = report;
    this.#label = label;
    this.#notes = notes;
  }

  readonly report: Report = (event) => {
    if (event.type === 'filled' || event.type === 'note') this.#report(event);
    else if (event.type === 'failed') this.#warn(event.message, event.hint);
    else if (event.type === 'connection' && event.state === 'lost' && !event.retrying) {
      this.isDown = true;
      if (event.destination !== this.#label || this.#notes.failed(this.#label, event.message))
        this.#warn(event.message, event.hint);
    }
  };

  restored(): void {
    this.#report({ type: 'note', level: 'info', message: `best effort: ${this.#label} is reached again` });
  }

  #warn(message: string, hint: string | undefined): void {
    const text = `best effort, nothing waits for it: ${message}${hint === undefined ? '' : `; ${hint}`}`;
    this.#report({ type: 'note', level: 'warning', message: text });
  }
}
