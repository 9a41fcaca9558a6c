import type { Name } from '../name.ts';
import type { PacketReader } from './packet-reader.ts';
import { CommitFlag, CommitKind, Extension, Packet } from './protocol.ts';
import { ChannelClosedError, statusError } from './replies.ts';
import type { RequestChannel } from './request-channel.ts';

/** One file with its content, for `commit@isocket`. */
export interface FileToCommit {
  /** Without its folder, which is that of `path`. */
  readonly temporary: Name;
  readonly path: Name;
  readonly isDurable: boolean;
  readonly permissions: number;
  readonly mtime: number;
  readonly mtimeNs: number;
  readonly sha256: Buffer;
  /** Is encoded before the call returns. */
  readonly content: Buffer;
}

/** What has the name after a commit. */
export interface CommittedFile {
  readonly size: number;
  readonly permissions: number;
  readonly mtime: number;
  readonly sha256: Buffer;
}

/** Sends a whole file; resolves with what has its name then. */
export const commitWith =
  (requests: RequestChannel) =>
  (file: FileToCommit): Promise<CommittedFile> =>
    requests.request(
      Packet.EXTENDED,
      (packet) =>
        packet
          .bytes(Extension.COMMIT)
          .u8(CommitKind.CONTENT)
          .u32(file.isDurable ? CommitFlag.DURABLE : 0)
          .name(file.temporary)
          .name(file.path)
          .u32(file.permissions)
          .u32(file.mtime)
          .u32(file.mtimeNs)
          .u64(file.content.length)
          .bytes(file.sha256)
          .bytes(file.content),
      readCommitted,
      'commit',
    );

const readCommitted = (reply: PacketReader): CommittedFile => {
  const type = reply.u8();
  reply.u32();
  if (type === Packet.STATUS) throw statusError(reply.u32(), reply);
  if (type !== Packet.EXTENDED_REPLY)
    throw new ChannelClosedError(`the server answered a commit with packet type ${type}`);
  const [size, permissions, mtime] = [reply.u64(), reply.u32(), reply.u32()];
  reply.u32(); // Nanoseconds: whole seconds are what is compared.
  return { size, permissions, mtime, sha256: Buffer.from(reply.bytes()) };
};
