import { plainMessage, systemErrorCode } from '../errors.ts';
import { MalformedPacketError, PacketReader } from '../sftp/packet-reader.ts';
import { Packet, Status } from '../sftp/protocol.ts';
import type { ActionLog } from './client-log.ts';
import { RefusedError } from './refused-error.ts';
import type { RequestContext } from './request-table.ts';

/** What an administrator may want to mend, or to know of. That a file is not there is neither. */
const TOLD = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'EIO', 'EMFILE', 'ENFILE', 'EFBIG', 'ESTALE']);

const ON_HANDLES = new Set<number>([
  Packet.CLOSE,
  Packet.READ,
  Packet.WRITE,
  Packet.FSTAT,
  Packet.FSETSTAT,
  Packet.READDIR,
]);

/** Tells of a request that failed or was refused, if it is worth it. */
export const tellRefusal = (log: ActionLog, error: unknown, path: Buffer | undefined): void => {
  const code = systemErrorCode(error) ?? '';
  const isTold = error instanceof RefusedError ? error.status === Status.PERMISSION_DENIED : TOLD.has(code);
  if (isTold) log.refused(path, plainMessage(error));
};

/** The path that a request is about. */
export const pathIn = ({ handles }: RequestContext, packet: Buffer): Buffer | undefined => {
  try {
    const request = new PacketReader(packet);
    const type = request.u8();
    request.u32();
    if (ON_HANDLES.has(type)) return handles.get(request.bytes()).path;
    return type === Packet.EXTENDED ? undefined : Buffer.from(request.bytes());
  } catch (error) {
    if (error instanceof MalformedPacketError || error instanceof RefusedError) return undefined;
    throw error;
  }
};
