import { Dirent, fstatSync, lstatSync, opendirSync, readdirSync, type BigIntStats, type Dir } from 'node:fs';
import { systemErrorCode } from '../errors.ts';
import type { SkippedKind } from '../core/events.ts';
import { pathAt, splitPath } from './open-beneath.ts';
import { isMarker, isTemporaryName } from './markers.ts';
import { decodeName, encodeName, fsPath, type Name } from '../name.ts';
import { TreeCursor } from './tree-cursor.ts';

/** Is this path below the root or a directory (`sub/name`) one that the configuration excludes? */
export type IsExcluded = (path: Name) => boolean;

/** One thing that a listing of a directory shows. Paths are below the directory: "sub/name". */
export type Entry =
  | { readonly kind: 'file'; readonly path: Name; readonly stats: BigIntStats }
  | { readonly kind: 'folder'; readonly path: Name; readonly stats: BigIntStats }
  | { readonly kind: 'skipped'; readonly path: Name; readonly why: SkippedKind }
  /** A name that isocket needs itself, and that is no marker of this directory: it can never be sent so. */
  | { readonly kind: 'reserved'; readonly path: Name }
  /** The disk does not let us: nothing is known of it, nor of what is in it. '' is the directory itself. */
  | { readonly kind: 'unreadable'; readonly path: Name; readonly error: unknown };

/**
 * Walks a directory, streaming: never more than a few hundred names of a folder are in memory, and the names of the sub-folders on the way.
 * What vanishes while it is walked is left out; what cannot be read is told and passed by; the directory itself, if it cannot be opened, is
 * an error. What it tells of a file is never of what a link points to, on whatever part of its path: each folder is listed through its
 * descriptor.
 * @param opened called with the directory that is listed, which its path may lead to no more
 */
export function* walk(
  directoryPath: Name,
  isExcluded: IsExcluded,
  opened?: (directory: BigIntStats) => void,
): Generator<Entry> {
  const { folder: root, name: directory } = splitPath(directoryPath);
  using cursor = new TreeCursor(root, directory);
  opened?.(fstatSync(cursor.descriptor, { bigint: true }));
  const places: Place[] = [{ path: '', subFolders: [] }];
  const maxBytes = LONGEST_PATH - encodeName(directoryPath).length - 1;
  yield* listFolder(cursor.descriptor, places[0] as Place, { isExcluded, maxBytes });
  for (let place = places.at(-1); place !== undefined; place = places.at(-1)) {
    const name = place.subFolders.pop();
    if (name === undefined) {
      places.pop();
      continue;
    }
    const path = below(place.path, name);
    const folder = openToList(cursor, below(directory, place.path), name);
    if (typeof folder === 'object') yield { kind: 'unreadable', path, error: folder.error };
    else if (folder === 'symlink') yield { kind: 'skipped', path, why: 'symlink' };
    else if (folder !== 'vanished') {
      const inside: Place = { path, subFolders: [] };
      places.push(inside);
      yield* listFolder(folder, inside, { isExcluded, maxBytes });
    }
  }
}

/** A folder on the way to the one that is listed, and its sub-folders that are still to be listed: the next one last. */
interface Place {
  readonly path: Name;
  readonly subFolders: Name[];
}

interface ListOptions {
  readonly isExcluded: IsExcluded;
  /** A path below the directory may be so long. */
  readonly maxBytes: number;
}

/** The system takes no longer path (PATH_MAX, without the NUL): what is below could neither be read by its path nor sent. */
const LONGEST_PATH = 4095;
const MOST_BYTES_A_CHARACTER = 3;

function* listFolder(opened: number, { path: folder, subFolders }: Place, options: ListOptions): Generator<Entry> {
  try {
    for (const entry of readFolder(pathAt(opened, '.'))) {
      const found = examine(entry, opened, folder, options);
      if (found === undefined) continue;
      if (found.kind === 'folder') subFolders.push(splitPath(found.path).name);
      yield found;
    }
  } catch (error) {
    const code = systemErrorCode(error);
    // A folder that was removed has no entries any more.
    if (code === undefined || (folder === '' && code === 'ENOENT')) throw error;
    if (code !== 'ENOENT') yield { kind: 'unreadable', path: folder, error };
  }
  subFolders.reverse();
}

/** undefined: a marker, or what has vanished meanwhile. */
const examine = (
  entry: FolderEntry,
  opened: number,
  folder: Name,
  { isExcluded, maxBytes }: ListOptions,
): Entry | undefined => {
  const name = decodeName(entry.name);
  const path = below(folder, name);
  const kind = kindOf(entry);
  try {
    if (folder === '' && isMarker(name))
      return isRegularFile(entry, pathAt(opened, name)) ? undefined : { kind: 'reserved', path };
    if (isExcluded(path)) return { kind: 'skipped', path, why: 'excluded' };
    if (isTemporaryName(name)) return { kind: 'reserved', path };
    if (kind !== 'file' && kind !== 'folder' && kind !== 'unknown') return { kind: 'skipped', path, why: kind };
    if (isLongerThan(path, maxBytes)) return { kind: 'unreadable', path, error: tooLong() };
    const stats = lstatSync(fsPath(pathAt(opened, name)), { bigint: true, throwIfNoEntry: false });
    const now = stats === undefined ? 'unknown' : kindOf(stats);
    if (stats === undefined || now === 'unknown') return undefined;
    return now === 'folder' || now === 'file' ? { kind: now, path, stats } : { kind: 'skipped', path, why: now };
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return { kind: 'unreadable', path, error };
  }
};

const isLongerThan = (path: Name, bytes: number): boolean =>
  path.length * MOST_BYTES_A_CHARACTER > bytes && encodeName(path).length > bytes;

const tooLong = (): Error =>
  Object.assign(new Error(`its path is longer than the ${LONGEST_PATH} bytes that the system takes`), {
    code: 'ENAMETOOLONG',
  });

const below = (folder: Name, name: Name): Name => (folder === '' || name === '' ? folder + name : `${folder}/${name}`);

/** A folder of a directory may have vanished since it was named, or have been swapped for a link: that is not followed. */
const openToList = (
  cursor: TreeCursor,
  parent: Name,
  name: Name,
): number | 'vanished' | 'symlink' | { readonly error: unknown } => {
  try {
    return cursor.enter(parent, name);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === undefined) throw error;
    if (code === 'ENOENT') return 'vanished';
    return code === 'ELOOP' || code === 'ENOTDIR' ? 'symlink' : { error };
  }
};

// The types know no listing of bytes, which Node has.
const open = (path: Name): Dir => opendirSync(fsPath(path), { encoding: 'buffer' as BufferEncoding, bufferSize: 512 });

/** A name in a folder, and what it is if the file system says so in a listing. */
export type FolderEntry = Typed & { readonly name: Buffer };

/**
 * The entries of a folder, by its path. Where the file system does not say what an entry is, Node looks at each, and one that cannot be looked
 * at ends its listing: the names that are left are then given with an unknown type.
 */
export function* readFolder(path: Name): Generator<FolderEntry> {
  const looked = new Set<string>();
  const folder = open(path);
  try {
    for (let entry = folder.readSync(); entry !== null; entry = folder.readSync()) {
      const { name } = entry as unknown as FolderEntry;
      if (Object.getPrototypeOf(entry) !== Dirent.prototype) looked.add(name.toString('latin1'));
      yield entry as unknown as FolderEntry;
    }
    return;
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error && error.syscall === 'lstat')) throw error;
  } finally {
    folder.closeSync();
  }
  for (const name of readdirSync(fsPath(path), { encoding: 'buffer' }))
    if (!looked.has(name.toString('latin1'))) yield { name, ...UNKNOWN };
}

type Typed = Pick<
  BigIntStats,
  'isFile' | 'isDirectory' | 'isSymbolicLink' | 'isSocket' | 'isFIFO' | 'isCharacterDevice' | 'isBlockDevice'
>;

const no = (): boolean => false;
const UNKNOWN: Typed = {
  isFile: no,
  isDirectory: no,
  isSymbolicLink: no,
  isSocket: no,
  isFIFO: no,
  isCharacterDevice: no,
  isBlockDevice: no,
};

const kindOf = (entry: Typed): 'file' | 'folder' | 'unknown' | Exclude<SkippedKind, 'excluded'> => {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'folder';
  if (entry.isSymbolicLink()) return 'symlink';
  if (entry.isSocket()) return 'socket';
  if (entry.isFIFO()) return 'fifo';
  return entry.isCharacterDevice() || entry.isBlockDevice() ? 'device' : 'unknown';
};

/** Is this entry of a listing a folder (and no link to one)? */
export const isFolder = (entry: FolderEntry, path: Name): boolean =>
  entry.isDirectory() ||
  (!isKnownType(entry) && lstatSync(fsPath(path), { throwIfNoEntry: false })?.isDirectory() === true);

const isRegularFile = (entry: FolderEntry, path: Name): boolean =>
  entry.isFile() || (!isKnownType(entry) && lstatSync(fsPath(path), { throwIfNoEntry: false })?.isFile() === true);

/** Some file systems do not say in a listing what an entry is. */
export const isKnownType = (entry: Typed): boolean => kindOf(entry) !== 'unknown';
