import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  readlinkSync,
  renameSync,
  rmSync,
  unlinkSync,
  type BigIntStats,
  type Stats,
} from 'node:fs';
import { decodeName } from '../name.ts';
import { BELOW_PROBE_FOLDER, PROBE_FOLDER, Status, TEMPORARY_NAME } from '../sftp/protocol.ts';
import { openFileOrFolder, type ChangeRules } from './change-rules.ts';
import { parseClientPath } from './client-path.ts';
import type { ResolvedPath } from './confined-folder.ts';
import { changedMeanwhile, stateOf } from './file-state.ts';
import type { OpenHandle } from './handles.ts';
import { RefusedError } from './refused-error.ts';
import { keepVersion } from './kept-versions.ts';
import { haveSameContent } from './same-content.ts';

/** A file is written from its beginning, whether it is there or not. */
const REPLACES = constants.O_TRUNC | constants.O_EXCL;

const CHANGES = constants.O_WRONLY | constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_TRUNC;

/**
 * contract.md §8: clients can add files, and cannot change complete ones.
 *
 * Files with a temporary name of isocket are incomplete. Every other file is complete: from its rename to the final name or,
 * where it was created under that name, from the close of the handle that created it. Folders can be created, but not removed (that
 * of a probe aside, once it is empty), renamed or changed. A rename onto an identical complete file (size, mtime and content) removes the
 * temporary file and succeeds, so that sending a file twice (after a crash, or when the source lost its records) is harmless.
 *
 * With `keepVersions` a complete file may be replaced, by a rename or from its beginning: it stays beside, as a numbered version.
 */
export const createAppendOnlyRules = ({ keepVersions = false } = {}): ChangeRules => {
  /** Files that are being created under their final name, by inode: until the close their creator may change them. */
  const incomplete = new Set<string>();

  const create = (resolved: ResolvedPath, flags: number, mode: number): OpenHandle => {
    const fd = openFileOrFolder(resolved, flags | constants.O_EXCL, mode);
    const inode = inodeOf(fstatSync(fd, { bigint: true }));
    incomplete.add(inode);
    return { fd, mayChange: always, onClose: () => incomplete.delete(inode) };
  };

  const assertComplete = (existing: BigIntStats | undefined): void => {
    if (existing === undefined || !incomplete.has(inodeOf(existing))) return;
    throw new RefusedError(Status.PERMISSION_DENIED, 'append-only: another client is writing this file');
  };

  /** The file that is there stays beside. */
  const replace = (resolved: ResolvedPath, existing: BigIntStats, flags: number, mode: number): OpenHandle => {
    assertComplete(existing);
    return keepVersion(resolved, () => {
      rmSync(resolved, { force: true });
      return create(resolved, flags, mode);
    });
  };

  return {
    keepsFiles: true,
    ...(keepVersions ? { keepVersion } : {}),

    open: (path, resolved, flags, mode) => {
      if ((flags & CHANGES) === 0) return { fd: openFileOrFolder(resolved, flags, mode) };
      if (isTemporary(path)) return openTemporary(resolved, flags, mode);
      const existing = lstatSync(resolved, { bigint: true, throwIfNoEntry: false });
      const isReplaced = keepVersions && existing !== undefined && (flags & REPLACES) === constants.O_TRUNC;
      if ((flags & constants.O_CREAT) === 0) throw existingFile();
      if (existing !== undefined && !isReplaced) throw keepVersions ? changedInPlace() : existingFile();
      return existing === undefined ? create(resolved, flags, mode) : replace(resolved, existing, flags, mode);
    },

    assertHandle: ({ mayChange }) => {
      if (mayChange?.() !== true) throw existingFile();
    },

    assertFile: (path, stats) => {
      if (!isTemporary(path) || !hasNoOtherName(stats())) throw existingFile();
    },

    assertName: assertTemporaryFile,

    assertFolder: assertProbeFolder,

    rename: (folder, from, to, isOver) => {
      let compared = '';
      const comparison = folder.atBoth(from, to, (source, target) => {
        assertTemporaryFile(from, () => lstatSync(source));
        compared = stateOf(source);
        const existing = isTemporary(to) ? undefined : lstatSync(target, { bigint: true, throwIfNoEntry: false });
        assertComplete(existing);
        if (!existing) renameSync(source, target);
        return existing && haveSameContent(source, target, isOver);
      });
      return comparison?.then((isSame) => {
        if (folder.at(from, stateOf) !== compared) throw changedMeanwhile();
        if (isSame) folder.at(from, (source) => unlinkSync(source));
        else if (!keepVersions)
          throw new RefusedError(Status.PERMISSION_DENIED, 'append-only: another file has this name');
        else
          folder.atBoth(from, to, (source, target) => {
            // It may be another one by now.
            const existing = lstatSync(target, { bigint: true, throwIfNoEntry: false });
            assertComplete(existing);
            const give = (): void => renameSync(source, target);
            if (existing) keepVersion(target, give);
            else give();
          });
      });
    },
  };
};

const assertTemporaryFile: ChangeRules['assertName'] = (path, stats) => {
  if (!isTemporary(path) || !stats().isFile()) throw existingFile();
};

const inodeOf = ({ dev, ino }: BigIntStats): string => `${dev}:${ino}`;

const existingFile = (): RefusedError =>
  new RefusedError(Status.PERMISSION_DENIED, 'append-only: existing files and folders cannot be changed');

/** To continue it looks the same: it could be the whole file, or the rest of it. */
const changedInPlace = (): RefusedError =>
  new RefusedError(
    Status.PERMISSION_DENIED,
    'append-only: a file is replaced from its beginning (put), not in place, as scp does and whoever resumes',
  );

const always = (): boolean => true;

export const isTemporary = (path: Buffer): boolean => TEMPORARY_NAME.test(parseClientPath(path).at(-1) ?? '');

/** Of `isocket check`, which is to leave nothing. */
const assertProbeFolder: ChangeRules['assertFolder'] = (path) => {
  const names = parseClientPath(path);
  const isInside = names.at(-1) === BELOW_PROBE_FOLDER;
  if (!PROBE_FOLDER.test(names.at(isInside ? -2 : -1) ?? '')) throw existingFile();
};

/** A second name may be that of a complete file: a RENAME of version 3 that was interrupted between link and unlink leaves both. */
const hasNoOtherName = (stats: Stats): boolean => stats.isFile() && stats.nlink === 1;

const openTemporary = (resolved: ResolvedPath, flags: number, mode: number) => {
  const fd = openFileOrFolder(resolved, flags & ~constants.O_TRUNC, mode);
  try {
    if (!hasNoOtherName(fstatSync(fd))) throw existingFile();
    if ((flags & constants.O_TRUNC) !== 0) ftruncateSync(fd);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return { fd, mayChange: () => isStillTemporary(fd) };
};

/** Asks the kernel for the current name of the open file: another connection may have renamed it. */
const isStillTemporary = (fd: number): boolean => {
  const path = decodeName(readlinkSync(`/proc/self/fd/${fd}`, 'buffer'));
  return TEMPORARY_NAME.test(path.slice(path.lastIndexOf('/') + 1));
};
