import type { RefusalKind } from '../core/receiver-figures.ts';
import { plainMessage, systemErrorCode } from '../errors.ts';
import { MalformedPacketError, PacketReader } from '../sftp/packet-reader.ts';
import { Packet, Status } from '../sftp/protocol.ts';
import type { ActionLog } from './client-log.ts';
import { RefusedError } from './refused-error.ts';
import type { RequestContext } from './request-table.ts';

/** What an administrator may want to mend, or to know of. That a file is not there is neither. */
const TOLD: ReadonlyMap<string, RefusalKind> = new Map([
  ...['EACCES', 'EPERM', 'EROFS'].map((code) => [code, 'permission'] as const),
  ...['ENOSPC', 'EDQUOT'].map((code) => [code, 'full'] as const),
  ...['EIO', 'EMFILE', 'ENFILE', 'EFBIG', 'ESTALE'].map((code) => [code, 'failed'] as const),
]);

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
  const kind = kindOf(error);
  if (kind !== undefined) log.refused({ kind, reason: plainMessage(error) }, path);
};

const kindOf = (error: unknown): RefusalKind | undefined => {
  if (!(error instanceof RefusedError)) return TOLD.get(systemErrorCode(error) ?? '');
  return error.status === Status.PERMISSION_DENIED ? 'permission' : undefined;
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
