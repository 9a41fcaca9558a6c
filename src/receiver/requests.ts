import { Extension, Packet, SFTP_VERSION, MAX_PACKET_BYTES, Status } from '../sftp/protocol.ts';
import { MalformedPacketError, PacketReader } from '../sftp/packet-reader.ts';
import { serveCommit } from './commit.ts';
import { serveSum } from './commit-sum.ts';
import { directoryRequests } from './directory-requests.ts';
import { fileRequests, MAX_DATA_BYTES, syncHandle } from './file-requests.ts';
import { fileSystemStats, pathRequests, posixRename } from './path-requests.ts';
import { RefusedError } from './refused-error.ts';
import { writeError } from './replies.ts';
import { pathIn, tellRefusal } from './tell-refusal.ts';
import type { RequestContext, RequestHandler, RequestTable } from './request-table.ts';

/** The most open handles per session; reported by `limits@openssh.com`. */
export const MAX_HANDLES = 1024;

const limits: RequestHandler = ({ reply }, id) => {
  reply.begin(Packet.EXTENDED_REPLY).u32(id);
  reply.u64(MAX_PACKET_BYTES).u64(MAX_DATA_BYTES).u64(MAX_DATA_BYTES).u64(MAX_HANDLES).end();
};

const extensions: Readonly<Record<string, { readonly version: string; readonly serve: RequestHandler }>> = {
  [Extension.POSIX_RENAME]: { version: '1', serve: posixRename },
  [Extension.FSYNC]: { version: '1', serve: syncHandle },
  [Extension.LIMITS]: { version: '1', serve: limits },
  [Extension.STATVFS]: { version: '2', serve: fileSystemStats },
  [Extension.COMMIT]: { version: '1', serve: serveCommit },
  [Extension.SHA256]: { version: '1', serve: serveSum },
};

const refuse: RequestHandler = () => {
  throw new RefusedError(Status.PERMISSION_DENIED, 'symbolic links are not served');
};

const unsupported: RequestHandler = () => {
  throw new RefusedError(Status.OP_UNSUPPORTED, 'not supported');
};

const extended: RequestHandler = (context, id, request) => {
  const name = request.text();
  const extension = Object.hasOwn(extensions, name) ? extensions[name] : undefined;
  return (extension?.serve ?? unsupported)(context, id, request);
};

const requests: RequestTable = {
  ...fileRequests,
  ...pathRequests,
  ...directoryRequests,
  [Packet.READLINK]: refuse,
  [Packet.SYMLINK]: refuse,
  [Packet.EXTENDED]: extended,
};

/**
 * Serves packets one by one, each with one reply into the context's writer. A promise means that the reply comes later, and
 * that no further packet may be served until it has settled; what the context takes aside is answered later, too.
 * @throws MalformedPacketError (from the call, never the promise) for a malformed packet, or a request before INIT
 */
export const createRequestServer = (context: RequestContext): ((packet: Buffer) => Promise<void> | undefined) => {
  let initialized = false;
  return (packet) => {
    const request = new PacketReader(packet);
    const type = request.u8();
    if (type === Packet.INIT) {
      request.u32();
      initialized = true;
      writeVersion(context);
      return undefined;
    }
    if (!initialized) throw new MalformedPacketError('a request before INIT');
    const id = request.u32();
    try {
      return (requests[type] ?? unsupported)(context, id, request) ?? undefined;
    } catch (error) {
      if (error instanceof MalformedPacketError) throw error;
      tellRefusal(context.log, error, pathIn(context, packet));
      writeError(context.reply, id, error);
      return undefined;
    }
  };
};

const writeVersion = ({ reply }: RequestContext): void => {
  reply.begin(Packet.VERSION).u32(SFTP_VERSION);
  for (const [name, { version }] of Object.entries(extensions)) reply.bytes(name).bytes(version);
  reply.end();
};
