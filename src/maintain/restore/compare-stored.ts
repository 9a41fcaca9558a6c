import type { BigIntStats } from 'node:fs';
import { wholeSeconds } from '../../identity.ts';
import type { StoredEntry } from '../../transport.ts';

/** What stands here under the name of a file that is to be brought back. */
export type Found =
  | { readonly kind: 'absent' }
  /** By size and mtime. */
  | { readonly kind: 'equal' }
  /** As big, and of another time: that of the destination may be what it has made of ours. */
  | { readonly kind: 'of-other-time'; readonly reason: string }
  | { readonly kind: 'different'; readonly reason: string; readonly mayBeReplaced: boolean };

type Local = Pick<BigIntStats, 'size' | 'mtimeNs' | 'isFile' | 'isDirectory' | 'isSymbolicLink'>;

/** Pure. */
export const compareStored = (local: Local | undefined, stored: Pick<StoredEntry, 'size' | 'mtimeSeconds'>): Found => {
  if (local === undefined) return { kind: 'absent' };
  const different = (reason: string, mayBeReplaced = true): Found => ({ kind: 'different', reason, mayBeReplaced });
  if (local.isDirectory()) return different('a folder stands here under its name', false);
  if (local.isSymbolicLink()) return different('a symbolic link stands here under its name');
  if (!local.isFile()) return different('it is no regular file here', false);
  if (local.size !== BigInt(stored.size)) return different(`it has ${local.size} bytes here, and ${stored.size} there`);
  const seconds = wholeSeconds(local.mtimeNs);
  if (seconds === stored.mtimeSeconds) return { kind: 'equal' };
  return {
    kind: 'of-other-time',
    reason: `it is of ${showTime(seconds)} here, and of ${showTime(stored.mtimeSeconds)} there`,
  };
};

/** Pure. Seconds since 1970 → "2026-11-27T02:26:51Z"; what no calendar has: the number. */
export const showTime = (seconds: number): string => {
  const time = new Date(seconds * 1000);
  return Number.isNaN(time.getTime()) ? String(seconds) : time.toISOString().replace('.000Z', 'Z');
};
