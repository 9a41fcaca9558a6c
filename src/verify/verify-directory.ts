import { lstatSync, type BigIntStats } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Config } from '../config/config.ts';
import { createIsExcluded } from '../source/exclude.ts';
import type { DirectoryPlan } from '../core/lifecycle.ts';
import { isMarked } from '../marks/mark.ts';
import { heldBack } from '../core/readiness.ts';
import { fsPath, type Name } from '../name.ts';
import { unreadableIn } from '../source/directory-failures.ts';
import { walk, type Entry } from '../source/scanner.ts';
import type { Discrepancy, Transport, TransportError } from '../transport.ts';
import type { LocalFile } from './folder-check.ts';
import { Verification } from './verification.ts';
import type { OpenFilesView } from '../source/open-files.ts';

export interface VerifyOptions {
  readonly config: Config;
  readonly destinations: readonly Transport[];
  readonly writers: OpenFilesView;
  /** Compare content, not only size and mtime. */
  readonly checksum: boolean;
  readonly found: (discrepancy: Discrepancy, destination: string) => void;
  /** Called now and then with how many more were compared: for progress. */
  readonly compared?: (files: number, bytes: number) => void;
  /** Called for each file that a destination does not let us compare. Without it none of the directory counts as compared. */
  readonly uncheckable?: (error: TransportError, destination: string) => void;
  readonly signal: AbortSignal;
}

const ENTRIES_A_TURN = 256;
const WRITERS_AGE_MS = 1000;

const FILES_A_PORTION = 256;
const BYTES_A_PORTION = 64 * 1024 * 1024;

/** Tells of many files in few calls. */
class Portions {
  readonly #tell: (files: number, bytes: number) => void;
  #files = 0;
  #bytes = 0;

  constructor(tell: (files: number, bytes: number) => void) {
    this.#tell = tell;
  }

  add({ size }: LocalFile): void {
    this.#files += 1;
    this.#bytes += Number(size);
    if (this.#files >= FILES_A_PORTION || this.#bytes >= BYTES_A_PORTION) this.flush();
  }

  flush(): void {
    if (this.#files > 0) this.#tell(this.#files, this.#bytes);
    this.#files = 0;
    this.#bytes = 0;
  }
}

/**
 * Compares one directory with every destination: each of its files, sent or not, but those that are still being written.
 * Returns how many were compared. Whether a file is sent is no matter of marks here: only what is there counts.
 */
export const verifyDirectory = async (
  { directory, phase, closedBy }: DirectoryPlan,
  { config, destinations, writers, checksum, found, compared, uncheckable, signal }: VerifyOptions,
): Promise<number> => {
  const { root, exclude, settleMs } = config.source;
  let checked = 0;
  const moved = new Set<Name>();
  const portions = new Portions(compared ?? (() => undefined));
  const verification = new Verification({
    root,
    directory: directory.name,
    destinations,
    checksum,
    different: (discrepancy, file, destination) => {
      portions.add(file);
      if (isStillSo(`${root}/${directory.name}/${file.path}`, file)) found(discrepancy, destination);
      else moved.add(file.path);
    },
    ...(compared === undefined ? {} : { equal: (file: LocalFile) => portions.add(file) }),
    ...(uncheckable === undefined
      ? {}
      : {
          uncheckable: (error: TransportError, destination: string) => {
            checked -= 1;
            uncheckable(error, destination);
          },
        }),
    signal,
  });
  const openFilesNow = writers(WRITERS_AGE_MS);
  const now = Date.now();
  const isBeingWritten = (stats: BigIntStats): boolean => {
    const quietMs = now - Number(stats.ctimeMs);
    const candidate = { closedByParser: closedBy === 'parser', quietMs, writer: openFilesNow.writerOf(stats) };
    return heldBack(candidate, settleMs) !== undefined;
  };
  let entries = 0;
  let unreadable: Extract<Entry, { kind: 'unreadable' }> | undefined;
  for (const entry of walk(`${root}/${directory.name}`, createIsExcluded(exclude))) {
    if ((entries += 1) % ENTRIES_A_TURN === 0) {
      await nextTurn();
      signal.throwIfAborted();
    }
    if (entry.kind === 'unreadable') unreadable ??= entry;
    if (entry.kind !== 'file') continue;
    const { path, stats } = entry;
    if (phase !== 'finished' && !isMarked(stats) && isBeingWritten(stats)) continue;
    checked += 1;
    const wait = verification.add({ path, size: stats.size, mtimeNs: stats.mtimeNs });
    if (wait !== undefined) await wait;
  }
  await verification.end();
  portions.flush();
  // All else is compared first.
  if (unreadable !== undefined) throw unreadableIn(unreadable);
  return checked - moved.size;
};

/** Of a file that was changed or deleted here meanwhile no destination can be wrong. */
const isStillSo = (path: Name, { size, mtimeNs }: LocalFile): boolean => {
  const now = lstatSync(fsPath(path), { bigint: true, throwIfNoEntry: false });
  return now?.size === size && now.mtimeNs === mtimeNs;
};
