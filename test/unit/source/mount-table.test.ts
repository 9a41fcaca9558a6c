import { expect, it } from 'vitest';
import { parseDescriptor, parseMounts } from '../../../src/source/mount-table.ts';

it.each([
  ['ext4', false],
  ['btrfs', false],
  ['overlay', false],
  ['tmpfs', false],
  ['fuse.sshfs', true],
  ['fuseblk', true],
  ['nfs', true],
  ['nfs4', true],
  ['cifs', true],
])('a mount of type %s may hang: %s', (type, mayHang) => {
  const text = `22 1 259:303 / / rw,relatime shared:1 - ${type} /dev/x rw\n`;
  expect(parseMounts(text)).toEqual(new Map([['22', { dev: 0x11032fn, mayHang }]]));
});

it('reads mounts without tags, with several, and with odd paths', () => {
  const text =
    '31 22 0:45 / /mnt/a\\040-\\040nfs rw - tmpfs - rw\n32 22 0:46 /sub /b rw master:1 propagate_from:2 - nfs4 host:/x rw\n';
  expect([...parseMounts(text)].map(([id, { dev, mayHang }]) => [id, dev, mayHang])).toEqual([
    ['31', 45n, false],
    ['32', 46n, true],
  ]);
});

it.each([
  ['pos:\t0\nflags:\t0100001\nmnt_id:\t24\nino:\t123\n', { mountId: '24', ino: 123n }],
  ['pos:\t0\nflags:\t0100001\nmnt_id:\t24\n', { mountId: '24', ino: undefined }],
  ['', undefined],
])('reads what the kernel says of a descriptor', (text, facts) => {
  expect(parseDescriptor(text)).toEqual(facts);
});
