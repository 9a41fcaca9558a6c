import type { Report } from '../../core/events.ts';
import type { RetryOptions } from '../../core/retry.ts';
import { showName, type Name } from '../../name.ts';
import { readContentSum } from '../../source/content-sum.ts';
import { isTemporaryOfRestore } from '../../source/markers.ts';
import type { StoredEntry, SummedFile, Transport } from '../../transport.ts';
import { Batch, type Outcome, type Wanted } from './batch.ts';
import { planDirectory, sortOut, type DirectoryPlan, type Stored } from './directory-plan.ts';
import { createPersistently, type Persistently } from './persistence.ts';
import { heldTimes } from './held-times.ts';
import { isInTheWay, keepsChanging } from './local-errors.ts';
import { withoutDisputed } from './other-copies.ts';
import { countStored, type Complete, type Place } from './place.ts';
import { readManifest } from './stored-manifest.ts';
import { Tally, type RestoreResult } from './tally.ts';
import { TargetTree } from './target-tree.ts';
import { batchesOf } from './batches.ts';
import { temporaryName } from './temporary-names.ts';

export interface RestoreOptions {
  readonly transport: Transport;
  readonly directory: Name;
  readonly place: Place;
  readonly overwrite: boolean;
  readonly dryRun: boolean;
  /** The site delivers `SHA256SUMS`, and `finished.parse`. */
  readonly manifest: boolean;
  readonly announce: boolean;
  /** The site has no other destination. */
  readonly isOnly: boolean;
  readonly isExcluded: (path: Name) => boolean;
  readonly retry: RetryOptions;
  readonly report: Report;
  readonly signal: AbortSignal;
}

const COMPARED_AT_ONCE = 2048;
/** A file that changes whenever it is fetched is given up after so many attempts. */
const MOST_CHANGES = 3;

/** Brings one directory back, file by file. What failed and what differs is told, and counted; the rest is done all the same. */
export class DirectoryRestore {
  readonly #tally: Tally;
  /** The one that gets its names, and the one that is fetched. */
  #batches: readonly Batch[] = [];
  readonly #persistently: Persistently;
  readonly #options: RestoreOptions;
  readonly #target: TargetTree;
  #sums: ReadonlyMap<Name, string> = new Map();
  /** Files of which nothing but size and mtime could be compared. */
  #uncompared = 0;

  constructor(options: RestoreOptions) {
    this.#options = options;
    this.#tally = new Tally(options);
    this.#persistently = createPersistently(options, () => this.#tally.result.restored);
    this.#target = new TargetTree(options.place.base, options.place.name);
  }

  get result(): Readonly<RestoreResult> {
    return this.#tally.result;
  }

  /** Bytes that are here of files that are not restored yet. */
  get partialBytes(): number {
    return this.#batches.reduce((sum, { partialBytes }) => sum + partialBytes, 0);
  }

  /** @throws TransportError where the destination cannot be asked, UserError where this disk takes nothing, the signal's reason */
  async run(): Promise<void> {
    using target = this.#target;
    const { directory, overwrite, dryRun, manifest, announce } = this.#options;
    const entries = await this.#list();
    if (entries.length === 0) {
      this.#tally.absent();
      return;
    }
    const stored = sortOut(directory, entries, { manifest, announce });
    this.#tally.leftOut(stored);
    this.#sums = await this.#readManifest(stored.manifest);
    const plan = planDirectory(target, stored.files, { overwrite });
    for (const { path, reason, hint } of plan.different) this.#tally.differs(path, reason, hint);
    const { held, others } = await this.#judgeTimes(plan.ofOtherTime);
    const found = [...plan.wanted, ...others, ...(await this.#compareContent([...plan.equal, ...held]))];
    const wanted = await withoutDisputed(found, stored, this.#options, this.#tally);
    this.#tally.found(wanted.map(({ entry }) => entry));
    if (dryRun) {
      for (const { entry } of wanted) this.#tally.restored(entry);
      return;
    }
    this.#makeFolders(stored.folders);
    await this.#fetchAll(wanted);
    const { failed, different } = this.result;
    if (failed + different > 0) {
      this.#tally.incomplete(this.#options.place);
      return;
    }
    this.#removeLeft(stored);
    this.#tally.finish(await this.#options.place.finish(this.#complete(stored)));
  }

  /** `others`: those that are to be fetched in place of what is here. */
  async #judgeTimes(
    files: DirectoryPlan['ofOtherTime'],
  ): Promise<{ readonly held: DirectoryPlan['equal']; readonly others: readonly Wanted[] }> {
    const { transport, place, overwrite, dryRun, signal } = this.#options;
    const known = await this.#persistently(() => heldTimes(files, { transport, place, dryRun, signal }));
    const others = files.filter((file) => !known.has(file));
    if (!overwrite) for (const { wanted, reason } of others) this.#tally.differs(wanted.path, reason);
    return { held: [...known], others: overwrite ? others.map(({ wanted }) => wanted) : [] };
  }

  #makeFolders(folders: Iterable<Name>): void {
    for (const folder of folders) {
      try {
        this.#target.folder(folder);
      } catch (error) {
        if (!isInTheWay(error)) throw error;
        this.#tally.folderDiffers(folder);
      }
    }
  }

  async #list(): Promise<StoredEntry[]> {
    const { transport, directory, signal } = this.#options;
    return this.#persistently(async () => {
      const entries: StoredEntry[] = [];
      await transport.listTree?.(directory, { deep: true, visit: (entry) => entries.push(entry) }, signal);
      return entries;
    });
  }

  async #readManifest(entry: StoredEntry | undefined): Promise<ReadonlyMap<Name, string>> {
    const { transport, report, signal } = this.#options;
    if (entry === undefined) return new Map();
    const sums = await this.#persistently(() => readManifest(transport, entry, signal));
    if (sums !== undefined) return sums;
    const message = `"${showName(entry.path)}" at ${transport.label} cannot be read as sums: contents are not compared with it`;
    report({ type: 'note', level: 'warning', message });
    return new Map();
  }

  /** Of what looks equal: what has another content. */
  async #compareContent(looksEqual: DirectoryPlan['equal']): Promise<Wanted[]> {
    const { transport, place, overwrite, signal } = this.#options;
    const { base, name } = place;
    const again: Wanted[] = [];
    for (let at = 0; at < looksEqual.length; at += COMPARED_AT_ONCE) {
      const files = looksEqual.slice(at, at + COMPARED_AT_ONCE);
      const asked: SummedFile[] = files.flatMap(({ wanted }) => (this.#sums.has(wanted.path) ? [] : [wanted.entry]));
      const far = await this.#persistently(
        async () => (await transport.sums?.(asked, signal)) ?? new Map<Name, string>(),
      );
      for (const { wanted, stats } of files) {
        const sum = this.#sums.get(wanted.path) ?? far.get(wanted.entry.path);
        const isSame =
          sum === undefined ||
          (await readContentSum(base, `${name}/${wanted.path}`, stats, signal))?.toString('hex') === sum;
        if (sum === undefined) this.#uncompared += 1;
        if (isSame) {
          this.#tally.result.equal += 1;
          place.have?.(wanted.path, stats, { isNew: false });
        } else if (overwrite) again.push(wanted);
        else this.#tally.differs(wanted.path, 'its content is another one here, of the same size and time');
      }
    }
    return again;
  }

  async #fetchAll(files: readonly Wanted[]): Promise<void> {
    const changes = new Map<Name, number>();
    let left = new Map(files.map((wanted) => [wanted.path, wanted]));
    while (left.size > 0) {
      const again = new Map<Name, Wanted>();
      const tell = (wanted: Wanted, outcome: Outcome): void => {
        left.delete(wanted.path);
        if (outcome.kind !== 'changed') return this.#note(wanted, outcome);
        const times = (changes.get(wanted.path) ?? 0) + 1;
        changes.set(wanted.path, times);
        if (times < MOST_CHANGES) again.set(wanted.path, { ...wanted, entry: outcome.now });
        else this.#tally.failed(wanted.entry.path, keepsChanging(wanted.entry, this.#options.transport.label));
      };
      await this.#persistently(() => this.#fetchInBatches([...left.values()], tell));
      left = again;
    }
  }

  /** While one batch gets its names, the next one is fetched. */
  async #fetchInBatches(files: readonly Wanted[], tell: (wanted: Wanted, outcome: Outcome) => void): Promise<void> {
    let publishing = Promise.resolve();
    for (const wanted of batchesOf(files)) {
      const batch = this.#batch(wanted, tell);
      this.#batches = [...this.#batches.slice(-1), batch];
      const failure = await batch.fetch();
      await publishing;
      publishing = batch.publish();
      publishing.catch(() => undefined); // Reported where it is awaited.
      if (failure === undefined) continue;
      await publishing;
      throw failure.error;
    }
    await publishing;
  }

  #batch(files: readonly Wanted[], tell: (wanted: Wanted, outcome: Outcome) => void): Batch {
    const { transport, place, signal } = this.#options;
    const options = {
      transport,
      target: this.#target,
      folder: `${place.base}/${place.name}`,
      scratch: place.scratch,
      temporaryName: (entry: StoredEntry) => temporaryName(entry, transport.label),
      isMarked: place.isMarked,
      manifest: this.#sums,
      signal,
    };
    return new Batch(options, files, tell);
  }

  #note({ entry, path }: Wanted, outcome: Exclude<Outcome, { kind: 'changed' }>): void {
    if (outcome.kind === 'failed') return this.#tally.failed(entry.path, outcome.error);
    if (outcome.kind === 'different') return this.#tally.differs(path, outcome.reason);
    const { have } = this.#options.place;
    const stats = have === undefined ? undefined : this.#target.stat(path);
    if (stats !== undefined) have?.(path, stats, { isNew: true });
    if (!outcome.isCompared) this.#uncompared += 1;
    this.#tally.restored(entry);
  }

  #complete(stored: Stored): Complete {
    const { isExcluded, place } = this.#options;
    const { restored } = this.result;
    return {
      ...countStored(stored, isExcluded, place.isMarked),
      restored,
      areContentsCompared: this.#uncompared === 0,
    };
  }

  /** Temporary files of restores that nothing will resume. */
  #removeLeft({ files }: Stored): void {
    const folders = new Set([...files.keys()].map((path) => path.slice(0, Math.max(0, path.lastIndexOf('/')))));
    for (const folder of folders) this.#target.removeWhere(folder, isTemporaryOfRestore);
  }
}
