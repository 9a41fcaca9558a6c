import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { encodeName, type Name } from '../../name.ts';
import type { StoredEntry } from '../../transport.ts';

/** What an earlier boot left may lack what its disk did not have when the power failed. */
let boot: string | undefined;
const bootId = (): string => (boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim());

/** A smaller file is fetched anew sooner than its beginning is looked at. */
export const RESUME_MIN_BYTES = 1024 * 1024;

const run = randomBytes(6).toString('hex');
let count = 0;

/** Of one file in one state at one destination: what is there under this name is the beginning of just that. */
export const temporaryName = ({ path, size, mtimeSeconds }: StoredEntry, destination: string): Name => {
  if (size < RESUME_MIN_BYTES) return `.isocket-restore-${run}${(count += 1).toString(16).padStart(12, '0')}.part`;
  const state = `\0${size}:${mtimeSeconds}:${bootId()}:${destination}`;
  const key = createHash('sha256').update(encodeName(path)).update(state).digest('hex');
  return `.isocket-restore-${key.slice(0, 24)}.part`;
};
