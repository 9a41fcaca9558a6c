import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeName } from '../../../src/name.ts';
import { createRecordReader } from '../../../src/watcher/inotify-records.ts';

const fileName = fc
  .uint8Array({ minLength: 1, maxLength: 255 })
  .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x61 : byte))))
  .filter((name) => !/^#\d+$/.test(name.toString('latin1'))); // The close of such a one makes two events.
const record = (events: string, name: Uint8Array | string, end = '\0'): Buffer =>
  Buffer.concat([Buffer.from(`${events}\t`), Buffer.from(name), Buffer.from(end)]);

describe('records of inotifywait', () => {
  it('reads names of any bytes, in arbitrary chunks', () => {
    fc.assert(
      fc.property(
        fc.array(fileName, { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 }),
        (names, sizes) => {
          const bytes = Buffer.concat(names.map((name) => record('CLOSE_WRITE,CLOSE', name)));
          const reader = createRecordReader('\0');
          const events = [];
          for (let at = 0, piece = 0; at < bytes.length; piece += 1) {
            const size = sizes[piece % sizes.length] ?? 1;
            events.push(...reader.read(bytes.subarray(at, at + size)));
            at += size;
          }
          expect(events).toEqual(names.map((name) => ({ kind: 'closed', path: decodeName(name) })));
        },
      ),
    );
  });

  it.each([
    ['CLOSE_WRITE,CLOSE', 'a', [{ kind: 'closed', path: 'a' }]],
    ['MOVED_TO', 'a', [{ kind: 'closed', path: 'a' }]],
    ['CREATE', 'a', [{ kind: 'hint', path: 'a' }]],
    ['CREATE,ISDIR', 'a', [{ kind: 'folder', path: 'a' }]],
    ['MOVED_TO,ISDIR', 'a', [{ kind: 'folder', path: 'a' }]],
    ['Q_OVERFLOW', '', [{ kind: 'rescan', path: '', why: 'overflow' }]],
    ['DELETE_SELF', '', [{ kind: 'gone' }]],
    ['MOVE_SELF', '', [{ kind: 'gone' }]],
    ['UNMOUNT', '', [{ kind: 'gone' }]],
    ['IGNORED', '', []],
    ['CLOSE_WRITE,CLOSE', 'a\tb', [{ kind: 'closed', path: 'a\tb' }]],
  ])('%s of %j', (events, name, expected) => {
    expect(createRecordReader('\0').read(record(events, name))).toEqual(expected);
  });

  it('reports a file that was created and closed at once a single time', () => {
    const reader = createRecordReader('\0');
    const chunk = Buffer.concat([record('CREATE', 'a'), record('CREATE', 'link'), record('CLOSE_WRITE,CLOSE', 'a')]);
    expect(reader.read(chunk)).toEqual([
      { kind: 'hint', path: 'link' },
      { kind: 'closed', path: 'a' },
    ]);
  });

  it('reports a name that newlines split as unknown, and the part before it too', () => {
    const reader = createRecordReader('\n');
    const chunk = Buffer.concat([
      record('CLOSE_WRITE,CLOSE', 'good', '\n'),
      record('CLOSE_WRITE,CLOSE', 'one\ntwo', '\n'),
    ]);
    expect(reader.read(chunk)).toEqual([
      { kind: 'closed', path: 'good' },
      { kind: 'hint', path: undefined },
    ]);
  });

  it('takes the close of a file without a name for one of an unknown name', () => {
    const bytes = Buffer.concat([record('CREATE', 'b'), record('CLOSE_WRITE,CLOSE', '#2662804')]);
    expect(createRecordReader('\0').read(bytes)).toEqual([
      { kind: 'hint', path: 'b' },
      { kind: 'closed', path: '#2662804' },
      { kind: 'hint', path: undefined },
    ]);
  });

  it('gives up on a record that never ends', () => {
    const reader = createRecordReader('\0');
    expect(reader.read(Buffer.alloc(5000, 'x'))).toEqual([{ kind: 'hint', path: undefined }]);
    expect(reader.read(record('MOVED_TO', 'a'))).toEqual([{ kind: 'closed', path: 'a' }]);
  });
});
