import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createPacketSplitter } from '../../../src/sftp/packet-reader.ts';
import { PacketWriter } from '../../../src/sftp/packet-writer.ts';
import { Packet } from '../../../src/sftp/protocol.ts';
import { INITIAL_WINDOW_BYTES, ReceiveWindow, type ChannelWindow } from '../../../src/sftp/receive-window.ts';

/** A window with a server that sends as much of `stream` as the window allows. */
const windowOnto = (stream: Buffer) => {
  let left = INITIAL_WINDOW_BYTES;
  let granted = INITIAL_WINDOW_BYTES;
  let sent = 0;
  const grant = (bytes: number): void => {
    left += bytes;
    granted += bytes;
  };
  const window: ChannelWindow = {
    get remaining() {
      return left;
    },
    grant,
    setUnlimited: () => grant(stream.length),
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
    /** Was its length announced by `expect`, as for a READ? */
    isExpected: fc.boolean(),
  }),
  { maxLength: 60 },
);
const pieces = fc.array(fc.integer({ min: 1, max: 32_768 }), { minLength: 1, maxLength: 10 });

it('every reply is received whole, and the window never exceeds the need by much', () => {
  fc.assert(
    fc.property(replies, pieces, (answers, sizes) => {
      const stream = encode(answers.map(({ length }) => length));
      const server = windowOnto(stream);
      const receiveWindow = new ReceiveWindow(server.window);
      let whole = 0;
      let longest = 0;
      const split = createPacketSplitter((packet) => {
        whole += 1;
        longest = Math.max(longest, packet.length);
        receiveWindow.received(packet.length);
      });
      for (const { length, isExpected } of answers) if (isExpected) receiveWindow.expect(length);
      receiveWindow.grant();
      for (let got = 0, turn = 0; got < stream.length; turn += 1) {
        const chunk = server.next(sizes[turn % sizes.length] ?? 1);
        // An exhausted window that nobody grants again: both sides would wait for ever.
        expect(chunk.length).toBeGreaterThan(0);
        got += chunk.length;
        split(chunk);
        if (receiveWindow.isExhausted) receiveWindow.grant();
      }
      expect(whole).toBe(answers.length);
      expect(server.granted() - stream.length).toBeLessThanOrEqual(INITIAL_WINDOW_BYTES + 16 * longest);
    }),
    { numRuns: 300 },
  );
});

it('nothing is granted until the window is exhausted; then as much as before', () => {
  const server = windowOnto(encode([]));
  const receiveWindow = new ReceiveWindow(server.window);
  server.next(1);
  receiveWindow.grant();
  expect(server.granted()).toBe(INITIAL_WINDOW_BYTES);
  const all = windowOnto(Buffer.alloc(INITIAL_WINDOW_BYTES));
  all.next(INITIAL_WINDOW_BYTES);
  const exhausted = new ReceiveWindow(all.window);
  expect(exhausted.isExhausted).toBe(true);
  exhausted.grant();
  expect(all.window.remaining).toBe(INITIAL_WINDOW_BYTES);
});

it('a long listing needs fewer and fewer turns', () => {
  const listing = encode(Array.from({ length: 1000 }, () => 12_000));
  const server = windowOnto(listing);
  const receiveWindow = new ReceiveWindow(server.window);
  const split = createPacketSplitter((packet) => receiveWindow.received(packet.length));
  let turns = 0;
  for (let got = 0; got < listing.length; turns += 1) {
    const chunk = server.next(Infinity);
    got += chunk.length;
    split(chunk);
    receiveWindow.grant();
  }
  expect(turns).toBeLessThan(150);
});

it('once unlimited, nothing is granted any more', () => {
  const server = windowOnto(Buffer.alloc(INITIAL_WINDOW_BYTES * 2));
  const receiveWindow = new ReceiveWindow(server.window);
  receiveWindow.setUnlimited();
  receiveWindow.setUnlimited();
  const granted = server.granted();
  server.next(INITIAL_WINDOW_BYTES * 2);
  expect(receiveWindow.isExhausted).toBe(false);
  receiveWindow.expect(1000);
  receiveWindow.grant();
  expect(server.granted()).toBe(granted);
});

it('without a channel window nothing is exhausted', () => {
  const receiveWindow = new ReceiveWindow(undefined);
  receiveWindow.expect(1000);
  receiveWindow.grant();
  receiveWindow.setUnlimited();
  expect(receiveWindow.isExhausted).toBe(false);
});
