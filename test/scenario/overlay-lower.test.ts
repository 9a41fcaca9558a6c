import { execa } from 'execa';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parser } from '../support/parser.ts';
import { makeSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';
import { differences } from '../support/trees.ts';

// A container image: what is below is of another file system, and each folder gets another inode with the first change in it.
it('a directory that our first mark makes another folder is finished by the same scan', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'isocket-overlay-'));
  stack.defer(() => rmSync(folder, { recursive: true }));
  const at = (name: string): string => join(folder, name);
  const mount = async (target: string, ...args: readonly string[]): Promise<void> => {
    mkdirSync(target, { recursive: true });
    await execa('mount', [...args, target]);
    stack.defer(async () => {
      await execa('umount', ['-l', target]);
    });
  };
  writeFileSync(at('image'), '');
  truncateSync(at('image'), 16 * 1024 * 1024);
  await execa('mkfs.ext4', ['-q', '-F', at('image')]);
  await mount(at('lower'), '-o', 'loop', at('image'));
  const { writeFiles, closeDirectory } = parser(at('lower'));
  for (const name of ['DC1', 'DC2']) {
    writeFiles(name, 20);
    closeDirectory(name);
  }
  await mount(at('upper'), '-t', 'tmpfs', 'tmpfs');
  for (const name of ['upper/files', 'upper/work']) mkdirSync(at(name));
  const server = stack.use(await startSshd(folder));
  const site = makeSite(folder, server);
  const layers = `lowerdir=${at('lower')},upperdir=${at('upper/files')},workdir=${at('upper/work')}`;
  await mount(site.root, '-t', 'overlay', '-o', layers, 'overlay');
  const { exitCode, events, summary } = await site.scan();
  expect([exitCode, summary], JSON.stringify(events)).toMatchObject([0, { sent: 40, finished: 2, unfinished: 0 }]);
  expect(JSON.stringify(events)).not.toContain('vanished');
  for (const name of ['DC1', 'DC2'])
    expect(differences(`${site.root}/${name}`, `${server.folder}/${name}`)).toEqual([]);
  expect((await site.scan()).summary).toMatchObject({ sent: 0, finished: 0, failed: 0 });
});
