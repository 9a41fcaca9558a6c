import type { FileIdentity } from '../identity.ts';
import { deviceNumber } from './mount-table.ts';

/** A shared writable mapping of a file. */
export interface WritableMapping extends Pick<FileIdentity, 'dev' | 'ino'> {
  /** As its entry in `map_files` is named. */
  readonly range: string;
  /** One character a byte (latin1). */
  readonly path: string;
}

// RANGE PERMISSIONS OFFSET MAJOR:MINOR INODE PATH: proc_pid_maps(5).
const MAPPING = /^([0-9a-f]+-[0-9a-f]+) .w.s [0-9a-f]+ ([0-9a-f]+):([0-9a-f]+) ([1-9]\d*) +(.*)$/gm;

/**
 * The content of `/proc/PID/maps`, read as latin1 → each file that is mapped shared and writable, once, however many ranges
 * of it are mapped. A private mapping never changes its file. Pure.
 */
export const parseWritableMappings = (maps: string): WritableMapping[] => {
  // Most processes have none: a search for the permissions costs a fraction of the pattern.
  if (!maps.includes('w-s ') && !maps.includes('wxs ')) return [];
  const found = new Map<string, WritableMapping>();
  for (const [, range = '', major = '', minor = '', inode = '', path = ''] of maps.matchAll(MAPPING)) {
    const key = `${major}:${minor}:${inode}`;
    if (found.has(key)) continue;
    const dev = deviceNumber(BigInt(`0x${major}`), BigInt(`0x${minor}`));
    // The kernel writes a newline in a path as \012.
    found.set(key, { range, dev, ino: BigInt(inode), path: path.replaceAll('\\012', '\n') });
  }
  return [...found.values()];
};
