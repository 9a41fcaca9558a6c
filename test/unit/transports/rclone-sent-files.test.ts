import { statSync } from 'node:fs';
import { beforeEach, describe, expect, test } from 'vitest';
import { DIRECTORY_COSTS, SentFiles } from '../../../src/transports/rclone/sent-files.ts';
import { wholeSeconds, type Name } from '../../../src/transport.ts';

const identity = statSync(import.meta.filename, { bigint: true });
const outgoing = (targetPath: Name, size = identity.size) => ({ targetPath, identity: { ...identity, size } });
const expected = (targetPath: Name, size = identity.size) => ({
  targetPath,
  size,
  mtimeSeconds: wholeSeconds(identity.mtimeNs),
});

test('knows a file in the state in which it was sent last, and in no other', () => {
  const sent = new SentFiles();
  sent.note(outgoing('DC1/sub/file'));
  expect(sent.has(expected('DC1/sub/file'))).toBe(true);
  for (const path of ['DC1/sub/other', 'DC2/sub/file', 'file']) expect(sent.has(expected(path)), path).toBe(false);
  expect(sent.has({ ...expected('DC1/sub/file'), mtimeSeconds: 0 })).toBe(false);
  sent.note(outgoing('DC1/sub/file', 7n));
  expect(sent.has(expected('DC1/sub/file'))).toBe(false);
  expect(sent.has(expected('DC1/sub/file', 7n))).toBe(true);
  expect(sent.size).toBe(1);
});

test('a name that is not UTF-8 is not taken for another one', () => {
  const sent = new SentFiles();
  sent.note(outgoing('DC1/\uFFFD'));
  expect(sent.has(expected('DC1/\uD800'))).toBe(false);
});

test('one directory is remembered however many files it has', () => {
  const sent = new SentFiles(100);
  for (let index = 0; index < 5000; index += 1) sent.note(outgoing(`DC1/file-${index}`));
  for (let index = 0; index < 5000; index += 1) expect(sent.has(expected(`DC1/file-${index}`))).toBe(true);
});

describe('beyond a bound', () => {
  const FILES = 50;
  const KEPT = 10;
  let sent: SentFiles;
  beforeEach(() => {
    sent = new SentFiles(KEPT * (DIRECTORY_COSTS + FILES));
  });

  const indexes = Array.from({ length: FILES }, (_, index) => index);
  const send = (directory: Name): void => indexes.forEach((index) => sent.note(outgoing(`${directory}/${index}`)));
  const countOf = (directory: Name): number =>
    indexes.filter((index) => sent.has(expected(`${directory}/${index}`))).length;

  test('directories are forgotten, whole: those that were used longest ago', () => {
    for (let index = 0; index < 100; index += 1) {
      send(`DC${index}`);
      expect(sent.size).toBe(Math.min(index + 1, KEPT) * FILES);
    }
    expect(['DC0', 'DC89', 'DC90', 'DC99'].map(countOf)).toEqual([0, 0, FILES, FILES]);
  });

  test('those that nobody has asked for since they were sent to are forgotten last', () => {
    send('open');
    for (let index = 0; index < 100; index += 1) {
      send(`DC${index}`);
      expect(countOf(`DC${index}`)).toBe(FILES);
    }
    expect(['open', 'DC90', 'DC91', 'DC99'].map(countOf)).toEqual([FILES, 0, FILES, FILES]);
  });

  test('a directory that is bigger than all of it takes the place of the others', () => {
    send('DC1');
    for (let index = 0; index < 20_000; index += 1) sent.note(outgoing(`DC2/${index}`));
    expect(sent.size).toBe(20_000);
    send('DC3');
    expect(['DC1', 'DC2', 'DC3'].map(countOf)).toEqual([0, 0, FILES]);
  });
});
