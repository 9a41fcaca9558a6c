import { fsyncSync, futimesSync, lstatSync, renameSync, type BigIntStats } from 'node:fs';
import type { Config } from '../../config/config.ts';
import type { Report } from '../../core/events.ts';
import { systemErrorCode, UserError } from '../../errors.ts';
import { wholeSeconds } from '../../identity.ts';
import { writeFinishedWatch } from '../../marks/finished-watch.ts';
import { isMarked } from '../../marks/mark.ts';
import { destinationKeys } from '../../marks/record-hash.ts';
import type { MarkRecord } from '../../marks/mark-record.ts';
import { beginRecord, openDirectoryRecord } from '../../marks/record.ts';
import type { StateFolder } from '../../marks/state.ts';
import { ownCommand } from '../../host/own-command.ts';
import { fsPath, showName, type Name } from '../../name.ts';
import { createIsExcluded } from '../../source/exclude.ts';
import { createIsReserved, isMarker } from '../../source/markers.ts';
import { inFolder, pathAt } from '../../source/open-beneath.ts';
import { readDirectory } from '../../source/root.ts';
import { walk } from '../../source/scanner.ts';
import type { ExpectedFile, Transport } from '../../transport.ts';
import type { Stored } from './directory-plan.ts';
import { cannotKeep } from './local-errors.ts';
import { compareCopy, describeCopy } from './other-copies.ts';
import { describeLacks, type Complete, type Finish, type Place } from './place.ts';
import { proofOf, touchProof, writeClosed } from './proof.ts';
import { syncFileSystem } from './sync-disk.ts';
import { makeWorkFolder, removeEmptyWorkFolder, removeWorkFolder } from './work-folder.ts';

export interface RootPlaceOptions {
  readonly config: Config;
  readonly state: StateFolder;
  readonly destinations: readonly Transport[];
  /** The destination from which it is brought back: one of these. */
  readonly from: Transport;
  readonly directory: Name;
  readonly report: Report;
  readonly signal: AbortSignal;
}

const [TREE, SCRATCH] = ['tree', 'scratch'];
const VERIFIED_AT_ONCE = 1000;

/**
 * The root of the site. A directory that is not there is brought back beside it, under a name that is no directory of the site, and gets its own
 * when all of it is there, with the record and `finished.watch`: to nobody it was ever newer, or unfinished. Into one that is there each file
 * comes under its name, with mark and record; it is finished as far as it was.
 */
export const openRootPlace = (options: RootPlaceOptions): Place => {
  const { root } = options.config.source;
  const { directory } = options;
  const there = lstatSync(fsPath(`${root}/${directory}`), { bigint: true, throwIfNoEntry: false });
  if (there !== undefined && !there.isDirectory())
    throw new UserError(
      `Cannot restore "${showName(directory)}": something that is no directory has its name in ${showName(root)}`,
      {
        hint: 'move it away, or restore to another folder with --to',
        exitCode: 3,
      },
    );
  const isStaged = there === undefined;
  const work = makeWorkFolder(root, directory, isStaged ? TREE : SCRATCH);
  if (isStaged) makeWorkFolder(root, directory, SCRATCH);
  return new RootPlace(options, work, there);
};

class RootPlace implements Place {
  readonly base: Name;
  readonly name: Name;
  readonly scratch: Name;
  readonly #options: RootPlaceOptions;
  readonly #isStaged: boolean;
  readonly #record: MarkRecord;
  readonly #index: number;
  /** Destinations that cannot be asked. */
  readonly #silent = new Set<Transport>();
  readonly #isExcluded: (path: Name) => boolean;
  readonly #isReserved: (path: Name) => boolean;

  constructor(options: RootPlaceOptions, work: Name, there: BigIntStats | undefined) {
    const isStaged = there === undefined;
    const { config, state, destinations, from, directory, report } = options;
    const { root, exclude } = config.source;
    this.#options = options;
    this.#isStaged = isStaged;
    this.base = isStaged ? work : root;
    this.name = isStaged ? TREE : directory;
    this.scratch = `${work}/${SCRATCH}`;
    this.#index = destinations.indexOf(from);
    this.#isExcluded = createIsExcluded(exclude);
    this.#isReserved = createIsReserved(config.manifest);
    const warn = (message: string): void => report({ type: 'note', level: 'warning', message });
    this.#record = openDirectoryRecord(state, directory, destinationKeys(config.destinations), warn);
  }

  readonly isMarked = (path: Name): boolean => !isMarker(path) && !this.#isExcluded(path) && !this.#isReserved(path);

  /** Only what bears the mark is recorded; what was changed since it was confirmed is not believed for its size and time. */
  readonly have = (path: Name, stats: BigIntStats, { isNew }: { readonly isNew: boolean }): void => {
    if (!isMarked(stats) || !this.isMarked(path)) return;
    if (isNew || this.#isStaged || this.#record.lookUp(path, stats) === 'unknown')
      this.#record.addFor(path, stats, this.#index);
  };

  /** Into a directory that is there what is here of it stays. */
  readonly askOthers = async (
    files: Stored['files'],
    wanted: ReadonlySet<Name>,
  ): Promise<ReadonlyMap<Name, string>> => {
    const { config, destinations, from, directory, report, signal } = this.#options;
    const asked = this.#isStaged ? files : new Map([...files].filter(([path]) => wanted.has(path)));
    const disputed = new Map<Name, string>();
    for (const [index, transport] of destinations.entries()) {
      if (index === this.#index) continue;
      const options = { from, directory, manifest: config.manifest, isSent: this.isMarked, signal };
      const copy = await compareCopy(transport, asked, files, options);
      if (copy.failure !== undefined) this.#silent.add(transport);
      for (const [path, reason] of copy.different) disputed.set(path, reason);
      const message = describeCopy(copy, { directory, from, number: index + 1 });
      if (message !== undefined) report({ type: 'note', level: 'warning', message });
    }
    return disputed;
  };

  readonly finish = async (done: Complete): Promise<Finish> => {
    try {
      const lacking = await this.#recordOthers();
      const finish = this.#isStaged ? await this.#putInPlace(done, lacking) : this.#finishAgain(done);
      removeWorkFolder(this.#options.config.source.root, this.#options.directory);
      this.#warnOfLacks(done);
      return finish;
    } catch (error) {
      throw systemErrorCode(error) === undefined ? error : cannotKeep(this.#path, error);
    }
  };

  [Symbol.dispose](): void {
    this.#record[Symbol.dispose]();
    const { config, directory } = this.#options;
    removeEmptyWorkFolder(config.source.root, directory, [TREE, SCRATCH]);
  }

  get incomplete(): string {
    const shown = showName(this.#options.directory);
    return this.#isStaged
      ? `${shown} is not put into ${showName(this.#options.config.source.root)}, where it would pass for whole: what is here of it is kept in ${showName(this.base)}, and the next restore goes on with it`
      : `${shown} is not all back: mend what is named above, and run it again; what came back stays, and ${ownCommand('status')} says how it stands`;
  }

  get #path(): Name {
    return `${this.#options.config.source.root}/${this.#options.directory}`;
  }

  #warnOfLacks({ lacks }: Complete): void {
    const { directory, from, report } = this.#options;
    if (lacks.length === 0) return;
    report({ type: 'note', level: 'warning', message: describeLacks(directory, lacks, from.label) });
  }

  /** Which other destinations lack something of what was brought back: the record says what they have. */
  async #recordOthers(): Promise<readonly string[]> {
    const { destinations, signal } = this.#options;
    const lacking = new Set([...this.#silent].map(({ label }) => label));
    if (destinations.length === 1) return [];
    const ask = async (
      files: ReadonlyMap<ExpectedFile, { readonly path: Name; readonly stats: BigIntStats }>,
    ): Promise<void> => {
      for (const [index, transport] of destinations.entries()) {
        if (index === this.#index || this.#silent.has(transport)) continue;
        const found = await transport.verify([...files.keys()], { checksum: false }, signal);
        const wrong = new Set(found.map(({ file }) => file));
        if (wrong.size > 0) lacking.add(transport.label);
        for (const [file, { path, stats }] of files) if (!wrong.has(file)) this.#record.addFor(path, stats, index);
      }
    };
    let files = new Map<ExpectedFile, { readonly path: Name; readonly stats: BigIntStats }>();
    for (const entry of walk(`${this.base}/${this.name}`, this.#isExcluded)) {
      if (entry.kind !== 'file' || !this.isMarked(entry.path) || !isMarked(entry.stats)) continue;
      const { path, stats } = entry;
      if (!this.#record.has(path, stats, this.#index)) continue;
      files.set(this.#expect(path, stats), { path, stats });
      if (files.size < VERIFIED_AT_ONCE) continue;
      await ask(files);
      files = new Map();
    }
    if (files.size > 0) await ask(files);
    return [...lacking];
  }

  #expect(path: Name, { size, mtimeNs }: BigIntStats): ExpectedFile {
    const targetPath = `${this.#options.directory}/${path}`;
    const sourcePath = `${this.base}/${this.name}/${path}`;
    return { sourcePath, targetPath, size, mtimeSeconds: wholeSeconds(mtimeNs) };
  }

  /** It gets `finished.parse`, so that nobody takes it for one that a parser is at, its proof, the time of its newest file, and its name. */
  async #putInPlace(done: Complete, lacking: readonly string[]): Promise<Finish> {
    const { config, state, directory } = this.#options;
    const { root } = config.source;
    // Marks that nothing explains are claims: every destination is asked for them, the silent ones when they answer.
    if (this.#silent.size > 0) beginRecord(state.recordPath(directory), [], () => undefined)[Symbol.dispose]();
    const { dev, ino } = inFolder(this.base, TREE, (folder) => {
      writeClosed(folder, done.last);
      return lstatSync(fsPath(pathAt(folder, '.')), { bigint: true });
    });
    if (lacking.length === 0) writeFinishedWatch(this.base, { name: TREE, dev, ino }, proofOf(done, this.#options));
    inFolder(this.base, TREE, (folder) => {
      if (done.last === undefined) return;
      const time = new Date(done.last * 1000);
      futimesSync(folder, time, time);
    });
    await syncFileSystem(root);
    if (lstatSync(fsPath(this.#path), { throwIfNoEntry: false }) !== undefined)
      throw Object.assign(new Error('it has come meanwhile'), { code: 'EEXIST' });
    renameSync(fsPath(`${this.base}/${TREE}`), fsPath(this.#path));
    // Its ctime is then not older than the directory's, which would be looked at each time for another name.
    if (lacking.length === 0) inFolder(root, directory, touchProof);
    inFolder(root, '', fsyncSync);
    if (lacking.length === 0) return { isFinished: true };
    const note = `${showName(directory)} is not all at ${lacking.map(showName).join(', ')}: the next scan sends there what is missing, and finishes it`;
    return { isFinished: false, note };
  }

  /** A finished directory into which something came back has a proof that holds again, where all in it is proven. */
  #finishAgain(done: Complete): Finish {
    const [{ directory }, { root }] = [this.#options, this.#options.config.source];
    const now = readDirectory(root, directory);
    if (now?.finishedWatch !== true) return { isFinished: false };
    // Its proof holds as it is: that all was compared once more adds nothing to it.
    if (done.restored === 0 && now.late !== true) return { isFinished: true };
    const { files, bytes, skipped, excluded, isProven } = this.#lookAtAll();
    if (!isProven) {
      const note = `${showName(directory)} was finished, and has files that no record proves: ${ownCommand('verify', directory)} shows which, ${ownCommand('reset', directory)} sends it again`;
      return { isFinished: false, note };
    }
    writeFinishedWatch(root, now, proofOf({ ...done, files, bytes, skipped, excluded }, this.#options));
    return { isFinished: true };
  }

  #lookAtAll(): { files: number; bytes: number; skipped: number; excluded: number; isProven: boolean } {
    const all = { files: 0, bytes: 0, skipped: 0, excluded: 0, isProven: true };
    for (const entry of walk(this.#path, this.#isExcluded)) {
      if (entry.kind === 'skipped') all[entry.why === 'excluded' ? 'excluded' : 'skipped'] += 1;
      if (entry.kind === 'unreadable' || entry.kind === 'reserved') all.isProven = false;
      if (entry.kind !== 'file') continue;
      all.files += 1;
      all.bytes += Number(entry.stats.size);
      all.isProven &&= isMarked(entry.stats) && this.#record.lookUp(entry.path, entry.stats) === 'confirmed';
    }
    return all;
  }
}
