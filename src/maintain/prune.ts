import { fsyncSync, lstatSync, rmSync, statfsSync } from 'node:fs';
import { deleteDirectory } from './delete-directory.ts';
import {
  absentThere,
  CHANGED_MEANWHILE,
  changedIn,
  failing,
  reservedIn,
  skippedIn,
  unmarkedIn,
  writtenIn,
  type Doubt,
} from './doubt.ts';
import { systemErrorCode, TransportError } from '../errors.ts';
import type { Config } from '../config/config.ts';
import { createIsExcluded } from '../source/exclude.ts';
import type { Report } from '../core/events.ts';
import { pathAt, inFolder } from '../source/open-beneath.ts';
import { plan, type DirectoryPlan, type DirectorySnapshot } from '../core/lifecycle.ts';
import { ownCommand } from '../host/own-command.ts';
import { isMarked } from '../marks/mark.ts';
import { FINISHED_WATCH } from '../source/markers.ts';
import { fsPath, showName, type Name } from '../name.ts';
import { namedIn } from '../marks/finished-elsewhere.ts';
import { readRecord } from '../marks/record.ts';
import { destinationKeys } from '../marks/record-hash.ts';
import { createStateSet, type StateSet } from '../marks/state-set.ts';
import { unreadableIn } from '../source/directory-failures.ts';
import { provenTotal, readProof } from '../source/read-proof.ts';
import { readRoot } from '../source/root.ts';
import { walk } from '../source/scanner.ts';
import type { StateFolder } from '../marks/state.ts';
import type { Transport } from '../transport.ts';
import { verifyDirectory } from '../verify/verify-directory.ts';
import { createOpenFilesView, type OpenFilesView } from '../source/open-files.ts';

export interface PruneOptions {
  readonly config: Config;
  readonly state: StateFolder;
  readonly destinations: readonly Transport[];
  /** Best-effort destinations, as proofs name them: they decide nothing, and one that lacks a directory is named. */
  readonly bestEffort?: readonly string[];
  /** Finished at least so long ago. */
  readonly olderThanMs: number;
  /** Stop when so much of the file system is free, 0–1; undefined: delete all that are old enough. */
  readonly untilFree: number | undefined;
  readonly dryRun: boolean;
  /** Compare size and mtime only, and not content: a copy with a flipped bit counts as one. */
  readonly quick: boolean;
  readonly report: Report;
  readonly signal: AbortSignal;
}

export interface PruneResult {
  readonly pruned: number;
  readonly files: number;
  readonly bytes: number;
  /** Old enough, but kept because of a doubt. */
  readonly kept: number;
  /** Finished, and not old enough. */
  readonly younger: number;
  /** The newest directory, which stays whatever its age; '' where there is none. */
  readonly newest: Name;
}

/**
 * Deletes finished directories, oldest first: each when everything in it is known to be sent, is unchanged since, and has
 * just been compared by content with every destination. The newest directory and all that is unfinished stay. Any doubt keeps a directory.
 */
export const prune = async (options: PruneOptions): Promise<PruneResult> => {
  const { config, olderThanMs, untilFree, dryRun, report, signal } = options;
  const { root, tag, newest, exclude } = config.source;
  const writers = createOpenFilesView();
  const isStopped = (): boolean => signal.aborted;
  const { directories, unreadable } = readRoot(root, tag, createIsExcluded(exclude));
  const plans = plan(directories, newest);
  const result = { pruned: 0, files: 0, bytes: 0, kept: 0, younger: 0, newest: plans.at(-1)?.directory.name ?? '' };
  for (const { name, error } of unreadable) {
    result.kept += 1;
    report({ type: 'kept', directory: name, ...failing(error, 'it cannot be read: ') });
  }
  const finished = plans.slice(0, -1).filter(({ phase }) => phase === 'finished');
  const candidates = finished.filter(({ directory }) => finishedMsAgo(root, directory.name) >= olderThanMs);
  result.younger = finished.length - candidates.length;
  const total = untilFree === undefined ? provenTotal(root, candidates.map(nameOf)) : undefined;
  report({ type: 'directories', count: candidates.length, ...(total === undefined ? {} : { total }) });
  for (const [index, work] of candidates.entries()) {
    const { directory } = work;
    const before = candidates[index - 1]?.directory.name;
    if (before !== undefined) report({ type: 'looked-through', directory: before });
    if (isStopped() || (untilFree !== undefined && freeShare(root) >= untilFree)) break;
    const verdict = await examine(work, options, writers);
    if (isDoubt(verdict) && isStopped()) break;
    if (!isDoubt(verdict)) warnOfLacking(directory.name, options);
    const outcome = isDoubt(verdict) || dryRun ? verdict : deleteVerified(directory, verdict, options);
    if (isDoubt(outcome)) {
      result.kept += 1;
      report({ type: 'kept', directory: directory.name, ...outcome });
      continue;
    }
    result.pruned += 1;
    const { files, bytes } = outcome;
    result.files += files;
    result.bytes += bytes;
    report({ type: 'pruned', directory: directory.name, files, bytes, dryRun });
  }
  return result;
};

/** With the directory goes what a best-effort destination still lacks of it. */
const warnOfLacking = (name: Name, { config, bestEffort = [], report, dryRun }: PruneOptions): void => {
  const named = bestEffort.length === 0 ? new Set() : namedIn(readProof(`${config.source.root}/${name}`));
  for (const label of bestEffort.filter((one) => !named.has(one))) {
    const first = dryRun ? `; to send it there first: ${ownCommand('fill', label, name)}` : '';
    const message = `${showName(name)} is not known to be whole at ${showName(label)} (best effort), and cannot be sent there once it is deleted${first}`;
    report({ type: 'note', level: 'warning', message });
  }
};

const nameOf = ({ directory }: DirectoryPlan): Name => directory.name;

/** What may be deleted of a directory. */
interface Verified {
  readonly files: number;
  readonly bytes: number;
  /** The state of each file that was verified: nothing else is deleted. */
  readonly known: StateSet;
}

const isDoubt = (verdict: Verified | Doubt): verdict is Doubt => 'reason' in verdict;

/** Everything that is verified of a directory, or the doubt that keeps it. */
const examine = async (
  work: DirectoryPlan,
  { config, state, destinations, quick, report, signal }: PruneOptions,
  writers: OpenFilesView,
): Promise<Verified | Doubt> => {
  const { root, exclude } = config.source;
  const { directory } = work;
  const isExcluded = createIsExcluded(exclude);
  try {
    const record = readRecord(state.recordPath(directory.name), destinationKeys(config.destinations));
    let isRecorded = record !== undefined;
    const known = createStateSet();
    const openFilesNow = writers(0);
    let [files, bytes] = [0, 0];
    for (const entry of walk(`${root}/${directory.name}`, isExcluded)) {
      if (entry.kind === 'skipped') return skippedIn(entry.path, entry.why);
      if (entry.kind === 'folder') continue;
      if (entry.kind === 'unreadable') return failing(unreadableIn(entry));
      if (entry.kind === 'reserved') return reservedIn(directory.name, entry.path);
      const { stats } = entry;
      if (!isMarked(stats)) return unmarkedIn(directory.name, entry.path);
      const knowledge = record?.lookUp(entry.path, stats);
      if (knowledge === 'changed') return changedIn(directory.name, entry.path);
      isRecorded &&= knowledge === 'confirmed';
      const writer = openFilesNow.writerOf(stats);
      if (writer !== undefined) return writtenIn(entry.path, writer);
      known.add(stats);
      files += 1;
      bytes += Number(stats.size);
    }
    let [wrong, first] = [0, ''];
    const checked = await verifyDirectory(work, {
      config,
      destinations,
      writers,
      // Marks that no record explains prove less than ours: their content is compared in any case.
      checksum: !quick || !isRecorded,
      found: ({ file, detail }, destination) => {
        wrong += 1;
        if (wrong === 1) first = `"${showName(file.targetPath)}" at ${destination}: ${detail}`;
      },
      compared: (some, size) => report({ type: 'compared', directory: directory.name, files: some, bytes: size }),
      signal,
    });
    if (wrong > 0) return absentThere(directory.name, wrong, first);
    return checked === files ? { files, bytes, known } : CHANGED_MEANWHILE;
  } catch (error) {
    if (!(error instanceof TransportError) && systemErrorCode(error) === undefined && !signal.aborted) throw error;
    return failing(error);
  }
};

const deleteVerified = (
  directory: DirectorySnapshot,
  verified: Verified,
  { config, state }: PruneOptions,
): Verified | Doubt => {
  const { root } = config.source;
  try {
    deleteDirectory(root, directory, verified.known.has);
    rmSync(state.recordPath(directory.name), { force: true });
    inFolder(root, '', fsyncSync);
    return verified;
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return failing(error);
  }
};

/** The proof of a directory that was brought back bears an older time, and says when that was. */
const finishedMsAgo = (root: Name, name: Name): number => {
  const { mtimeMs } = inFolder(root, name, (folder) => lstatSync(fsPath(pathAt(folder, FINISHED_WATCH))));
  const { restored } = (readProof(`${root}/${name}`) ?? {}) as { readonly restored?: unknown };
  const restoredMs = typeof restored === 'string' ? Date.parse(restored) : NaN;
  return Date.now() - (restoredMs > mtimeMs ? restoredMs : mtimeMs);
};

/** As `df` has it: what an ordinary user may still write. */
const freeShare = (root: Name): number => {
  const { bavail, bfree, blocks } = statfsSync(fsPath(root));
  const usable = blocks - bfree + bavail;
  return usable === 0 ? 1 : bavail / usable;
};
