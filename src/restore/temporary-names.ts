import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { encodeName, type Name } from '../name.ts';
import type { StoredEntry } from '../transport.ts';

/** What an earlier boot left may lack what its disk did not have when the power failed. */
let boot: string | undefined;
const bootId = (): string => (boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim());

/** Of one file in one state at one destination: what is there under this name is the beginning of just that. */
export const temporaryName = ({ path, size, mtimeSeconds }: StoredEntry, destination: string): Name => {
  const state = `\0${size}:${mtimeSeconds}:${bootId()}:${destination}`;
  const key = createHash('sha256').update(encodeName(path)).update(state).digest('hex');
  return `.isocket-restore-${key.slice(0, 24)}.part`;
};

export const isTemporaryOfRestore = (name: Name): boolean => /^\.isocket-restore-[0-9a-f]{24}\.part$/.test(name);
