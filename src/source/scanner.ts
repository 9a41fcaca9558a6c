import { closeSync, lstatSync, opendirSync, type BigIntStats, type Dir, type Dirent, type Stats } from 'node:fs';
import { errorMessage, systemErrorCode, UserError } from '../errors.ts';
import type { SkippedKind } from '../core/events.ts';
import type { DirectorySnapshot } from '../core/lifecycle.ts';
import { pathAt, openFolderBeneath, splitPath } from './open-beneath.ts';
import { FINISHED_PARSE, FINISHED_WATCH, isMarker, isTemporaryName } from './markers.ts';
import { decodeName, fsPath, showName, type Name } from '../name.ts';

/** Is this path below the root or a directory (`sub/name`) one that the configuration excludes? */
export type IsExcluded = (path: Name) => boolean;

/** One thing that a listing of a directory shows. Paths are below the directory: "sub/name". */
export type Entry =
  | { readonly kind: 'file'; readonly path: Name; readonly stats: BigIntStats }
  | { readonly kind: 'folder'; readonly path: Name; readonly stats: BigIntStats }
  | { readonly kind: 'skipped'; readonly path: Name; readonly why: SkippedKind }
  /** A name that isocket needs itself, and that is no marker of this directory: it can never be sent so. */
  | { readonly kind: 'reserved'; readonly path: Name };

/**
 * Looks at the root: every directory that carries the tag.
 * @throws UserError where the root is missing, unreadable or no directory: that is never "nothing to do"
 */
export const readRoot = (root: Name, tag: string, isExcluded: IsExcluded): DirectorySnapshot[] => {
  checkRoot(root);
  const directories: DirectorySnapshot[] = [];
  for (const entry of readEntries(open(root))) {
    const name = decodeName(entry.name);
    if (!name.startsWith(tag) || isExcluded(name)) continue;
    const snapshot = entry.isDirectory() || !isKnownType(entry) ? readDirectory(root, name) : undefined;
    if (snapshot !== undefined) directories.push(snapshot);
  }
  return directories;
};

export const checkRoot = (root: Name): void => {
  let stats;
  try {
    stats = lstatSync(fsPath(root));
    if (stats.isDirectory()) opendirSync(fsPath(root)).closeSync();
  } catch (error) {
    const code = systemErrorCode(error);
    const state = code === 'ENOENT' ? 'it is not there' : code === 'EACCES' ? 'permission denied' : errorMessage(error);
    throw new UserError(`Cannot read source.root "${showName(root)}": ${state}`, {
      hint:
        code === 'EACCES'
          ? 'let the user that runs isocket read it (r-x), or run isocket as the parser’s user'
          : 'create it, mount it, or correct source.root in the configuration',
    });
  }
  if (stats.isDirectory()) return;
  throw new UserError(
    `Cannot use source.root "${showName(root)}": it is ${stats.isSymbolicLink() ? 'a symbolic link' : 'not a directory'}`,
    {
      hint: 'write the real path of a directory into source.root',
    },
  );
};

/**
 * `finished.watch` gets its name and its ctime by one rename; the folder's mtime may be a clock tick later. Our `writeFinishedWatch`
 * sets the ctime once more after the rename, for file systems where a rename does not.
 */
const LATE_AFTER_MS = 10;

const readDirectory = (root: Name, name: Name): DirectorySnapshot | undefined => {
  const path = `${root}/${name}`;
  const stats = lstatSync(fsPath(path), { bigint: true, throwIfNoEntry: false });
  if (stats?.isDirectory() !== true) return undefined;
  const finished = markerStats(path, FINISHED_WATCH);
  return {
    name,
    dev: stats.dev,
    ino: stats.ino,
    birthNs: stats.birthtimeNs,
    mtimeNs: stats.mtimeNs,
    finishedWatch: finished !== undefined,
    // A finished directory costs no second look.
    finishedParse: finished === undefined && markerStats(path, FINISHED_PARSE) !== undefined,
    late: finished !== undefined && Number(stats.mtimeMs) > finished.ctimeMs + LATE_AFTER_MS,
  };
};

const markerStats = (directoryPath: Name, marker: string): Stats | undefined => {
  try {
    const stats = lstatSync(fsPath(`${directoryPath}/${marker}`), { throwIfNoEntry: false });
    return stats?.isFile() === true ? stats : undefined;
  } catch (error) {
    // It counts as unfinished; whoever lists it tells why that cannot be done.
    if (systemErrorCode(error) === 'EACCES') return undefined;
    throw error;
  }
};

/**
 * Walks a directory, streaming: never more than a few hundred names of it are in memory. What vanishes while it is walked is
 * left out; the directory itself vanishing is an error (ENOENT). What it tells of a file is never of what a link points to, on
 * whatever part of its path: each folder is listed through its descriptor.
 */
export function* walk(directoryPath: Name, isExcluded: IsExcluded): Generator<Entry> {
  yield* walkFolder(directoryPath, '', isExcluded);
}

function* walkFolder(directoryPath: Name, folder: Name, isExcluded: IsExcluded): Generator<Entry> {
  const below = folder === '' ? '' : `${folder}/`;
  const subFolders: Name[] = [];
  const opened = openToList(directoryPath, folder);
  if (opened === 'symlink') yield { kind: 'skipped', path: folder, why: 'symlink' };
  if (typeof opened === 'string') return;
  try {
    for (const entry of readEntries(open(pathAt(opened, '.')))) {
      const name = decodeName(entry.name);
      const path = below + name;
      const kind = kindOf(entry);
      if (folder === '' && isMarker(name)) {
        if (!isRegularFile(entry, pathAt(opened, name))) yield { kind: 'reserved', path };
        continue;
      }
      if (isExcluded(path)) {
        yield { kind: 'skipped', path, why: 'excluded' };
        continue;
      }
      if (isTemporaryName(name)) {
        yield { kind: 'reserved', path };
        continue;
      }
      if (kind !== 'file' && kind !== 'folder' && kind !== 'unknown') {
        yield { kind: 'skipped', path, why: kind };
        continue;
      }
      const stats = lstatSync(fsPath(pathAt(opened, name)), { bigint: true, throwIfNoEntry: false });
      if (stats === undefined) continue;
      const now = kindOf(stats);
      if (now === 'folder') {
        yield { kind: 'folder', path, stats };
        subFolders.push(path);
      } else if (now === 'file') yield { kind: 'file', path, stats };
      else if (now !== 'unknown') yield { kind: 'skipped', path, why: now };
    }
  } finally {
    closeSync(opened);
  }
  for (const path of subFolders) yield* walkFolder(directoryPath, path, isExcluded);
}

/** A folder of a directory may have vanished since it was named, or have been swapped for a link: that is not followed. */
const openToList = (directoryPath: Name, folder: Name): number | 'vanished' | 'symlink' => {
  const { folder: root, name } = splitPath(directoryPath);
  try {
    return openFolderBeneath(root, folder === '' ? name : `${name}/${folder}`);
  } catch (error) {
    const code = systemErrorCode(error);
    if (folder !== '' && code === 'ENOENT') return 'vanished';
    if (folder !== '' && (code === 'ELOOP' || code === 'ENOTDIR')) return 'symlink';
    throw error;
  }
};

// The types know no listing of bytes, which Node has.
const open = (path: Name): Dir => opendirSync(fsPath(path), { encoding: 'buffer' as BufferEncoding, bufferSize: 512 });

/** The entries of a folder, by its path: for who only looks, and sends nothing of it. */
export const readFolder = (path: Name): Generator<Dirent<Buffer>> => readEntries(open(path));

function* readEntries(folder: Dir): Generator<Dirent<Buffer>> {
  try {
    for (let entry = folder.readSync(); entry !== null; entry = folder.readSync())
      yield entry as unknown as Dirent<Buffer>;
  } finally {
    folder.closeSync();
  }
}

type Typed = Pick<
  Dirent | BigIntStats,
  'isFile' | 'isDirectory' | 'isSymbolicLink' | 'isSocket' | 'isFIFO' | 'isCharacterDevice' | 'isBlockDevice'
>;

const kindOf = (entry: Typed): 'file' | 'folder' | 'unknown' | Exclude<SkippedKind, 'excluded'> => {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'folder';
  if (entry.isSymbolicLink()) return 'symlink';
  if (entry.isSocket()) return 'socket';
  if (entry.isFIFO()) return 'fifo';
  return entry.isCharacterDevice() || entry.isBlockDevice() ? 'device' : 'unknown';
};

/** Is this entry of a listing a folder (and no link to one)? */
export const isFolder = (entry: Dirent<Buffer>, path: Name): boolean =>
  entry.isDirectory() ||
  (!isKnownType(entry) && lstatSync(fsPath(path), { throwIfNoEntry: false })?.isDirectory() === true);

const isRegularFile = (entry: Dirent<Buffer>, path: Name): boolean =>
  entry.isFile() || (!isKnownType(entry) && lstatSync(fsPath(path), { throwIfNoEntry: false })?.isFile() === true);

/** Some file systems do not say in a listing what an entry is. */
const isKnownType = (entry: Typed): boolean => kindOf(entry) !== 'unknown';
