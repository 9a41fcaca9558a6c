import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  type BigIntStats,
} from 'node:fs';
import { errorMessage, systemErrorCode, TransportError } from '../errors.ts';
import { isSameFile, type FileIdentity } from '../identity.ts';
import { pathAt, inFolder, splitPath } from '../source/open-beneath.ts';
import { fsPath, showName, type Name } from '../name.ts';
import { userName } from '../host/user-name.ts';

/** g+w: the mark itself. */
const MARK = 0o020;

export const isMarked = (stats: { readonly mode: bigint }): boolean => (Number(stats.mode) & MARK) !== 0;

/**
 * Had it the mark from its birth? A chmod after the last write leaves a ctime behind the mtime; a file that was created so has them
 * equal.
 */
export const isBornMarked = (stats: Pick<BigIntStats, 'mode' | 'ctimeNs' | 'mtimeNs'>): boolean =>
  isMarked(stats) && stats.ctimeNs === stats.mtimeNs;

/** Permission bits for the destination: those of the source without the mark, and without setuid, setgid and sticky. */
export const modeWithoutMark = (stats: { readonly mode: bigint }): number => Number(stats.mode) & 0o777 & ~MARK;

const CAP_FOWNER = 3n;
const ownUser = BigInt(process.geteuid?.() ?? -1);
let mayMarkAnything: boolean | undefined;

/** May this process set the bit on a file of that owner? */
export const mayMark = ({ uid }: { readonly uid: bigint }): boolean =>
  uid === ownUser || (mayMarkAnything ??= hasCapability(CAP_FOWNER));

/**
 * Only its owner, root, or a process with CAP_FOWNER may mark a file: found out before it is sent, so that it is not sent in vain.
 * @throws TransportError `file`
 */
export const checkMayMark = (path: Name, stats: { readonly uid: bigint }): void => {
  if (mayMark(stats)) return;
  throw new TransportError(
    'file',
    `Cannot mark "${showName(path)}": it belongs to user ${userName(stats.uid)}, isocket runs as user ${userName(ownUser)}`,
    { hint: markHint('EPERM', stats.uid) },
  );
};

/** What to do when a mark cannot be set or taken off. `stranger`: the owner, if this process may not mark the owner's files. */
export const markHint = (code: string | undefined, stranger: bigint | undefined): string => {
  if (code !== 'EPERM') return 'see that the file system is writable and keeps permission bits';
  return stranger === undefined
    ? 'it may be immutable or append-only, which lsattr shows: chattr -i -a it'
    : `only the owner of a file or root may mark it: where it is a single file, give it to user ${userName(ownUser)} (chown); where the parser writes as that user, run isocket as user ${userName(stranger)} (User= of the service, the user of the cron line)`;
};

/** One of this process's effective capabilities, by its number. */
export const hasCapability = (capability: bigint): boolean => {
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> capability) & 1n) === 1n;
};

/**
 * Sets the mark on a file that the destination has confirmed, unless it is no longer what was sent. Returns its state right
 * after, for the record.
 * @throws TransportError `source-changed`, or `file` where the mark cannot be set
 */
export const mark = (path: Name, sent: FileIdentity): BigIntStats =>
  withFile(path, 'mark', (descriptor) => {
    const before = fstatSync(descriptor, { bigint: true });
    if (!isSameFile(before, sent)) throw changed(path);
    if (isMarked(before)) return before; // Marked under another of its names.
    fchmodSync(descriptor, (Number(before.mode) & 0o7777) | MARK);
    const after = fstatSync(descriptor, { bigint: true });
    if (after.size !== sent.size || after.mtimeNs !== sent.mtimeNs) {
      fchmodSync(descriptor, Number(before.mode) & 0o7777 & ~MARK);
      throw changed(path);
    }
    return after;
  });

/** The state of a file right before and right after its mark was taken off. */
export interface Unmarked {
  readonly before: BigIntStats;
  readonly after: BigIntStats;
}

/** Takes the mark off a file below the root ("DC1/sub/file"), so that a crash from here on leaves it unsent. */
export const unmark = (root: Name, path: Name): Unmarked => {
  const { folder, name } = splitPath(path);
  const takeOff = (parent: number): Unmarked =>
    withFile(
      pathAt(parent, name),
      'take the mark off',
      (descriptor) => {
        const before = fstatSync(descriptor, { bigint: true });
        if (!before.isFile()) throw changed(path);
        fchmodSync(descriptor, Number(before.mode) & 0o7777 & ~MARK);
        return { before, after: fstatSync(descriptor, { bigint: true }) };
      },
      `${root}/${path}`,
    );
  try {
    return inFolder(root, folder, takeOff);
  } catch (error) {
    if (error instanceof TransportError) throw error;
    throw toMarkError(error, 'take the mark off', `${root}/${path}`);
  }
};

/** As `unmark`; false where the file is gone. */
export const unmarkIfThere = (root: Name, path: Name): Unmarked | undefined => {
  try {
    return unmark(root, path);
  } catch (error) {
    if (error instanceof TransportError && error.class === 'source-changed') return undefined;
    throw error;
  }
};

// By descriptor, never by path: whoever swaps the file for a link must not have us change what it points to.
const withFile = <T>(path: Name, action: string, use: (descriptor: number) => T, shownPath = path): T => {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(fsPath(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    return use(descriptor);
  } catch (error) {
    throw toMarkError(error, action, shownPath);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
};

const toMarkError = (error: unknown, action: string, path: Name): TransportError => {
  if (error instanceof TransportError) return error;
  const code = systemErrorCode(error);
  if (code === 'ENOENT' || code === 'ELOOP' || code === 'ENOTDIR') return changed(path);
  return new TransportError('file', `Cannot ${action} "${showName(path)}": ${errorMessage(error)}`, {
    hint: markHint(code, strangerOwning(path)),
    cause: error,
  });
};

const strangerOwning = (path: Name): bigint | undefined => {
  try {
    const stats = lstatSync(fsPath(path), { bigint: true });
    return mayMark(stats) ? undefined : stats.uid;
  } catch {
    return undefined;
  }
};

const changed = (path: Name): TransportError =>
  new TransportError('source-changed', `Did not mark "${showName(path)}": it changed while it was sent`);
