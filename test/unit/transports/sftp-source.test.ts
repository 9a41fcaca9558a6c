import { chmodSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openSource, readSmallFile } from '../../../src/transports/sftp/source.ts';

const LONG_AGO_S = 1_000_000_000;

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-source-'));
  chmodSync(folder, 0o755);
  path = join(folder, 'file');
  writeFileSync(path, 'content', { mode: 0o644 });
  utimesSync(path, LONG_AGO_S, Date.now() / 1000);
});
afterEach(() => rmSync(folder, { recursive: true }));

const outgoing = () => ({
  sourcePath: path,
  targetPath: 'DC1/file',
  mode: 0o644,
  identity: statSync(path, { bigint: true }),
});

// With an atime older than the mtime, a read without NOATIME would update the inode.
it('reads a file without updating its atime', async () => {
  expect(readSmallFile(outgoing()).toString()).toBe('content');
  await using source = await openSource(outgoing());
  expect(await source.readFile('utf8')).toBe('content');
  expect(statSync(path).atimeMs).toBe(LONG_AGO_S * 1000);
});
