/** The numbers of SFTP version 3: draft-ietf-secsh-filexfer-02, and OpenSSH's PROTOCOL file for the extensions. */
export const SFTP_VERSION = 3;

/** Larger packets are refused, as OpenSSH does (SFTP_MAX_MSG_LENGTH). */
export const MAX_PACKET_BYTES = 256 * 1024;

export const Packet = {
  INIT: 1,
  VERSION: 2,
  OPEN: 3,
  CLOSE: 4,
  READ: 5,
  WRITE: 6,
  LSTAT: 7,
  FSTAT: 8,
  SETSTAT: 9,
  FSETSTAT: 10,
  OPENDIR: 11,
  READDIR: 12,
  REMOVE: 13,
  MKDIR: 14,
  RMDIR: 15,
  REALPATH: 16,
  STAT: 17,
  RENAME: 18,
  READLINK: 19,
  SYMLINK: 20,
  STATUS: 101,
  HANDLE: 102,
  DATA: 103,
  NAME: 104,
  ATTRS: 105,
  EXTENDED: 200,
  EXTENDED_REPLY: 201,
} as const;

const PACKET_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(Packet).map(([name, type]) => [type, name]));

/** As the protocol calls a request, for messages. */
export const packetName = (type: number): string => PACKET_NAMES.get(type) ?? `request ${type}`;

export const Status = {
  OK: 0,
  EOF: 1,
  NO_SUCH_FILE: 2,
  PERMISSION_DENIED: 3,
  FAILURE: 4,
  BAD_MESSAGE: 5,
  NO_CONNECTION: 6,
  CONNECTION_LOST: 7,
  OP_UNSUPPORTED: 8,
  // Of later versions.
  WRITE_PROTECT: 12,
  NO_SPACE_ON_FILESYSTEM: 14,
  QUOTA_EXCEEDED: 15,
  INVALID_FILENAME: 20,
} as const;

export const OpenFlag = { READ: 1, WRITE: 2, APPEND: 4, CREAT: 8, TRUNC: 16, EXCL: 32 } as const;

export const AttributeFlag = { SIZE: 1, UIDGID: 2, PERMISSIONS: 4, ACMODTIME: 8, EXTENDED: 0x80000000 } as const;

/** Attributes as encoded in packets: sizes in bytes, times in whole seconds since 1970. */
export interface Attributes {
  readonly size?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** With the file type, as in `st_mode`. */
  readonly permissions?: number;
  readonly atime?: number;
  readonly mtime?: number;
}

export const Extension = {
  POSIX_RENAME: 'posix-rename@openssh.com',
  STATVFS: 'statvfs@openssh.com',
  FSYNC: 'fsync@openssh.com',
  LIMITS: 'limits@openssh.com',
  /** Ours, of `isocket receive`: docs/commit-extension.md. */
  COMMIT: 'commit@isocket',
  SHA256: 'sha256@isocket',
} as const;

/** What `commit@isocket` carries. */
export const CommitKind = { CONTENT: 1, WRITTEN: 2 } as const;

export const CommitFlag = { DURABLE: 1 } as const;

/** The name that isocket gives an incomplete file: transport.ts, `owner`. */
export const TEMPORARY_NAME = /^\.isocket-[0-9a-f]{8}-.+\.part$/s;

/** The folder that `isocket check` makes for a moment, with one in it. */
export const PROBE_FOLDER = /^\.isocket-[0-9a-f]{8}-probe$/;
export const BELOW_PROBE_FOLDER = 'below';
