import { expect, it } from 'vitest';
import { parseWritableMappings } from '../../../src/source/writable-mappings.ts';

const FILE = '00000000 fe:01 2150316                    /datas/DC1/f';

it.each([
  ['shared and writable', `7f00-7f10 rw-s ${FILE}`, 1],
  ['write only', `7f00-7f10 -w-s ${FILE}`, 1],
  ['executable too', `7f00-7f10 rwxs ${FILE}`, 1],
  ['private', `7f00-7f10 rw-p ${FILE}`, 0],
  ['read only', `7f00-7f10 r--s ${FILE}`, 0],
  ['no file', '7f00-7f10 rw-s 00000000 00:00 0 ', 0],
  ['a private one of a file with a deceptive name', '7f00-7f10 rw-p 00000000 fe:01 7   /datas/x rw-s y', 0],
  ['two ranges of one file', `7f00-7f10 rw-s ${FILE}\n7f20-7f30 rw-s ${FILE}`, 1],
])('%s', (_what, line, count) => {
  expect(parseWritableMappings(`5500-5510 r-xp 00000000 fe:01 9   /bin/x\n${line}\n`)).toHaveLength(count);
});

it('reads the range, the device as stat gives it, the inode and the path', () => {
  expect(parseWritableMappings('7f00-7f10 rw-s 00001000 103:12f 42      /datas/new\\012line \xff\n')).toEqual([
    { range: '7f00-7f10', dev: 0x11032fn, ino: 42n, path: '/datas/new\nline \xff' },
  ]);
});
