import { lstatSync, opendirSync, type Stats } from 'node:fs';
import type { DirectorySnapshot } from '../core/lifecycle.ts';
import { plainMessage, systemErrorCode, UserError } from '../errors.ts';
import { decodeName, fsPath, looseForm, showName, type Name } from '../name.ts';
import { cureOf } from './directory-failures.ts';
import { isLinkElsewhere } from './linked-directories.ts';
import { FINISHED_PARSE, FINISHED_WATCH, isTemporaryName } from './markers.ts';
import { provenName } from './read-proof.ts';
import { isKnownType, readFolder, type IsExcluded } from './scanner.ts';

/** What one look at the root shows. */
export interface RootListing {
  readonly directories: readonly DirectorySnapshot[];
  /** Names that may be directories of the site: the disk does not say what they are. */
  readonly unreadable: readonly UnreadableDirectory[];
  /** Names of links that stand where directories of the site would be. */
  readonly links: readonly Name[];
}

export interface UnreadableDirectory {
  readonly name: Name;
  readonly error: unknown;
}

export interface SiteNames {
  readonly tag: string;
  readonly isExcluded: IsExcluded;
}

/** May a directory of this name be one of the site? */
export const isSiteName = (name: Name, { tag, isExcluded }: SiteNames): boolean =>
  name.startsWith(tag) && !isTemporaryName(name) && !isExcluded(name);

/**
 * Looks at the root: every directory that carries the tag.
 * @throws UserError where the root is missing, unreadable or no directory: that is never "nothing to do"
 */
export const readRoot = (root: Name, tag: string, isExcluded: IsExcluded): RootListing => {
  checkRoot(root);
  const directories: DirectorySnapshot[] = [];
  const unreadable: UnreadableDirectory[] = [];
  const links: Name[] = [];
  for (const name of namesIn(root, { tag, isExcluded })) {
    try {
      const snapshot = readDirectory(root, name);
      if (snapshot !== undefined) directories.push(snapshot);
      else if (isLinkElsewhere(root, name)) links.push(name);
    } catch (error) {
      if (systemErrorCode(error) === undefined) throw error;
      unreadable.push({ name, error });
    }
  }
  return { directories: withTwins(directories), unreadable, links: links.toSorted() };
};

const withTwins = (directories: readonly DirectorySnapshot[]): readonly DirectorySnapshot[] => {
  const byForm = Map.groupBy(directories, ({ name }) => looseForm(name));
  if (byForm.size === directories.length) return directories;
  return directories.map((directory) => {
    const twins = (byForm.get(looseForm(directory.name)) ?? []).filter((other) => other !== directory);
    return twins.length === 0 ? directory : { ...directory, twins: twins.map(({ name }) => name) };
  });
};

function* namesIn(root: Name, names: SiteNames): Generator<Name> {
  try {
    for (const entry of readFolder(root)) {
      const name = decodeName(entry.name);
      if (!isSiteName(name, names)) continue;
      if (entry.isDirectory() || entry.isSymbolicLink() || !isKnownType(entry)) yield name;
    }
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    throw unreadableRoot(root, error);
  }
}

/** @throws UserError where the root is missing, may not be listed and entered, or is no directory */
export const checkRoot = (root: Name): void => {
  let stats;
  try {
    stats = lstatSync(fsPath(root));
    if (stats.isDirectory()) {
      opendirSync(fsPath(root)).closeSync();
      lstatSync(fsPath(`${root}/.`)); // Who may list it need not be allowed to enter it.
    }
  } catch (error) {
    throw unreadableRoot(root, error);
  }
  if (stats.isDirectory()) return;
  throw new UserError(
    `Cannot use source.root "${showName(root)}": it is ${stats.isSymbolicLink() ? 'a symbolic link' : 'not a directory'}`,
    {
      hint: 'write the real path of a directory into source.root',
    },
  );
};

/** Why the root cannot be read now; undefined: it can. */
export const whyNoRoot = (root: Name): UserError | undefined => {
  try {
    checkRoot(root);
    return undefined;
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
};

const unreadableRoot = (root: Name, error: unknown): UserError => {
  const code = systemErrorCode(error);
  if (code === undefined) throw error;
  const isAway = code === 'ENOENT' || code === 'ENOTDIR';
  return new UserError(
    `Cannot read source.root "${showName(root)}": ${code === 'ENOENT' ? 'it is not there' : plainMessage(error)}`,
    {
      hint: isAway
        ? 'create it, mount it, or correct source.root in the configuration'
        : code === 'EACCES'
          ? 'let the user that runs isocket read it (r-x), or run isocket as the parser’s user'
          : cureOf(error),
      cause: error,
    },
  );
};

/**
 * `finished.watch` gets its name and its ctime by one rename; the folder's mtime may be a clock tick later. Our `writeFinishedWatch`
 * sets the ctime once more after the rename, for file systems where a rename does not.
 */
const LATE_AFTER_MS = 10;
/** Between its content and its ctime lies an fsync. */
const COPIED_AFTER_MS = 1000;

/**
 * Looks at one name in the root. undefined: it is no directory.
 * @throws system errors where the disk does not say
 */
export const readDirectory = (root: Name, name: Name): DirectorySnapshot | undefined => {
  const path = `${root}/${name}`;
  const stats = lstatSync(fsPath(path), { bigint: true, throwIfNoEntry: false });
  if (stats?.isDirectory() !== true) return undefined;
  const finished = markerStats(path, FINISHED_WATCH);
  // A finished directory costs no second look.
  const closed = finished === undefined ? markerStats(path, FINISHED_PARSE) : undefined;
  // A rename moves the ctime (chmod too), and so does a copy that keeps times that of the proof: only then it is read.
  const isMoved = finished !== undefined && Number(stats.ctimeMs) > finished.ctimeMs + LATE_AFTER_MS;
  const isCopied = finished !== undefined && finished.ctimeMs > finished.mtimeMs + COPIED_AFTER_MS;
  const finishedAs = isMoved || isCopied ? provenName(path) : undefined;
  const isRenamed = finishedAs !== undefined && finishedAs !== name;
  return {
    name,
    dev: stats.dev,
    ino: stats.ino,
    birthNs: stats.birthtimeNs,
    mtimeNs: stats.mtimeNs,
    finishedWatch: finished !== undefined,
    finishedParse: closed !== undefined,
    ...markedAt(finished ?? closed),
    late: isRenamed || (finished !== undefined && Number(stats.mtimeMs) > finished.ctimeMs + LATE_AFTER_MS),
    ...(isRenamed ? { finishedAs } : {}),
  };
};

const markedAt = (marker: Stats | undefined): { readonly markedNs?: bigint } =>
  marker === undefined ? {} : { markedNs: BigInt(Math.floor(marker.mtimeMs * 1000)) * 1000n };

const markerStats = (directoryPath: Name, marker: string): Stats | undefined => {
  try {
    const stats = lstatSync(fsPath(`${directoryPath}/${marker}`), { throwIfNoEntry: false });
    return stats?.isFile() === true ? stats : undefined;
  } catch (error) {
    // It counts as unfinished; whoever lists it tells why that cannot be done.
    if (systemErrorCode(error) === undefined) throw error;
    return undefined;
  }
};
