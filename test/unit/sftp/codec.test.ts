import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeName } from '../../../src/name.ts';
import { createPacketSplitter, MalformedPacketError, PacketReader } from '../../../src/sftp/packet-reader.ts';
import { PacketWriter } from '../../../src/sftp/packet-writer.ts';
import { MAX_PACKET_BYTES, Packet } from '../../../src/sftp/protocol.ts';

const u32 = fc.integer({ min: 0, max: 0xffffffff });
const u64 = fc.maxSafeNat();
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const owner = fc.oneof(fc.constant({}), fc.record({ uid: u32, gid: u32 }));
const dates = fc.oneof(fc.constant({}), fc.record({ atime: u32, mtime: u32 }));
const attributes = fc
  .tuple(fc.record({ size: u64, permissions: u32 }, { requiredKeys: [] }), owner, dates)
  .map((parts) => ({ ...parts[0], ...parts[1], ...parts[2] }));

describe('what a PacketWriter writes', () => {
  it('a PacketReader reads back, field by field', () => {
    fc.assert(
      fc.property(u32, u64, bytes, attributes, bytes, (id, size, data, attrs, rawName) => {
        const name = decodeName(rawName);
        const writer = new PacketWriter();
        writer.begin(Packet.OPEN).u32(id).u64(size).bytes(data).attributes(attrs).name(name).end();
        const reader = new PacketReader(writer.take().subarray(4));
        expect(reader.u8()).toBe(Packet.OPEN);
        expect(reader.u32()).toBe(id);
        expect(reader.u64()).toBe(size);
        expect(reader.bytes()).toEqual(data);
        expect(reader.attributes()).toEqual(attrs);
        expect(Buffer.compare(reader.bytes(), rawName)).toBe(0);
        expect(reader.remaining).toBe(0);
      }),
      { numRuns: 500 },
    );
  });

  it('is split into the same packets, whatever the chunk sizes', () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 200_000 }), { minLength: 1, maxLength: 40 });
    const payloads = fc.array(
      fc.oneof(
        bytes,
        fc.integer({ min: 0, max: 100_000 }).map((size) => Buffer.alloc(size, size)),
      ),
      {
        maxLength: 20,
      },
    );
    fc.assert(
      fc.property(payloads, cuts, (sent, sizes) => {
        const writer = new PacketWriter();
        for (const payload of sent) writer.begin(Packet.DATA).bytes(payload).end();
        const stream = writer.take();
        const got: Buffer[] = [];
        const split = createPacketSplitter((packet) => got.push(Buffer.from(packet)));
        for (let at = 0, turn = 0; at < stream.length; turn += 1) {
          const size = sizes[turn % sizes.length] ?? 1;
          split(stream.subarray(at, at + size));
          at += size;
        }
        expect(got.length).toBe(sent.length);
        got.forEach((packet, index) => {
          expect(packet.subarray(5).equals(sent[index] ?? Buffer.from('missing'))).toBe(true);
        });
      }),
      { numRuns: 200 },
    );
  });

  it('is split into the same packets byte by byte', () => {
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 5 }), (sent) => {
        const writer = new PacketWriter();
        for (const payload of sent) writer.begin(Packet.DATA).bytes(payload).end();
        const got: Buffer[] = [];
        const split = createPacketSplitter((packet) => got.push(Buffer.from(packet.subarray(5))));
        for (const byte of writer.take()) split(Buffer.from([byte]));
        expect(got).toEqual(sent);
      }),
    );
  });
});

describe('a malformed packet', () => {
  it.each([
    ['of no bytes', 0],
    ['larger than allowed', MAX_PACKET_BYTES + 1],
    ['of 4 GiB', 0xffffffff],
  ])('%s is refused by the splitter before it is buffered', (_, length) => {
    const head = Buffer.alloc(4);
    head.writeUInt32BE(length);
    expect(() => createPacketSplitter(() => undefined)(head)).toThrow(MalformedPacketError);
  });

  it.each([
    ['Welcome to drms!\r\n', 'text came where an SFTP packet was expected, "Welcome to drms!"'],
    ['\xff\xff\xff\xff', 'packet of 4294967295 bytes'],
  ])('says what came instead of it: %j', (text, words) =>
    expect(() => createPacketSplitter(() => undefined)(Buffer.from(text, 'latin1'))).toThrow(words),
  );

  it('makes the reader throw MalformedPacketError and nothing else', () => {
    fc.assert(
      fc.property(bytes, (packet) => {
        const reader = new PacketReader(packet);
        try {
          reader.u8();
          reader.attributes();
          reader.bytes();
          reader.u64();
          reader.text();
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedPacketError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
