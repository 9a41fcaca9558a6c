import { Duplex } from 'node:stream';
import { expect, it } from 'vitest';
import { openSftpClient } from '../../../src/sftp/client.ts';
import { createPacketSplitter, PacketReader } from '../../../src/sftp/packet-reader.ts';
import { PacketWriter } from '../../../src/sftp/packet-writer.ts';
import { Packet, SFTP_VERSION, Status } from '../../../src/sftp/protocol.ts';

type Packets = Pick<PacketWriter, 'begin' | 'take'>;

/** A channel to a server that performs the handshake, then answers each request by `answer`. */
const channelTo = (answer: (id: number, replies: Packets) => void, version: number = SFTP_VERSION): Duplex => {
  const split = createPacketSplitter((packet) => {
    const request = new PacketReader(packet);
    const replies = new PacketWriter();
    if (request.u8() === Packet.INIT) replies.begin(Packet.VERSION).u32(version).end();
    else answer(request.u32(), replies);
    channel.push(Buffer.from(replies.take()));
  });
  const channel: Duplex = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      split(chunk);
      done();
    },
  });
  return channel;
};

it.each<[string, (id: number, replies: Packets) => void]>([
  [
    'answers a request that was not sent',
    (id, replies) =>
      replies
        .begin(Packet.STATUS)
        .u32(id + 7)
        .u32(Status.OK)
        .end(),
  ],
  ['sends a packet without an id', (_, replies) => replies.begin(Packet.STATUS).end()],
  [
    'sends a wrong length inside a packet',
    (_, replies) => replies.begin(Packet.STATUS).u32(1).bytes(Buffer.alloc(1)).end(),
  ],
])('a server that %s: the channel is closed and every request rejected', async (_title, answer) => {
  const client = await openSftpClient(channelTo(answer));
  const requests = [client.mkdir('DC1', {}), client.lstat('DC1'), client.realpath('.')];
  const outcomes = await Promise.allSettled(requests);
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  expect(client).toMatchObject({ closed: true, pending: 0 });
  await expect(client.mkdir('DC2', {})).rejects.toThrow();
});

it('a server of an older version: opening rejects with the reason, and the channel is closed', async () => {
  const channel = channelTo(() => undefined, SFTP_VERSION - 1);
  await expect(openSftpClient(channel)).rejects.toThrow('the server speaks SFTP version 2 only');
  expect(channel.destroyed).toBe(true);
});

it('a login shell that prints something: opening rejects with that, though the server answers behind it', async () => {
  const channel: Duplex = new Duplex({
    read: () => undefined,
    write: (_chunk, _encoding, done) => {
      channel.push('Welcome to the machine\n');
      const version = new PacketWriter();
      version.begin(Packet.VERSION).u32(SFTP_VERSION).end();
      channel.push(Buffer.from(version.take()));
      done();
    },
  });
  await expect(openSftpClient(channel)).rejects.toThrow('"Welcome to the machine"');
});
