import { randomBytes } from 'node:crypto';
import { closeSync, fchmodSync, fstatSync, openSync, unlinkSync, type BigIntStats } from 'node:fs';
import { errorMessage, systemErrorCode } from '../errors.ts';
import { isMarked } from '../marks/mark.ts';
import { fsPath, showName, type Name } from '../name.ts';
import type { ProbeResult } from '../transport.ts';
import { sampleTimes, timeResolution, timeResolutionLine, type TimeSamples } from './time-resolution.ts';

const MIN_REPORTED_SKEW_MS = 1_000;
const HARMLESS_UMASK = 0o022;

/**
 * Does a mark stick here? Tried on a temporary file in the root itself: isocket sends only what is in the directories there, so it is
 * never taken for a file to send.
 */
export function* checkMark(root: Name): Generator<ProbeResult> {
  const path = `${root}/.isocket-check-${randomBytes(6).toString('hex')}`;
  let trial: Trial;
  try {
    trial = tryMark(path);
  } catch (error) {
    yield cannotTry(root, error);
    return;
  }
  yield trial.sticks
    ? { what: 'mark', state: 'ok', message: 'g+w can be set here and is kept' }
    : {
        what: 'mark',
        state: 'failure',
        message: `Cannot mark files below "${showName(root)}": g+w was set, but the file does not have it`,
        hint: 'the file system keeps no permission bits (vfat, cifs …): mount it with options that keep them, or move the root',
      };
  yield trial.isBornMarked
    ? {
        what: 'born marked',
        state: 'warning',
        message: 'files created here have g+w whatever the umask: a default ACL or a mount option',
        hint: `isocket sends them anyway, but until then "find -type f -perm -g+w" lists them as sent: setfacl -k "${showName(root)}", and the same for each directory below`,
      }
    : { what: 'born marked', state: 'ok', message: 'files created in the root have no g+w' };
  yield timeResolutionLine(timeResolution(trial.times));
  if (Math.abs(trial.aheadMs) <= MIN_REPORTED_SKEW_MS) return;
  yield {
    what: 'file clock',
    state: 'warning',
    message: `the file system’s clock is ${(trial.aheadMs / 1000).toFixed(1)} s off this host’s`,
    hint: 'run a time service on the file server and on this host: source.settle and source.superseded compare the two clocks',
  };
}

interface Trial {
  readonly sticks: boolean;
  readonly isBornMarked: boolean;
  readonly aheadMs: number;
  readonly times: TimeSamples;
}

const tryMark = (path: Name): Trial => {
  // A file that has g+w in spite of this umask got it from an ACL or the mount.
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
    const aheadMs = Number(born.mtimeNs / 1_000_000n) - Date.now();
    fchmodSync(descriptor, 0o600);
    const bare = stat();
    fchmodSync(descriptor, 0o620);
    const marked = stat();
    return {
      sticks: !isMarked(bare) && isMarked(marked) && Number(marked.mode & 0o777n) === 0o620,
      isBornMarked: isMarked(born),
      aheadMs,
      times: sampleTimes(descriptor),
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
      message: `Cannot test the mark in "${showName(root)}": this user may not write there`,
      hint: 'the lines on owner and directories still count; to run this test, run isocket as the parser’s user',
    };
  }
  const state = code === 'EROFS' ? 'the file system is read-only' : errorMessage(error);
  return {
    what: 'mark',
    state: 'failure',
    message: `Cannot mark files below "${showName(root)}": ${state}`,
    hint: 'mount it writable and free some space: marks and finished.watch are written there',
  };
};
