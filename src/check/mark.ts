import { randomBytes } from 'node:crypto';
import { closeSync, fchmodSync, fstatSync, openSync, unlinkSync, type BigIntStats } from 'node:fs';
import { errorMessage, systemErrorCode } from '../errors.ts';
import { isMarked } from '../marks/mark.ts';
import { fsPath, showName, type Name } from '../name.ts';
import type { ProbeResult } from '../transport.ts';

const SKEW_WORTH_TELLING_MS = 1_000;
const HARMLESS_UMASK = 0o022;

/**
 * Does a mark stick here? Tried on a file of ours in the root itself: isocket looks for directories there, so no name is taken for a
 * file to send.
 */
export function* checkMark(root: Name): Generator<ProbeResult> {
  const path = `${root}/.isocket-check-${randomBytes(6).toString('hex')}`;
  let tried: Tried;
  try {
    tried = tryMark(path);
  } catch (error) {
    yield cannotTry(root, error);
    return;
  }
  yield tried.sticks
    ? { what: 'mark', state: 'ok', message: 'g+w can be set here, and stays' }
    : {
        what: 'mark',
        state: 'failure',
        message: `Cannot mark files below "${showName(root)}": g+w was set, but the file does not bear it`,
        hint: 'the file system keeps no permission bits (vfat, cifs …): mount it so that it does, or move the root',
      };
  yield tried.isBornMarked
    ? {
        what: 'born marked',
        state: 'warning',
        message: 'files made here bear g+w from birth, whatever the umask: a default ACL, or the mount',
        hint: `isocket sends them all the same, but "find -perm -g+w" lies until then: setfacl -k "${showName(root)}", and the same for each directory below`,
      }
    : { what: 'born marked', state: 'ok', message: 'no default ACL of the root marks files from birth' };
  if (Math.abs(tried.aheadMs) <= SKEW_WORTH_TELLING_MS) return;
  yield {
    what: 'file clock',
    state: 'warning',
    message: `the file system’s clock is ${(tried.aheadMs / 1000).toFixed(1)} s off this host’s`,
    hint: 'run a time service on the file server and here: source.settle and source.superseded compare the two',
  };
}

interface Tried {
  readonly sticks: boolean;
  readonly isBornMarked: boolean;
  readonly aheadMs: number;
}

const tryMark = (path: Name): Tried => {
  // A file that bears g+w in spite of this umask got it from elsewhere.
  const umask = process.umask(HARMLESS_UMASK);
  let descriptor: number;
  try {
    descriptor = openSync(fsPath(path), 'wx', 0o666);
  } finally {
    process.umask(umask);
  }
  const stat = (): BigIntStats => fstatSync(descriptor, { bigint: true });
  try {
    const born = stat();
    fchmodSync(descriptor, 0o600);
    const bare = stat();
    fchmodSync(descriptor, 0o620);
    const marked = stat();
    return {
      sticks: !isMarked(bare) && isMarked(marked) && Number(marked.mode & 0o777n) === 0o620,
      isBornMarked: isMarked(born),
      aheadMs: Number(born.mtimeNs / 1_000_000n) - Date.now(),
    };
  } finally {
    closeSync(descriptor);
    unlinkSync(fsPath(path));
  }
};

const cannotTry = (root: Name, error: unknown): ProbeResult => {
  const code = systemErrorCode(error);
  if (code === 'EACCES' || code === 'EPERM') {
    return {
      what: 'mark',
      state: 'warning',
      message: `Cannot try a mark in "${showName(root)}": this user may not write there`,
      hint: 'the lines on owner and directories say what matters; to have it tried, run isocket as the parser’s user',
    };
  }
  const state = code === 'EROFS' ? 'the file system is read-only' : errorMessage(error);
  return {
    what: 'mark',
    state: 'failure',
    message: `Cannot mark files below "${showName(root)}": ${state}`,
    hint: 'mount it writable, and make room: marks and finished.watch are written there',
  };
};
