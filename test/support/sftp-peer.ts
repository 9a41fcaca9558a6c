import { Duplex } from 'node:stream';
import { createPacketSplitter, PacketReader } from '../../src/sftp/packet-reader.ts';
import { PacketWriter } from '../../src/sftp/packet-writer.ts';
import { Packet, SFTP_VERSION, Status } from '../../src/sftp/protocol.ts';

export interface PeerRequest {
  readonly type: number;
  readonly id: number;
  /** The fields after the id. */
  readonly fields: PacketReader;
}

export interface Peer {
  readonly channel: Duplex;
  status(id: number, status?: number): void;
  handle(id: number, handle: Buffer): void;
  size(id: number, size: number): void;
  /** As a server's program that dies. */
  die(): void;
}

/** A server in this process: it performs the handshake with these extensions, and hands each request to `serve`. */
export const startPeer = (extensions: readonly string[], serve: (request: PeerRequest, peer: Peer) => void): Peer => {
  const send = (write: (packet: PacketWriter) => void): void => {
    const packets = new PacketWriter();
    write(packets);
    channel.push(Buffer.from(packets.take()));
  };
  const split = createPacketSplitter((packet) => {
    const fields = new PacketReader(Buffer.from(packet));
    const type = fields.u8();
    if (type !== Packet.INIT) return serve({ type, id: fields.u32(), fields }, peer);
    send((reply) => {
      reply.begin(Packet.VERSION).u32(SFTP_VERSION);
      for (const extension of extensions) reply.bytes(extension).bytes('1');
      reply.end();
    });
  });
  const channel: Duplex = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      split(chunk);
      done();
    },
  });
  const peer: Peer = {
    channel,
    status: (id, status = Status.OK) =>
      send((reply) => reply.begin(Packet.STATUS).u32(id).u32(status).bytes('said the peer').bytes('').end()),
    handle: (id, handle) => send((reply) => reply.begin(Packet.HANDLE).u32(id).bytes(handle).end()),
    size: (id, size) => send((reply) => reply.begin(Packet.ATTRS).u32(id).attributes({ size }).end()),
    die: () => channel.push(null),
  };
  return peer;
};
