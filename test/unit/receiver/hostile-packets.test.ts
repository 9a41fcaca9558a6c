import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { silentLog } from '../../../src/receiver/client-log.ts';
import { createAppendOnlyRules } from '../../../src/receiver/append-only.ts';
import { unrestricted } from '../../../src/receiver/change-rules.ts';
import { openConfinedFolder } from '../../../src/receiver/confined-folder.ts';
import { createHandles } from '../../../src/receiver/handles.ts';
import { createRequestServer } from '../../../src/receiver/requests.ts';
import { createPacketSplitter, MalformedPacketError } from '../../../src/sftp/packet-reader.ts';
import { PacketWriter } from '../../../src/sftp/packet-writer.ts';
import { Extension, Packet } from '../../../src/sftp/protocol.ts';

const SECRET = 'the secret outside';

let home: string;
let root: string;

beforeEach(() => {
  home = fs.mkdtempSync(join(tmpdir(), 'isocket-hostile-'));
  root = join(home, 'root');
  fs.mkdirSync(join(home, 'outside'));
  fs.writeFileSync(join(home, 'outside/secret'), SECRET);
});
afterEach(() => fs.rmSync(home, { recursive: true }));

const fillRoot = (): void => {
  fs.rmSync(root, { recursive: true, force: true });
  fs.mkdirSync(join(root, 'a/b'), { recursive: true });
  fs.writeFileSync(join(root, 'file'), 'inside');
  fs.symlinkSync('../outside', join(root, 'link'));
};

const outsideState = (): string =>
  ['', 'outside', 'outside/secret']
    .map((name) => fs.lstatSync(join(home, name), { bigint: true }))
    .map(({ mode, uid, gid, size, mtimeNs }, index) =>
      index === 0 ? mode : `${mode} ${uid} ${gid} ${size} ${mtimeNs}`,
    )
    .join('\n');

const u32 = fc.oneof(
  fc.constantFrom(0, 1, 2, 3, 4, 8, 0x1a, 0x3f, 0x7fffffff, 0x80000000, 0x8000000f, 0xffffffff),
  fc.nat({ max: 64 }),
);
const name = fc.oneof(
  fc.constantFrom('a', 'b', 'file', 'link', 'secret', 'outside', '..', '.', '', 'new', '.isocket-0123abcd-1.part'),
  fc.constantFrom('n'.repeat(255), 'n'.repeat(256), 'd/'.repeat(2100), '\0', '\xff', 'proc', 'self', 'fd'),
);
const text = fc.array(name, { maxLength: 5 }).map((names) => Buffer.from(names.join('/'), 'latin1'));
const handle = fc.nat({ max: 5 }).map((number) => Buffer.from([0, 0, 0, number]));
const string = fc
  .oneof(
    text,
    handle,
    fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
  )
  .map((bytes) => ({ bytes }));
const field = fc.oneof(
  string,
  string,
  u32.map((number) => ({ number })),
);
const type = fc.oneof(fc.constantFrom(...Object.values(Packet)), fc.nat({ max: 255 }));
const extension = fc.constantFrom<string>(...Object.values(Extension));

/** Fields in an arbitrary order after a type, with the end cut off now and then. */
const packet = fc
  .tuple(
    type,
    fc.option(extension, { freq: 2 }),
    fc.array(field, { maxLength: 7 }),
    fc.option(fc.nat({ max: 12 }), { freq: 3 }),
  )
  .map(([kind, extended, fields, cut]) => {
    const writer = new PacketWriter();
    writer.begin(kind).u32(7);
    if (kind === Packet.EXTENDED && extended !== null) writer.bytes(extended);
    for (const one of fields) {
      if ('bytes' in one) writer.bytes(one.bytes);
      else writer.u32(one.number);
    }
    writer.end();
    const encoded = writer.take().subarray(4);
    return cut === null ? encoded : encoded.subarray(0, Math.max(1, encoded.length - cut));
  });

it.each([
  ['unrestricted', unrestricted],
  ['append-only', createAppendOnlyRules()],
])('%s: every packet is malformed or gets one reply, and none reaches outside the root', async (_, rules) => {
  const descriptors = () => fs.readdirSync('/proc/self/fd').length;
  const before = { outside: outsideState(), descriptors: descriptors() };
  await fc.assert(
    fc.asyncProperty(fc.array(packet, { minLength: 1, maxLength: 40, size: 'max' }), async (packets) => {
      fillRoot();
      const reply = new PacketWriter();
      const handles = createHandles(8);
      using folder = openConfinedFolder(root);
      const serve = createRequestServer({ log: silentLog, folder, handles, rules, reply });
      void serve(Buffer.from([Packet.INIT, 0, 0, 0, 3]));
      reply.take();
      try {
        for (const one of packets) {
          try {
            await serve(one);
          } catch (error) {
            expect(error).toBeInstanceOf(MalformedPacketError);
            expect(reply.length).toBe(0);
            continue;
          }
          const replies: Buffer[] = [];
          const encoded = reply.take();
          createPacketSplitter((answer) => replies.push(Buffer.from(answer)))(encoded);
          expect(replies).toHaveLength(1);
          expect(replies[0]?.length).toBe(encoded.length - 4);
          expect(encoded.includes(SECRET)).toBe(false);
          if (one[0] !== Packet.INIT) expect(replies[0]?.readUInt32BE(1)).toBe(one.readUInt32BE(1));
        }
      } finally {
        handles.closeAll();
      }
      expect(outsideState()).toBe(before.outside);
    }),
    { numRuns: 400 },
  );
  expect(descriptors()).toBe(before.descriptors);
});
