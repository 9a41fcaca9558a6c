import type { Stats } from 'node:fs';
import { plainMessage, systemErrorCode } from '../errors.ts';
import { Packet, Status, type Attributes } from '../sftp/protocol.ts';
import type { PacketWriter } from '../sftp/packet-writer.ts';
import { RefusedError } from './refused-error.ts';

/** The mapping of OpenSSH's sftp-server; every other error is FAILURE. */
const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  ENOENT: Status.NO_SUCH_FILE,
  ENOTDIR: Status.NO_SUCH_FILE,
  EBADF: Status.NO_SUCH_FILE,
  EPERM: Status.PERMISSION_DENIED,
  EACCES: Status.PERMISSION_DENIED,
  EFAULT: Status.PERMISSION_DENIED,
  // Unlike OpenSSH (NO_SUCH_FILE): here it only comes from O_NOFOLLOW, for a symlink, which is refused.
  ELOOP: Status.PERMISSION_DENIED,
  ENAMETOOLONG: Status.BAD_MESSAGE,
  EINVAL: Status.BAD_MESSAGE,
  ENOSYS: Status.OP_UNSUPPORTED,
};

export const writeStatus = (reply: PacketWriter, id: number, status: number, message: string): void => {
  reply.begin(Packet.STATUS).u32(id).u32(status).bytes(message).bytes('').end();
};

export const writeOk = (reply: PacketWriter, id: number): void => writeStatus(reply, id, Status.OK, 'Success');

/** Writes the status for an error. The message contains no local path: those of Node would name one below `/proc`. */
export const writeError = (reply: PacketWriter, id: number, error: unknown): void => {
  if (error instanceof RefusedError) {
    writeStatus(reply, id, error.status, error.message);
    return;
  }
  const code = systemErrorCode(error);
  const status = (code === undefined ? undefined : STATUS_OF_CODE[code]) ?? Status.FAILURE;
  writeStatus(reply, id, status, plainMessage(error));
};

export const attributesOf = (stats: Stats): Attributes => ({
  size: stats.size,
  uid: stats.uid,
  gid: stats.gid,
  permissions: stats.mode,
  atime: wholeSeconds(stats.atimeMs),
  mtime: wholeSeconds(stats.mtimeMs),
});

/** SFTP 3 has 32 bits: times before 1970 and after 2106 are clamped. */
const wholeSeconds = (milliseconds: number): number =>
  Math.min(Math.max(Math.floor(milliseconds / 1000), 0), 0xffffffff);
