import { mkdirSync, mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { listDirectory } from '../../../src/delivery/list-directory.ts';
import { isAsListed, type Listing } from '../../../src/delivery/listing.ts';
import { createMemoryRecord } from '../../../src/marks/record.ts';
import { createOpenFilesView } from '../../../src/source/open-files.ts';
import { readDirectory } from '../../../src/source/root.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'isocket-listing-'));
  mkdirSync(`${root}/DC1/x/deep`, { recursive: true });
  mkdirSync(`${root}/DC1/y`);
  writeFileSync(`${root}/DC1/x/deep/file`, 'content');
  for (const folder of ['', '/x', '/x/deep', '/y']) utimesSync(`${root}/DC1${folder}`, 1000, 1000);
});
afterEach(() => rmSync(root, { recursive: true }));

const list = (directory = readDirectory(root, 'DC1') ?? { name: 'DC1' }): Promise<Listing> =>
  listDirectory(
    { directory, closedBy: 'parser' },
    createMemoryRecord(),
    { root, isExcluded: () => false, settleMs: 0, openFiles: createOpenFilesView(), trustMarks: false },
    {},
  );

it.each<[string, () => void]>([
  ['a file that came', () => writeFileSync(`${root}/DC1/late`, '')],
  ['a file that came, deep below', () => writeFileSync(`${root}/DC1/x/deep/late`, '')],
  ['a file that went', () => rmSync(`${root}/DC1/x/deep/file`)],
  ['a folder under another name', () => renameSync(`${root}/DC1/x`, `${root}/DC1/z`)],
  ['a folder that went', () => rmSync(`${root}/DC1/y`, { recursive: true })],
])('%s since the listing is seen by the times of the folders', async (_title, change) => {
  const listing = await list();
  expect(isAsListed(root, 'DC1', listing)).toBe(true);
  change();
  expect(isAsListed(root, 'DC1', listing)).toBe(false);
});

it('another directory with the name is not listed for the one that was planned', async () => {
  const planned = readDirectory(root, 'DC1');
  renameSync(`${root}/DC1`, `${root}/DC2`);
  mkdirSync(`${root}/DC1`);
  await expect(list(planned)).rejects.toMatchObject({ code: 'ENOENT' });
  expect((await list()).files).toBe(0);
});
