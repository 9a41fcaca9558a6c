import { statfsSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { errorMessage, UserError } from '../errors.ts';
import { createIsExcluded } from '../source/exclude.ts';
import type { DirectorySnapshot } from '../core/lifecycle.ts';
import { fsPath, showName } from '../name.ts';
import { readRoot } from '../source/scanner.ts';
import type { ProbeResult } from '../transport.ts';

/** File systems whose changes other hosts make unseen, or that keep no permission bits: statfs(2). */
const DOUBTFUL: ReadonlyMap<number, string> = new Map([
  [0x6969, 'nfs'],
  [0xff534d42, 'cifs'],
  [0xfe534d42, 'smb2'],
  [0x65735546, 'fuse'],
  [0x4d44, 'vfat'],
  [0x2011bab0, 'exfat'],
  [0x01021997, '9p'],
]);

/** The root, and what is in it; without `directories` nothing more can be said of it. */
export const checkRoot = ({
  root,
  tag,
  exclude,
}: Config['source']): { line: ProbeResult; directories?: DirectorySnapshot[] } => {
  const what = 'root';
  let directories: DirectorySnapshot[];
  try {
    directories = readRoot(root, tag, createIsExcluded(exclude));
  } catch (error) {
    const hint = (error instanceof UserError ? error.hint : undefined) ?? 'let the user that runs isocket read it';
    return { line: { what, state: 'failure', message: errorMessage(error), hint } };
  }
  const named = tag === '' ? '' : ` named ${showName(tag)}…`;
  const message = `${showName(root)}: ${directories.length} ${directories.length === 1 ? 'directory' : 'directories'}${named}`;
  const kind = DOUBTFUL.get(statfsSync(fsPath(root)).type >>> 0);
  if (kind !== undefined) {
    const hint =
      'run isocket on the host that has the disk; else rely on source.rescan, and on the "mark" line below for the permission bits';
    return {
      line: {
        what,
        state: 'warning',
        message: `${message}; it is ${kind}: changes by other hosts raise no event`,
        hint,
      },
      directories,
    };
  }
  if (directories.length > 0) return { line: { what, state: 'ok', message }, directories };
  const hint =
    'all is well where the parser has not begun; else correct source.root or source.tag, the beginning of its directories’ names';
  return { line: { what, state: 'warning', message, hint }, directories };
};
