import type { Config } from '../../config/config.ts';
import type { Report } from '../../core/events.ts';
import type { DirectoryPlan } from '../../core/lifecycle.ts';
import { plainMessage, TransportError } from '../../errors.ts';
import type { Repair } from '../../maintain/repair.ts';
import { showName } from '../../name.ts';
import { cannotWork } from '../../source/directory-failures.ts';
import { provenTotal } from '../../source/read-proof.ts';
import { createOpenFilesView } from '../../source/open-files.ts';
import type { Transport } from '../../transport.ts';
import { verifyDirectory } from '../../verify/verify-directory.ts';

export interface ComparisonOptions {
  readonly config: Config;
  readonly destinations: readonly Transport[];
  /** Compare content, not only size and mtime. */
  readonly checksum: boolean;
  readonly repair: Repair | undefined;
  readonly report: Report;
  readonly signal: AbortSignal;
}

const DIRECTORIES_AT_ONCE = 4;

/** Compares directories with each destination by itself: one that cannot be asked ends nothing but its own part. */
export class Comparison {
  /** Files that at least one destination was asked for. */
  checked = 0;
  missing = 0;
  different = 0;
  readonly #options: ComparisonOptions;
  readonly #writers = createOpenFilesView();
  /** Destinations that are not asked any more. */
  readonly #down = new Set<Transport>();
  readonly #unchecked = new Set<string>();
  #failedDirectories = 0;

  constructor(options: ComparisonOptions) {
    this.#options = options;
  }

  /** The destinations of which something could not be checked. */
  get unchecked(): readonly string[] {
    return [...this.#unchecked];
  }

  /** Everything could be checked. */
  get isWhole(): boolean {
    return this.#failedDirectories + this.#unchecked.size === 0;
  }

  /** Everything was checked, and every destination has it. */
  get isWell(): boolean {
    return this.isWhole && this.missing + this.different === 0;
  }

  async run(plans: readonly DirectoryPlan[]): Promise<void> {
    const left = [...plans];
    const { config, destinations, report } = this.#options;
    const known = plans.every(({ phase }) => phase === 'finished')
      ? provenTotal(
          config.source.root,
          plans.map(({ directory }) => directory.name),
        )
      : undefined;
    // Each destination is compared by itself.
    const times = destinations.length;
    const total = known === undefined ? {} : { total: { files: known.files * times, bytes: known.bytes * times } };
    report({ type: 'directories', count: left.length, ...total });
    const work = async (): Promise<void> => {
      for (let one = left.shift(); one !== undefined && !this.#isStopped(); one = left.shift())
        await this.#compare(one);
    };
    await Promise.all(Array.from({ length: DIRECTORIES_AT_ONCE }, work));
  }

  #isStopped(): boolean {
    return this.#options.signal.aborted || this.#down.size === this.#options.destinations.length;
  }

  async #compare(one: DirectoryPlan): Promise<void> {
    const up = this.#options.destinations.filter((transport) => !this.#down.has(transport));
    const results = await Promise.allSettled(up.map((transport) => this.#compareAt(transport, one)));
    if (this.#options.signal.aborted) return;
    this.#options.report({ type: 'looked-through', directory: one.directory.name });
    this.checked += Math.max(0, ...results.map((result) => (result.status === 'fulfilled' ? result.value : 0)));
    const reasons = results.flatMap((result, index): [unknown, Transport | undefined][] =>
      result.status === 'rejected' ? [[result.reason, up[index]]] : [],
    );
    for (const [reason, transport] of reasons)
      if (reason instanceof TransportError && transport !== undefined) this.#noteUnchecked(one, transport, reason);
    // The source's own failures are the same for every destination.
    const own = reasons.find(([reason]) => !(reason instanceof TransportError));
    if (own === undefined) return;
    this.#failedDirectories += 1;
    this.#warn(`Cannot verify ${showName(one.directory.name)}`, own[0], cannotWork(one.directory.name, own[0]).hint);
  }

  #compareAt(transport: Transport, one: DirectoryPlan): Promise<number> {
    const { config, checksum, repair, report, signal } = this.#options;
    return verifyDirectory(one, {
      config,
      destinations: [transport],
      writers: this.#writers,
      checksum,
      found: ({ file, kind, detail }, destination) => {
        this[kind] += 1;
        report({ type: 'discrepancy', path: file.targetPath, destination, kind, detail });
        repair?.takeBack(one.directory, file.targetPath);
      },
      compared: (files, bytes) => report({ type: 'compared', directory: one.directory.name, files, bytes }),
      uncheckable: (error) => this.#noteUnchecked(one, transport, error),
      signal,
    });
  }

  #noteUnchecked({ directory }: DirectoryPlan, transport: Transport, error: TransportError): void {
    this.#unchecked.add(transport.label);
    if (error.class === 'file') {
      this.#warn(`Cannot verify ${showName(directory.name)} at ${transport.label}`, error, error.hint);
      return;
    }
    // Its other directories would fail for the same reason.
    if (!this.#down.has(transport)) this.#warn(`Cannot verify at ${transport.label}`, error, error.hint);
    this.#down.add(transport);
  }

  #warn(what: string, error: unknown, hint: string | undefined): void {
    const why = plainMessage(error);
    // It may say the same itself.
    const state = why.startsWith('Cannot verify ') ? why : `${what}: ${why}`;
    const message = `${state}${hint === undefined ? '' : `; ${hint}`}`;
    this.#options.report({ type: 'note', level: 'warning', message });
  }
}
