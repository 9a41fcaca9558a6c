import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createPacketSplitter } from '../../../src/sftp/packet-reader.ts';
import { PacketWriter } from '../../../src/sftp/packet-writer.ts';
import { Packet } from '../../../src/sftp/protocol.ts';
import { createReplyRoom, SHORT_REPLIES_BYTES, type ReceiveWindow } from '../../../src/sftp/receive-window.ts';

/** A window whose server sends as much of `stream` as it may. */
const windowOnto = (stream: Buffer) => {
  let left = SHORT_REPLIES_BYTES;
  let granted = SHORT_REPLIES_BYTES;
  let sent = 0;
  const grant = (bytes: number): void => {
    left += bytes;
    granted += bytes;
  };
  const window: ReceiveWindow = {
    get left() {
      return left;
    },
    grant,
    release: () => grant(stream.length),
  };
  return {
    window,
    granted: () => granted,
    next: (most: number): Buffer => {
      const chunk = stream.subarray(sent, sent + Math.min(most, left));
      sent += chunk.length;
      left -= chunk.length;
      return chunk;
    },
  };
};

const encode = (lengths: readonly number[]): Buffer => {
  const writer = new PacketWriter();
  for (const length of lengths) writer.begin(Packet.DATA).bytes(Buffer.alloc(length)).end();
  return Buffer.from(writer.take());
};

const replies = fc.array(
  fc.record({
    length: fc.oneof(fc.nat(40), fc.nat(12_000), fc.nat(100_000)),
    /** Was it asked for with its length, as a READ is? */
    isExpected: fc.boolean(),
  }),
  { maxLength: 60 },
);
const pieces = fc.array(fc.integer({ min: 1, max: 32_768 }), { minLength: 1, maxLength: 10 });

it('whatever the server answers comes whole, and never has it much more room than it needs', () => {
  fc.assert(
    fc.property(replies, pieces, (answers, sizes) => {
      const stream = encode(answers.map(({ length }) => length));
      const server = windowOnto(stream);
      const room = createReplyRoom(server.window);
      let whole = 0;
      let longest = 0;
      const split = createPacketSplitter((packet) => {
        whole += 1;
        longest = Math.max(longest, packet.length);
        room.came(packet.length);
      });
      for (const { length, isExpected } of answers) if (isExpected) room.expect(length);
      room.grant();
      for (let got = 0, turn = 0; got < stream.length; turn += 1) {
        const chunk = server.next(sizes[turn % sizes.length] ?? 1);
        // A server that has more to say and may not, and that nobody will let: both would wait for ever.
        expect(chunk.length).toBeGreaterThan(0);
        got += chunk.length;
        split(chunk);
        if (room.isUsedUp) room.grant();
      }
      expect(whole).toBe(answers.length);
      expect(server.granted() - stream.length).toBeLessThanOrEqual(SHORT_REPLIES_BYTES + 16 * longest);
    }),
    { numRuns: 300 },
  );
});

it('short replies wait until room is used up; then as many may come as before', () => {
  const server = windowOnto(encode([]));
  const room = createReplyRoom(server.window);
  server.next(1);
  room.grant();
  expect(server.granted()).toBe(SHORT_REPLIES_BYTES);
  const all = windowOnto(Buffer.alloc(SHORT_REPLIES_BYTES));
  all.next(SHORT_REPLIES_BYTES);
  const usedUp = createReplyRoom(all.window);
  expect(usedUp.isUsedUp).toBe(true);
  usedUp.grant();
  expect(all.window.left).toBe(SHORT_REPLIES_BYTES);
});

it('a long listing needs fewer and fewer turns', () => {
  const listing = encode(Array.from({ length: 1000 }, () => 12_000));
  const server = windowOnto(listing);
  const room = createReplyRoom(server.window);
  const split = createPacketSplitter((packet) => room.came(packet.length));
  let turns = 0;
  for (let got = 0; got < listing.length; turns += 1) {
    const chunk = server.next(Infinity);
    got += chunk.length;
    split(chunk);
    room.grant();
  }
  expect(turns).toBeLessThan(150);
});

it('after release nothing is granted any more', () => {
  const server = windowOnto(Buffer.alloc(SHORT_REPLIES_BYTES * 2));
  const room = createReplyRoom(server.window);
  room.release();
  room.release();
  const granted = server.granted();
  server.next(SHORT_REPLIES_BYTES * 2);
  expect(room.isUsedUp).toBe(false);
  room.expect(1000);
  room.grant();
  expect(server.granted()).toBe(granted);
});

it('without a window nothing is used up', () => {
  const room = createReplyRoom(undefined);
  room.expect(1000);
  room.grant();
  room.release();
  expect(room.isUsedUp).toBe(false);
});
