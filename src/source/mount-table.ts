/** What one entry of `/proc/PID/mountinfo` says. */
export interface Mount {
  /** The device of its file system, as `stat` gives it for most of them. */
  readonly dev: bigint;
  /** Its server, or the process that serves it, may never answer. */
  readonly mayHang: boolean;
}

// ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG…] - TYPE SOURCE OPTIONS: proc_pid_mountinfo(5). A blank in a path is \040.
const ENTRY = /^(\d+) \d+ (\d+):(\d+) .*? - (\S+) /gm;
const SERVED_BY_ANOTHER =
  /^(?:fuse|nfs|cifs|smb|ceph|9p|virtiofs|afs|gfs|ocfs|glusterfs|lustre|gpfs|beegfs|orangefs|pvfs|coda|autofs)/;

/** The content of a `mountinfo`, read as latin1 → its mounts by their ids, which are unique on the host. Pure. */
export const parseMounts = (mountinfo: string): Map<string, Mount> => {
  const mounts = new Map<string, Mount>();
  for (const [, id = '', major = '', minor = '', type = ''] of mountinfo.matchAll(ENTRY))
    mounts.set(id, { dev: deviceNumber(BigInt(major), BigInt(minor)), mayHang: SERVED_BY_ANOTHER.test(type) });
  return mounts;
};

/** An open file, as the kernel knows it without asking whoever serves its file system. */
export interface DescriptorFacts {
  readonly mountId: string;
  /** undefined on kernels before 5.14. */
  readonly ino: bigint | undefined;
}

/** The content of `/proc/PID/fdinfo/FD` → where the file is; undefined where it does not say. Pure. */
export const parseDescriptor = (fdinfo: string): DescriptorFacts | undefined => {
  const mountId = /^mnt_id:\s*(\d+)$/m.exec(fdinfo)?.[1];
  const ino = /^ino:\s*(\d+)$/m.exec(fdinfo)?.[1];
  return mountId === undefined ? undefined : { mountId, ino: ino === undefined ? undefined : BigInt(ino) };
};

/** As `stat` gives it: makedev(3). */
export const deviceNumber = (major: bigint, minor: bigint): bigint =>
  (minor & 0xffn) | ((major & 0xfffn) << 8n) | ((minor & ~0xffn) << 12n) | ((major & ~0xfffn) << 32n);
