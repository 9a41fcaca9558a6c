import { expect, it } from 'vitest';
import { PacketBuffers, type PacketCipher } from '../../../src/ssh/internals/packet-buffers.ts';

const LARGE = 30_000;

const served = () => {
  const sent: Buffer[] = [];
  const cipher = {
    allocPacket: (bytes: number) => Buffer.alloc(bytes),
    encrypt: (packet: Buffer) => {
      cipher._onWrite(packet.subarray(0, 4));
    },
    _onWrite: (data: Buffer) => void sent.push(data),
  };
  new PacketBuffers().serve(cipher);
  return { cipher, sent };
};

it('a packet has its length, at least four bytes of padding, and whole blocks', () => {
  const { cipher } = served();
  for (const payload of [1, 10, 11, 12, 13, 27, LARGE, 32 * 1024 + 9, 300_000]) {
    const packet = cipher.allocPacket(payload);
    const padding = packet[4] ?? 0;
    expect(packet.readUInt32BE()).toBe(packet.length - 4);
    expect(packet.length).toBe(4 + 1 + payload + padding);
    expect((packet.length - 4) % 16).toBe(0);
    expect(padding).toBeGreaterThanOrEqual(4);
    expect(padding).toBeLessThan(20);
    cipher.encrypt(packet);
  }
});

it('large packets share one buffer, and what was written of one stays as it was', () => {
  const { cipher, sent } = served();
  const first = cipher.allocPacket(LARGE);
  cipher.encrypt(first);
  const second = cipher.allocPacket(LARGE - 100);
  cipher.encrypt(second);
  expect(second.buffer).toBe(first.buffer);
  expect(sent.map((length) => length.readUInt32BE())).toEqual([LARGE, LARGE - 100].map((bytes) => lengthOf(bytes)));
});

it('a packet that waits to be encrypted shares with none', () => {
  const { cipher } = served();
  const [waiting, next] = [cipher.allocPacket(LARGE), cipher.allocPacket(LARGE)];
  expect(next.buffer).not.toBe(waiting.buffer);
});

it('padding is random', () => {
  const { cipher } = served();
  const paddings = Array.from({ length: 1000 }, () => cipher.allocPacket(11).subarray(16).toString('hex'));
  expect(new Set(paddings).size).toBe(1000);
});

it('a cipher without these methods stays as it is', () => {
  const cipher: PacketCipher = { encrypt: () => undefined };
  const { encrypt } = cipher;
  new PacketBuffers().serve(cipher);
  expect(cipher).toEqual({ encrypt });
});

const lengthOf = (payload: number): number => {
  const padding = 16 - ((1 + payload) % 16);
  return 1 + payload + (padding < 4 ? padding + 16 : padding);
};
