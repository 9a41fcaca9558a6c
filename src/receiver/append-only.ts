import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  readlinkSync,
  renameSync,
  unlinkSync,
  type Stats,
} from 'node:fs';
import { decodeName } from '../name.ts';
import { Status } from '../sftp/protocol.ts';
import { openFileOrFolder, type ChangeRules } from './change-rules.ts';
import { parseClientPath } from './client-path.ts';
import type { Place } from './confined-folder.ts';
import { RefusedError } from './refused-error.ts';
import { holdSameContent } from './same-content.ts';

/** What isocket calls a file that is not complete: transport.ts, `owner`. */
const TEMPORARY = /^\.isocket-[0-9a-f]{8}-.+\.part$/s;

const CHANGES = constants.O_WRONLY | constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_TRUNC;

/**
 * contract.md §8: clients add files, and what is complete stays as it is.
 *
 * Complete is every file under another name than a temporary one of isocket, from the moment that it is renamed to it, or that
 * the handle that made it under this name is closed. Folders can be made, and neither removed, renamed nor changed. A rename
 * onto a complete file that is the same already (size, mtime and content) takes the temporary file away and is a success: what
 * is sent twice, as after a crash or without the records at the source, does no harm.
 */
export const appendOnly: ChangeRules = {
  open: (path, place, flags, mode) => {
    if ((flags & CHANGES) === 0) return { fd: openFileOrFolder(place, flags, mode) };
    if (isTemporary(path)) return openTemporary(place, flags, mode);
    if ((flags & constants.O_CREAT) === 0 || lstatSync(place, { throwIfNoEntry: false })) throw complete();
    return { fd: openFileOrFolder(place, flags | constants.O_EXCL, mode), mayChange: always };
  },

  assertHandle: ({ mayChange }) => {
    if (mayChange?.() !== true) throw complete();
  },

  assertFile: (path, stats) => {
    if (!isTemporary(path) || !hasNoOtherName(stats())) throw complete();
  },

  assertName: (path, stats) => {
    if (!isTemporary(path) || !stats().isFile()) throw complete();
  },

  rename: (folder, from, to) => {
    const existing = folder.atBoth(from, to, (source, target) => {
      appendOnly.assertName(from, () => lstatSync(source));
      const isFree = isTemporary(to) || !lstatSync(target, { throwIfNoEntry: false });
      if (isFree) renameSync(source, target);
      return isFree ? undefined : holdSameContent(source, target);
    });
    return existing?.then((isSame) => {
      if (!isSame)
        throw new RefusedError(Status.PERMISSION_DENIED, 'append-only: another file has this name, and stays');
      folder.at(from, (source) => unlinkSync(source));
    });
  },
};

const complete = (): RefusedError =>
  new RefusedError(Status.PERMISSION_DENIED, 'append-only: what is there stays as it is');

const always = (): boolean => true;

const isTemporary = (path: Buffer): boolean => TEMPORARY.test(parseClientPath(path).at(-1) ?? '');

/** With a second name it could be a complete file: as after a RENAME of version 3 that was cut off between its two halves. */
const hasNoOtherName = (stats: Stats): boolean => stats.isFile() && stats.nlink === 1;

const openTemporary = (place: Place, flags: number, mode: number) => {
  const fd = openFileOrFolder(place, flags & ~constants.O_TRUNC, mode);
  try {
    if (!hasNoOtherName(fstatSync(fd))) throw complete();
    if ((flags & constants.O_TRUNC) !== 0) ftruncateSync(fd);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return { fd, mayChange: () => isStillTemporary(fd) };
};

/** The kernel knows the name that the open file has now: whoever renamed it, over whatever connection. */
const isStillTemporary = (fd: number): boolean => {
  const path = decodeName(readlinkSync(`/proc/self/fd/${fd}`, 'buffer'));
  return TEMPORARY.test(path.slice(path.lastIndexOf('/') + 1));
};
