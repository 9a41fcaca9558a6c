import { statfsSync } from 'node:fs';
import { release } from 'node:os';
import { JIFFY_MS } from '../core/clock-tick.ts';
import { fsPath, type Name } from '../name.ts';

/** ext4, XFS, btrfs and tmpfs, by statfs(2). */
const MULTIGRAIN = new Set([0xef53, 0x58465342, 0x9123683e, 0x01021994]);

/**
 * The clock tick of the root's file system where its times have fractions of a second. Since Linux 6.13 these file systems have multigrain
 * timestamps: after somebody has looked at a file's times, its next change gets later ones, however soon it comes.
 */
export const fineTickMs = (root: Name): number => {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  const isMultigrain = major > 6 || (major === 6 && minor >= 13);
  return isMultigrain && MULTIGRAIN.has(statfsSync(fsPath(root)).type >>> 0) ? 0 : JIFFY_MS;
};
