import { lstatSync, realpathSync, rmdirSync, statSync, type BigIntStats } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { systemErrorCode, UserError } from '../errors.ts';
import { decodeName, fsPath, showName, type Name } from '../name.ts';
import { isFolder, readFolder } from '../source/scanner.ts';
import type { ProbeResult } from '../transport.ts';

/** Entries listed in search of the probe's file: bounds the time on a root with millions of files. */
const MAX_ENTRIES = 200_000;
const DOT = 0x2e;

/** Is the path the folder itself or below it? Both absolute and without links. Pure. */
export const isWithin = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(folder === '/' ? folder : `${folder}/`);

/** @throws UserError where the state folder lies in the root */
export const refuseStateInRoot = (state: string, root: string): void => {
  if (!leadsInto(state, root)) return;
  throw new UserError(`Cannot use the state folder "${state}": it lies in source.root`, {
    hint: 'set state in the configuration to a folder outside source.root: what is below the root may be sent and pruned',
  });
};

/** The temporary files by which the sftp and rsync transports try to write. Pure. */
export const isProbeFile = (name: string): boolean =>
  /^\.isocket-[0-9a-f]{8}-(?:probe|probe-new|check)\.part$/.test(name);

/** The path without links; where it does not exist yet, by the nearest folder above it. */
export const resolvePath = (path: string): string => {
  try {
    return realpathSync(path);
  } catch {
    return path === dirname(path) ? path : join(resolvePath(dirname(path)), basename(path));
  }
};

/** Does the path lead into the folder, by whatever name: through links, or through another mount of it? Neither need exist. */
export const leadsInto = (path: Name, folder: Name): boolean => {
  const real = resolvePath(path);
  if (isWithin(real, resolvePath(folder))) return true;
  const wanted = folderAt(folder);
  if (wanted === undefined) return false;
  for (let above = real; ; above = dirname(above)) {
    const one = folderAt(above);
    if (one?.dev === wanted.dev && one.ino === wanted.ino) return true;
    if (above === dirname(above)) return false;
  }
};

const folderAt = (path: Name): BigIntStats | undefined => {
  try {
    return statSync(fsPath(path), { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return undefined;
  }
};

export interface Overlap extends ProbeResult {
  /** The folder below the root that is the destination. */
  readonly below?: Name;
}

/**
 * Takes away what a refused probe made below the root: it could pass for a directory of the site. What is not empty, was there before, or
 * has no birth time, stays. Call it when the probe is over.
 */
export const removeMadeFolders = (root: Name, { below }: Overlap, sinceMs: number): void => {
  for (
    let folder = below;
    folder !== undefined && folder !== root && isWithin(folder, root);
    folder = dirname(folder)
  ) {
    try {
      if (lstatSync(fsPath(folder)).birthtimeMs < sinceMs) return;
      rmdirSync(fsPath(folder));
    } catch (error) {
      if (systemErrorCode(error) === undefined) throw error;
      return;
    }
  }
};

/** Files of earlier probes, each as it is: one that a probe writes now is another one, whatever the file system's clock says. */
export type EarlierProbes = ReadonlyMap<Name, string>;

/** To be called before a probe. */
export const earlierProbes = (root: Name, tag?: string): EarlierProbes => {
  const found = new Map<Name, string>();
  const note = (path: Name): false => {
    found.set(path, stateOf(path) ?? '');
    return false;
  };
  if (tag !== undefined) findAbove(root, note, tag);
  findProbeFile(root, note);
  return found;
};

/**
 * Is the destination the root or a folder in it? Called while the file that a probe wrote at the destination exists: then it
 * appears below the root, whatever host name or chroot leads there.
 * @param earlier what was there before the probe
 * @param tag where it is given, a destination that holds the root is found too, if a directory with this tag could lead into the root
 * @returns undefined if the root has too many entries to know
 */
export const overlapLine = (root: Name, earlier: EarlierProbes, tag?: string): Overlap | undefined => {
  const what = 'overlap';
  const isNew = (path: Name): boolean => {
    const state = stateOf(path);
    return state !== undefined && state !== earlier.get(path);
  };
  const above = tag === undefined ? undefined : findAbove(root, isNew, tag);
  if (above !== undefined) {
    return {
      what,
      state: 'failure',
      message: `Cannot use this destination: a file written there appears in "${showName(above)}", which holds source.root "${showName(root)}": a directory could be delivered over it`,
      hint: 'set destination.path to another folder, or destination.host to another host',
    };
  }
  const found = findProbeFile(root, isNew);
  if (found === 'unknown') return undefined;
  if (found === 'nowhere') return { what, state: 'ok', message: 'the destination is not below source.root' };
  return {
    what,
    state: 'failure',
    below: found.folder,
    message: `Cannot use this destination: a file written there appears in "${showName(found.folder)}", below source.root`,
    hint: 'set destination.path to a folder outside source.root, or destination.host to another host: isocket would send what it has received',
  };
};

type Fits = (path: Name) => boolean;

/** The folder above the root that is the destination, where the next name on the way to the root could be that of a directory. */
const findAbove = (root: Name, fits: Fits, tag: string): Name | undefined => {
  let path = resolvePath(root);
  while (path !== dirname(path)) {
    const name = basename(path);
    path = dirname(path);
    if (name.startsWith(tag) && hasProbeFile(path, fits)) return path;
  }
  return undefined;
};

const hasProbeFile = (folder: Name, fits: Fits): boolean => {
  let entries = 0;
  try {
    for (const entry of readFolder(folder)) {
      if ((entries += 1) > MAX_ENTRIES) return false;
      const name = decodeName(entry.name);
      if (isProbeFile(name) && fits(`${folder}/${name}`)) return true;
    }
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
  }
  return false;
};

const findProbeFile = (root: Name, fits: Fits): { readonly folder: Name } | 'nowhere' | 'unknown' => {
  const folders = [root];
  let entries = 0;
  for (const folder of folders) {
    try {
      for (const entry of readFolder(folder)) {
        if ((entries += 1) > MAX_ENTRIES) return 'unknown';
        // All files of the root go by here: no text is made of most of them.
        if (entry.isFile() && entry.name[0] !== DOT) continue;
        const name = decodeName(entry.name);
        const path = `${folder}/${name}`;
        if (isProbeFile(name) && fits(path)) return { folder };
        if (isFolder(entry, path)) folders.push(path);
      }
    } catch (error) {
      // Removed meanwhile, or not readable: the checks of the directories report that.
      if (systemErrorCode(error) === undefined) throw error;
    }
  }
  return 'nowhere';
};

/** undefined: it is not there. */
const stateOf = (path: Name): string | undefined => {
  const stats = lstatSync(fsPath(path), { bigint: true, throwIfNoEntry: false });
  return stats && `${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`;
};
