import { statfsSync } from 'node:fs';
import type { Report } from '../core/events.ts';
import { fsPath, showName, type Name } from '../name.ts';

/** File systems that other hosts change without an event here, or that keep no permission bits: statfs(2). */
const UNRELIABLE: ReadonlyMap<number, string> = new Map([
  [0x6969, 'nfs'],
  [0xff534d42, 'cifs'],
  [0xfe534d42, 'smb2'],
  [0x65735546, 'fuse'],
  [0x4d44, 'vfat'],
  [0x2011bab0, 'exfat'],
  [0x01021997, '9p'],
]);

/** Those that may give a file another inode number whenever it is looked at anew. */
const MAY_RENUMBER: ReadonlySet<string> = new Set(['fuse', 'cifs', 'smb2', '9p']);

const RENUMBERED = 'where it gives files new inode numbers from time to time, they are sent again';
const KEEP_NUMBERS = 'mount it so that inode numbers stay (use_ino or noforget, serverino)';

/** What is to be known of the file system of the root, by its type as statfs(2) has it; undefined: nothing. Pure. */
export const unreliable = (type: number): { readonly state: string; readonly hint: string } | undefined => {
  const kind = UNRELIABLE.get(type >>> 0);
  if (kind === undefined) return undefined;
  const mayRenumber = MAY_RENUMBER.has(kind);
  return {
    state: `it is ${kind}: changes by other hosts raise no event${mayRenumber ? `, and ${RENUMBERED}` : ''}`,
    hint: `run isocket on the host that has the disk; otherwise source.rescan finds the files, and the "mark" line below says whether permission bits are kept${mayRenumber ? `; ${KEEP_NUMBERS}` : ''}`,
  };
};

/** For a run that sends: that files go again for no reason that anybody would see. */
export const warnOfNewInodes = (root: Name, report: Report): void => {
  const kind = UNRELIABLE.get(statfsSync(fsPath(root)).type >>> 0);
  if (kind === undefined || !MAY_RENUMBER.has(kind)) return;
  const message = `${showName(root)} is ${kind}: ${RENUMBERED}; ${KEEP_NUMBERS}`;
  report({ type: 'note', level: 'warning', message });
};
