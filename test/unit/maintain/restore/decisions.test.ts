import { describe, expect, it } from 'vitest';
import { chooseDestination } from '../../../../src/cli/commands/choose-destination.ts';
import { parseSha256Sums, formatSha256Sums } from '../../../../src/core/sha256sums.ts';
import { decodeName } from '../../../../src/name.ts';
import { batchesOf } from '../../../../src/maintain/restore/batches.ts';
import { compareStored, showTime } from '../../../../src/maintain/restore/compare-stored.ts';
import { sortOut } from '../../../../src/maintain/restore/directory-plan.ts';
import { isSafePath, judgeName } from '../../../../src/maintain/restore/stored-names.ts';
import { temporaryName } from '../../../../src/maintain/restore/temporary-names.ts';
import { isTemporaryOfRestore } from '../../../../src/source/markers.ts';
import { entryOf } from '../../../../src/transports/rsync/list-tree.ts';
import type { StoredEntry, Transport } from '../../../../src/transport.ts';

describe('a name at the destination', () => {
  it.each([
    ['a', 'file'],
    ['sub/finished.watch', 'file'],
    ['finished.parse', 'marker'],
    ['finished.watch', 'proof'],
    ['finished.watch/x', 'proof'],
    ['.isocket-finished.watch', 'proof'],
    ['.isocket-01234567-1.part', 'temporary'],
    ['sub/.isocket-01234567.part/x', 'temporary'],
    ['SHA256SUMS', 'manifest'],
    ['sub/SHA256SUMS', 'file'],
    ['', 'unsafe'],
    ['/etc/passwd', 'unsafe'],
    ['..', 'unsafe'],
    ['a/../../b', 'unsafe'],
    ['a//b', 'unsafe'],
    ['a/', 'unsafe'],
    ['./a', 'unsafe'],
    ['a\0b', 'unsafe'],
  ])('%j is %s', (path, judged) => {
    expect(judgeName(path, { manifest: true })).toBe(judged);
  });

  it('is no manifest where the site writes none', () => {
    expect(judgeName('SHA256SUMS', { manifest: false })).toBe('file');
  });

  it('may hold anything else', () => {
    for (const name of ['...', '..a', ' ', '\n', decodeName(Buffer.from([0xff]))]) expect(isSafePath(name)).toBe(true);
  });
});

it('sorts entries out; what is not below the directory is unsafe', () => {
  const entry = (path: string, kind: StoredEntry['kind'] = 'file'): StoredEntry => ({
    path,
    kind,
    size: 1,
    mtimeSeconds: 1,
  });
  const stored = sortOut(
    'DC1',
    [
      ...[entry('DC1/a'), entry('DC1/a'), entry('DC1/sub', 'folder'), entry('DC1/sub/link', 'other'), entry('DC10/b')],
      ...[entry('DC1'), entry('DC1/SHA256SUMS'), entry('DC1/finished.watch'), entry('DC1/finished.parse')],
    ],
    { manifest: true },
  );
  expect([...stored.files.keys()]).toEqual(['a', 'finished.parse']);
  expect([...stored.folders]).toEqual(['sub']);
  expect(stored).toMatchObject({
    others: ['sub/link'],
    unsafe: ['DC10/b', 'DC1'],
    manifest: { path: 'DC1/SHA256SUMS' },
  });
});

describe('what stands here', () => {
  const local = (kind: 'file' | 'folder' | 'link' | 'fifo', size = 5n, mtimeNs = 7_900_000_000n) => ({
    size,
    mtimeNs,
    isFile: () => kind === 'file',
    isDirectory: () => kind === 'folder',
    isSymbolicLink: () => kind === 'link',
  });
  const stored = { size: 5, mtimeSeconds: 7 };

  it.each([
    ['nothing', undefined, 'absent', undefined],
    ['the same size and second', local('file'), 'equal', undefined],
    ['another size', local('file', 6n), 'different', true],
    ['another second', local('file', 5n, 8_000_000_000n), 'of-other-time', undefined],
    ['a link', local('link'), 'different', true],
    ['a folder', local('folder'), 'different', false],
    ['a fifo', local('fifo'), 'different', false],
  ])('%s', (_title, found, kind, mayBeReplaced) => {
    expect(compareStored(found, stored)).toMatchObject({
      kind,
      ...(mayBeReplaced === undefined ? {} : { mayBeReplaced }),
    });
  });

  it('is told with times that people read', () => {
    expect(showTime(-5)).toBe('1969-12-31T23:59:55Z');
    expect(showTime(1e15)).toBe('1000000000000000');
  });
});

it('reads the sums that it writes, whatever the names, and nothing else', () => {
  const files = ['a', '-', 'b\\c', 'new\nline', 'r\r', '\\n', decodeName(Buffer.from([0xff, 0x0a]))].map(
    (path, index) => ({
      path,
      sum: String(index).repeat(64),
    }),
  );
  expect(new Map(files.map(({ path, sum }) => [path, sum]))).toEqual(parseSha256Sums(formatSha256Sums(files)));
  expect(parseSha256Sums(Buffer.alloc(0))).toEqual(new Map());
  for (const text of ['x\n', `${'a'.repeat(64)}  a`, `${'a'.repeat(63)}  a\n`, `${'a'.repeat(64)}  a\n\n`])
    expect(parseSha256Sums(Buffer.from(text))).toBeUndefined();
});

it('puts files into batches by their number and their size', () => {
  const wanted = (size: number) => ({
    entry: { path: 'x', kind: 'file' as const, size, mtimeSeconds: 1 },
    path: 'x',
    replaces: false,
  });
  const MIB = 1024 * 1024;
  const sizes = [40, 30, 100, 1, 1].map((mib) => wanted(mib * MIB));
  expect([...batchesOf(sizes)].map((batch) => batch.length)).toEqual([1, 1, 1, 2]);
  expect([...batchesOf(Array.from({ length: 3000 }, () => wanted(0)))].map((batch) => batch.length)).toEqual([
    2048, 952,
  ]);
  expect([...batchesOf([])]).toEqual([]);
});

it('a big file’s temporary name says of which file in which state it is; a small one’s is used once', () => {
  const big: StoredEntry = { path: 'DC1/a', kind: 'file', size: 5_000_000, mtimeSeconds: 7 };
  const name = temporaryName(big, 'x');
  expect(temporaryName({ ...big }, 'x')).toBe(name);
  const others = [
    temporaryName(big, 'y'),
    temporaryName({ ...big, size: 5_000_001 }, 'x'),
    temporaryName({ ...big, mtimeSeconds: 8 }, 'x'),
    temporaryName({ ...big, path: 'DC1/b' }, 'x'),
    temporaryName({ ...big, size: 1 }, 'x'),
    temporaryName({ ...big, size: 1 }, 'x'),
  ];
  expect(new Set([name, ...others]).size).toBe(7);
  for (const one of [name, ...others]) expect(isTemporaryOfRestore(one)).toBe(true);
});

describe('a line of a dry run of rsync', () => {
  it.each([
    ['>f+++++++++|3|2026/11/27-03:15:00|a b', { path: 'a b', kind: 'file', size: 3, mtimeSeconds: 1_795_749_300 }],
    ['cd+++++++++|4096|2026/11/27-03:15:00|sub/', { path: 'sub', kind: 'folder' }],
    ['cL+++++++++|1|2026/11/27-03:15:00|link', { kind: 'other' }],
    ['cS+++++++++|0|2026/11/27-03:15:00|fifo', { kind: 'other' }],
    ['>f+++++++++|2|1969/12/31-23:59:50|sub/new\\#012line', { path: 'sub/new\nline', mtimeSeconds: -10 }],
    ['>f+++++++++|2|0001/01/01-00:00:00|old', { mtimeSeconds: -62_135_596_800 }],
  ])('%s', (line, entry) => {
    expect(entryOf(Buffer.from(line))).toMatchObject(entry);
  });

  it.each(['', 'receiving incremental file list', 'skipping non-regular file "x"', 'a|1|2026/11/27-03:15:00|b'])(
    'is none: %j',
    (line) => expect(entryOf(Buffer.from(line))).toBeUndefined(),
  );
});

describe('--from', () => {
  const transport = (label: string, isReadable = true): Transport =>
    ({ label, ...(isReadable ? { fetch: () => undefined, listTree: () => undefined } : {}) }) as unknown as Transport;
  const all = [transport('only://sends', false), transport('sftp://a@one/x'), transport('sftp://a@two/x')];

  it.each([
    [undefined, 'sftp://a@one/x'],
    ['3', 'sftp://a@two/x'],
    ['two', 'sftp://a@two/x'],
    ['sftp://a@one/x', 'sftp://a@one/x'],
  ])('%s is %s', (from, label) => {
    expect(chooseDestination(all, from).label).toBe(label);
  });

  it.each([
    ['sftp', 'it fits several destinations'],
    ['4', 'there is no such destination'],
    ['1', 'its transport only sends'],
  ])('%s: %s', (from, words) => {
    expect(() => chooseDestination(all, from)).toThrow(words);
  });
});
