import { setTimeout as delay } from 'node:timers/promises';
import { isHostFailure } from '../errors.ts';
import type { MarkRecord, PresumedState } from '../marks/mark-record.ts';
import type { Name } from '../name.ts';
import { findOpenFilesInTurns, type OpenFiles } from '../source/open-files.ts';

export type Presumed = readonly (readonly [path: Name, state: PresumedState])[];

export interface LateProofOptions {
  readonly record: MarkRecord;
  readonly signal: AbortSignal;
  /** Looks at all processes. */
  readonly look?: () => Promise<OpenFiles>;
  readonly wait?: (ms: number, signal?: AbortSignal) => Promise<unknown>;
}

/** A look at all processes serves what was sent within so many milliseconds. */
const LOOK_AFTER_MS = 2000;
/** A close right before a look is heard within this time. */
const HEARD_WITHIN_MS = 500;
/** The same where a stop must not take long. */
const HEARD_AT_END_WITHIN_MS = 100;

/**
 * Proves what was sent because somebody closed it. Another process may have had it mapped and written to it by then: what that one
 * stores afterwards leaves no trace in the file's times, and all that tells of it is the close event at the end of the mapping, which
 * nobody hears while the daemon is down. So the record, which outlives the daemon, says that such a file is sent only once a look at all
 * processes, later than the read, found nobody who may write it, and no close event came for what ended before that look.
 */
export class LateProof {
  readonly #options: LateProofOptions;
  readonly #wait: NonNullable<LateProofOptions['wait']>;
  #isWatching = false;

  constructor(options: LateProofOptions) {
    this.#options = options;
    this.#wait = options.wait ?? ((ms, signal) => delay(ms, undefined, signal && { signal }));
  }

  /** Call it when something was presumed. Rejects with a defect. */
  begin(): Promise<void> | undefined {
    return this.#isWatching ? undefined : this.#watch();
  }

  /** Looks at once: nothing is sent any more. What a close event says within a moment still counts. */
  async end(): Promise<void> {
    if (!this.#hasPresumed) return;
    const looked = await this.#look();
    await this.#wait(HEARD_AT_END_WITHIN_MS);
    this.add(looked);
  }

  /** What is presumed now: for a look that begins now. */
  get presumed(): Presumed {
    const { presumed, partly } = this.#options.record;
    return [...presumed, ...[...partly].map(([path, { state }]) => [path, state] as const)];
  }

  /** It was closed once more. */
  doubt(path: Name): void {
    this.#options.record.doubt(path);
  }

  /** Close events were lost: all that is presumed is to be sent again. */
  doubtAll(): void {
    const { record } = this.#options;
    for (const path of [...record.presumed.keys(), ...record.partly.keys()]) record.doubt(path);
  }

  get #hasPresumed(): boolean {
    const { presumed, partly } = this.#options.record;
    return presumed.size + partly.size > 0;
  }

  async #watch(): Promise<void> {
    const { signal } = this.#options;
    this.#isWatching = true;
    try {
      while (this.#hasPresumed) {
        await this.#wait(LOOK_AFTER_MS, signal);
        const looked = await this.#look();
        await this.#wait(HEARD_WITHIN_MS, signal);
        this.add(looked);
      }
    } catch (error) {
      if (!signal.aborted) throw error; // `end` does the rest.
    } finally {
      this.#isWatching = false;
    }
  }

  /** Returns what nobody may write. The rest is sent again when its writer is gone. */
  async #look(): Promise<Presumed> {
    const { record, look = findOpenFilesInTurns } = this.#options;
    const { presumed } = this;
    const writers = await orNone(look);
    if (writers === undefined) return [];
    return presumed.filter(([path, state]) => {
      const isWritten = writers.writerOf(state) !== undefined;
      if (isWritten && isStill(record, path, state)) record.doubt(path);
      return !isWritten;
    });
  }

  /** A look at all processes found nobody who may write any of it. */
  add(looked: Presumed): void {
    const { record } = this.#options;
    for (const [path, state] of looked)
      if (record.presumed.get(path) === state) record.add(path, state);
      else if (record.partly.get(path)?.state === state) record.provePartly(path);
  }
}

const isStill = ({ presumed, partly }: MarkRecord, path: Name, state: PresumedState): boolean =>
  presumed.get(path) === state || partly.get(path)?.state === state;

/** undefined: no descriptor was left to look with; later, then. */
const orNone = async (look: () => Promise<OpenFiles>): Promise<OpenFiles | undefined> => {
  try {
    return await look();
  } catch (error) {
    if (!isHostFailure(error)) throw error;
    return undefined;
  }
};
