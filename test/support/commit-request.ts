import { createHash } from 'node:crypto';
import type { PacketWriter } from '../../src/sftp/packet-writer.ts';
import { CommitFlag, CommitKind, Extension } from '../../src/sftp/protocol.ts';

export interface CommitFields {
  readonly kind?: number;
  readonly flags?: number;
  readonly temporary?: string;
  readonly path?: string;
  readonly permissions?: number;
  readonly mtime?: number;
  readonly mtimeNs?: number;
  readonly content?: Buffer;
  readonly size?: number;
  readonly sha256?: Buffer;
}

export const sha256Of = (content: Buffer | string): Buffer => createHash('sha256').update(content).digest();

/** The fields of commit@isocket. */
export const commitFields =
  ({ content = Buffer.from('content'), ...fields }: CommitFields) =>
  (packet: PacketWriter): PacketWriter => {
    const kind = fields.kind ?? CommitKind.CONTENT;
    packet
      .bytes(Extension.COMMIT)
      .u8(kind)
      .u32(fields.flags ?? CommitFlag.DURABLE);
    packet.bytes(fields.temporary ?? '.isocket-0123abcd-1.part').bytes(fields.path ?? 'new');
    packet
      .u32(fields.permissions ?? 0o640)
      .u32(fields.mtime ?? 1_000_000_000)
      .u32(fields.mtimeNs ?? 0);
    packet.u64(fields.size ?? content.length).bytes(fields.sha256 ?? sha256Of(content));
    return kind === CommitKind.CONTENT ? packet.bytes(content) : packet;
  };
