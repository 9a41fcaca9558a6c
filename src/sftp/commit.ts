import type { Name } from '../name.ts';
import type { PacketReader } from './packet-reader.ts';
import type { PacketWriter } from './packet-writer.ts';
import { CommitFlag, CommitKind, Extension, Packet } from './protocol.ts';
import { expectExtendedReply } from './replies.ts';
import type { RequestChannel } from './request-channel.ts';

/** One file for `commit@isocket`. */
export interface FileToCommit {
  /** Without its folder, which is that of `path`. */
  readonly temporary: Name;
  readonly path: Name;
  readonly isDurable: boolean;
  readonly permissions: number;
  readonly mtime: number;
  readonly mtimeNs: number;
  readonly size: number;
  readonly sha256: Buffer;
  /** Is encoded before the call returns. undefined: it was written under the temporary name. */
  readonly content: Buffer | undefined;
}

/** What has the name after a commit. */
export interface CommittedFile {
  readonly size: number;
  readonly permissions: number;
  readonly mtime: number;
  readonly sha256: Buffer;
}

/** Gives a file its name; resolves with what has it then. */
export const commitWith =
  (requests: RequestChannel) =>
  (file: FileToCommit): Promise<CommittedFile> =>
    requests.request(Packet.EXTENDED, (packet) => writeCommit(packet, file), readCommitted, 'commit');

const writeCommit = (packet: PacketWriter, file: FileToCommit): void => {
  packet
    .bytes(Extension.COMMIT)
    .u8(file.content === undefined ? CommitKind.WRITTEN : CommitKind.CONTENT)
    .u32(file.isDurable ? CommitFlag.DURABLE : 0)
    .name(file.temporary)
    .name(file.path)
    .u32(file.permissions)
    .u32(file.mtime)
    .u32(file.mtimeNs)
    .u64(file.size)
    .bytes(file.sha256);
  if (file.content !== undefined) packet.bytes(file.content);
};

const readCommitted = (reply: PacketReader): CommittedFile => {
  expectExtendedReply(reply);
  const [size, permissions, mtime] = [reply.u64(), reply.u32(), reply.u32()];
  reply.u32(); // Nanoseconds: whole seconds are what is compared.
  return { size, permissions, mtime, sha256: Buffer.from(reply.bytes()) };
};

/** A file's content, as `sha256@isocket` tells it. */
export interface ContentSum {
  readonly size: number;
  readonly sha256: Buffer;
}

/** Asks for the SHA-256 of a file, which the server reads. */
export const sumWith =
  (requests: RequestChannel) =>
  (path: Name): Promise<ContentSum> =>
    requests.request(
      Packet.EXTENDED,
      (packet) => packet.bytes(Extension.SHA256).name(path),
      (reply) => {
        expectExtendedReply(reply);
        return { size: reply.u64(), sha256: Buffer.from(reply.bytes()) };
      },
      'sha256',
    );
