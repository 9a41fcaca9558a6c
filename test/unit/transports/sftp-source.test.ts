import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openSource, readSmallFile } from '../../../src/transports/sftp/source.ts';

const SOURCE = new URL('../../../src/transports/sftp/source.ts', import.meta.url).href;
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

it('reads a file of another user, for which NOATIME is not permitted', () => {
  const read = `
    import { statSync } from 'node:fs';
    import { openSource, readSmallFile } from '${SOURCE}';
    const sourcePath = process.argv[1];
    const file = { sourcePath, targetPath: 'DC1/file', mode: 0o644, identity: statSync(sourcePath, { bigint: true }) };
    process.stdout.write(readSmallFile(file));
    const source = await openSource(file);
    process.stdout.write(await source.readFile());
    await source.close();
  `;
  const asNobody = ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath];
  const { stdout, stderr } = spawnSync('setpriv', [...asNobody, '--input-type=module', '-e', read, path], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(stdout).toBe('contentcontent');
});
