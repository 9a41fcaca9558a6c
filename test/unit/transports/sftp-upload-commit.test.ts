import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { checkHeld } from '../../../src/transports/sftp/upload-commit.ts';

const sha256 = createHash('sha256').update('content').digest();
const file = {
  sourcePath: '/datas/DC1/a',
  targetPath: 'DC1/a',
  mode: 0o644,
  identity: { dev: 1n, ino: 2n, size: 7n, mtimeNs: 1_700_000_000_999_999_999n, ctimeNs: 3n },
};
const held = { size: 7, permissions: 0o100644, mtime: 1_700_000_000, sha256 };

it('takes for confirmed what the reply proves', () => {
  checkHeld('there', file, sha256, held);
  checkHeld('there', file, sha256, { ...held, mtime: 1_699_999_999 }); // FAT has one second in two.
});

it.each([
  ['another size', { size: 8 }, '8 bytes, not 7'],
  ['another SHA-256', { sha256: Buffer.alloc(32) }, 'another SHA-256'],
  ['another time', { mtime: 1_600_000_000 }, 'the time 1600000000, not 1700000000'],
])('does not take a reply with %s', (_, other, message) => {
  expect(() => checkHeld('there', file, sha256, { ...held, ...other })).toThrow(message);
});
