import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openState } from '../../src/marks/state.ts';

// What takes root to test: files that belong to another user.

const SOURCE = new URL('../../src/transports/sftp/source.ts', import.meta.url).href;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-users-'));
  chmodSync(folder, 0o755);
});
afterEach(() => rmSync(folder, { recursive: true }));

it('a state folder that is another user’s is refused', () => {
  mkdirSync(`${folder}/state`, { mode: 0o700 });
  chownSync(`${folder}/state`, 65_534, 65_534);
  expect(() => openState(`${folder}/state`, folder)).toThrow('it belongs to user nobody, isocket runs as root');
  expect(readdirSync(`${folder}/state`)).toEqual([]);
});

it('a source file that belongs to another user is read, though only its owner may ask to leave its access time alone', () => {
  const path = `${folder}/file`;
  writeFileSync(path, 'content', { mode: 0o644 });
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
