import { expect, it } from 'vitest';
import { PacketReader } from '../../../src/sftp/packet-reader.ts';
import { PacketWriter } from '../../../src/sftp/packet-writer.ts';
import { Packet } from '../../../src/sftp/protocol.ts';
import { readExtensions } from '../../../src/sftp/replies.ts';

const versionPacket = (version: number, strings: readonly string[]): PacketReader => {
  const writer = new PacketWriter();
  const packet = writer.begin(Packet.VERSION).u32(version);
  for (const text of strings) packet.bytes(text);
  packet.end();
  return new PacketReader(writer.take().subarray(4));
};

it.each<[string, number, string[], [string, string][]]>([
  ['no extensions', 3, [], []],
  [
    'two extensions',
    3,
    ['fsync@openssh.com', '1', 'a', ''],
    [
      ['fsync@openssh.com', '1'],
      ['a', ''],
    ],
  ],
  ['a newer version', 6, ['a', '2'], [['a', '2']]],
])('reads a VERSION packet with %s', (_title, version, strings, extensions) => {
  expect([...readExtensions(versionPacket(version, strings))]).toEqual(extensions);
});

it.each([
  ['an older version', 2, [], 'the server speaks SFTP version 2 only'],
  ['a name without a value', 3, ['a'], 'packet ends too early'],
])('refuses a VERSION packet with %s', (_title, version, strings, message) => {
  expect(() => readExtensions(versionPacket(version, strings))).toThrow(message);
});
