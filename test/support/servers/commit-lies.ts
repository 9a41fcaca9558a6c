import { PacketReader } from '../../../src/sftp/packet-reader.ts';
import { Extension, Packet } from '../../../src/sftp/protocol.ts';
import { idOf, packetOf, requestOf, type Lie } from './lying-server.ts';

export const COMMIT = 'commit';

/** How often each request was made, by its name; commits by their kind, too. */
export type Counts = Map<string, number>;

const kindOf = (packet: Buffer): number => packet[9 + Extension.COMMIT.length] ?? 0;

/** What `lie` does with commits; all else is passed on. */
export const withCommits =
  (counts: Counts, lie: (packet: Buffer, wire: Parameters<Lie>[0]) => void): Lie =>
  (wire) => ({
    request: (packet) => {
      const name = requestOf(packet);
      counts.set(name, (counts.get(name) ?? 0) + 1);
      if (name === COMMIT) {
        const kind = `commit ${kindOf(packet)}`;
        counts.set(kind, (counts.get(kind) ?? 0) + 1);
        lie(packet, wire);
      } else wire.toServer(packet);
    },
  });

/** Replies to commits never reach the client. */
export const withoutCommitReplies =
  (lie: Lie): Lie =>
  (wire) => {
    const { request } = lie(wire);
    return {
      ...(request === undefined ? {} : { request }),
      reply: (packet) => {
        if (packet[0] !== Packet.EXTENDED_REPLY || packet.length !== COMMIT_REPLY_BYTES) wire.toClient(packet);
      },
    };
  };

/** Type, id, size, permissions, time, nanoseconds, SHA-256. */
const COMMIT_REPLY_BYTES = 1 + 4 + 8 + 4 + 4 + 4 + 36;

export interface Held {
  readonly size: number;
  readonly permissions: number;
  readonly mtime: number;
  readonly sha256: Buffer;
}

export const withOtherReplies =
  (change: (held: Held) => Partial<Held>): Lie =>
  (wire) => ({
    reply: (packet) => {
      if (packet[0] !== Packet.EXTENDED_REPLY || packet.length !== COMMIT_REPLY_BYTES) return wire.toClient(packet);
      const reply = new PacketReader(packet.subarray(5));
      const [size, permissions, mtime, nanoseconds] = [reply.u64(), reply.u32(), reply.u32(), reply.u32()];
      const held = { size, permissions, mtime, sha256: Buffer.from(reply.bytes()) };
      const other = { ...held, ...change(held) };
      wire.toClient(
        packetOf((writer) => {
          writer.begin(Packet.EXTENDED_REPLY).u32(idOf(packet)).u64(other.size).u32(other.permissions);
          writer.u32(other.mtime).u32(nanoseconds).bytes(other.sha256).end();
        }),
      );
    },
  });
