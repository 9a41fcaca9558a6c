import { spawnSync } from 'node:child_process';
import { closeSync, openSync, statfsSync } from 'node:fs';

/** File systems that several hosts can have mounted: f_type of statfs(2). */
const SHARED: ReadonlySet<number> = new Set([
  0x6969, // nfs
  0x517b, // smb
  0xff534d42, // cifs
  0xfe534d42, // smb2
  0x01021997, // 9p
  0x65735546, // fuse: sshfs, glusterfs …
  0x00c36400, // ceph
  0x5346414f, // afs
  0x7461636f, // ocfs2
  0x01161970, // gfs2
  0x0bd00bd0, // lustre
  0x47504653, // gpfs
]);

export const isShared = (folder: string): boolean => SHARED.has(statfsSync(folder).type);

const BUSY = 1;

/**
 * A kernel lock on an open file, through flock(1), as Node has none: the lock belongs to the open file, which it shares with this
 * process, and ends with it however that ends. undefined: somebody else has it. Where there is no flock(1), or the file system knows no
 * locks, nothing is locked.
 */
export const lockFile = (path: string): Disposable | undefined => {
  const descriptor = openSync(path, 'a', 0o600);
  const { status } = spawnSync('flock', ['-n', '3'], { cwd: '/', stdio: ['ignore', 'ignore', 'ignore', descriptor] });
  if (status !== BUSY) return { [Symbol.dispose]: () => closeSync(descriptor) };
  closeSync(descriptor);
  return undefined;
};
