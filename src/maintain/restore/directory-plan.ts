import type { BigIntStats } from 'node:fs';
import type { Name } from '../../name.ts';
import { FINISHED_PARSE, MANIFEST } from '../../source/markers.ts';
import type { StoredEntry } from '../../transport.ts';
import type { Wanted } from './batch.ts';
import { compareStored } from './compare-stored.ts';
import { cannotKeep, isInTheWay, MOVE_AWAY } from './local-errors.ts';
import { judgeName } from './stored-names.ts';
import type { TargetTree } from './target-tree.ts';

/** What stands at the destination, sorted out by its names. */
export interface Stored {
  readonly files: ReadonlyMap<Name, StoredEntry>;
  /** Folders below the directory. */
  readonly folders: ReadonlySet<Name>;
  readonly manifest: StoredEntry | undefined;
  /** Names that each complete directory of the site has there, and this one has not. */
  readonly lacks: readonly Name[];
  /** Names that are no path below the directory: nothing is done with them. */
  readonly unsafe: readonly Name[];
  /** Links, devices and the like. */
  readonly others: readonly Name[];
}

/** Pure. @param entries as the destination lists them, of one directory */
export const sortOut = (
  directory: Name,
  entries: readonly StoredEntry[],
  names: { readonly manifest: boolean; readonly announce?: boolean },
): Stored => {
  const files = new Map<Name, StoredEntry>();
  const folders = new Set<Name>();
  const [unsafe, others]: [Name[], Name[]] = [[], []];
  let manifest: StoredEntry | undefined;
  for (const entry of entries) {
    const path = entry.path.slice(directory.length + 1);
    const judged = entry.path.startsWith(`${directory}/`) ? judgeName(path, names) : 'unsafe';
    if (judged === 'unsafe') unsafe.push(entry.path);
    else if (judged === 'manifest') manifest = entry.kind === 'file' ? entry : manifest;
    else if (judged === 'file' || judged === 'marker') {
      if (entry.kind === 'other') others.push(path);
      else if (entry.kind === 'file') files.set(path, entry);
      else folders.add(path);
    }
  }
  const lacks = [
    ...(names.announce === true && !files.has(FINISHED_PARSE) ? [FINISHED_PARSE] : []),
    ...(names.manifest && manifest === undefined ? [MANIFEST] : []),
  ];
  return { files, folders, manifest, lacks, unsafe, others };
};

/** What is to be done for a directory, as it is here now. */
export interface DirectoryPlan {
  readonly wanted: readonly Wanted[];
  /** By size and mtime. */
  readonly equal: readonly { readonly wanted: Wanted; readonly stats: BigIntStats }[];
  /** As big, and of another time. */
  readonly ofOtherTime: readonly OfOtherTime[];
  readonly different: readonly Different[];
}

export interface Different {
  readonly path: Name;
  readonly reason: string;
  /** Where nothing is replaced: what to do. */
  readonly hint?: string;
}

export interface OfOtherTime {
  readonly wanted: Wanted;
  readonly stats: BigIntStats;
  readonly reason: string;
}

/** Looks at what is here under each name. */
export const planDirectory = (
  target: TargetTree,
  files: ReadonlyMap<Name, StoredEntry>,
  { overwrite }: { readonly overwrite: boolean },
): DirectoryPlan => {
  const wanted: Wanted[] = [];
  const equal: { readonly wanted: Wanted; readonly stats: BigIntStats }[] = [];
  const ofOtherTime: OfOtherTime[] = [];
  const different: Different[] = [];
  // Folder by folder, so that few of them are opened again.
  for (const path of [...files.keys()].sort()) {
    const entry = files.get(path);
    if (entry === undefined) continue;
    const stats = statOr(target, path);
    if (typeof stats === 'string') {
      different.push({ path, reason: stats, hint: MOVE_AWAY });
      continue;
    }
    const found = compareStored(stats, entry);
    if (found.kind === 'absent') wanted.push({ entry, path, replaces: false });
    else if (found.kind === 'equal' && stats !== undefined)
      equal.push({ wanted: { entry, path, replaces: overwrite }, stats });
    else if (found.kind === 'of-other-time' && stats !== undefined)
      ofOtherTime.push({ wanted: { entry, path, replaces: overwrite }, stats, reason: found.reason });
    else if (found.kind === 'different') {
      if (overwrite && found.mayBeReplaced) wanted.push({ entry, path, replaces: true });
      else different.push({ path, reason: found.reason, ...(found.mayBeReplaced ? {} : { hint: MOVE_AWAY }) });
    }
  }
  return { wanted, equal, ofOtherTime, different };
};

/** Or what is in the way. */
const statOr = (target: TargetTree, path: Name): BigIntStats | undefined | string => {
  try {
    return target.stat(path);
  } catch (error) {
    if (!isInTheWay(error)) throw cannotKeep(path, error);
    return 'a link or a file stands here where a folder must be';
  }
};
