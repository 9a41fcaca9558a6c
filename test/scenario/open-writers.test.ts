import { execa } from 'execa';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { holdFile } from '../support/file-holder.ts';
import { isFinished, parser } from '../support/parser.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';
import { differences, unmarked } from '../support/trees.ts';

let folder: string;
let server: TestServer;

beforeAll(async () => {
  folder = mkdtempSync(`${tmpdir()}/isocket-writers-`);
  chmodSync(folder, 0o755);
  server = await startSshd(folder);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const mountOverlay = async (base: string): Promise<string> => {
  await execa('mount', ['-t', 'tmpfs', 'tmpfs', base]);
  const [lower, upper, work, merged] = ['lower', 'upper', 'work', 'merged'].map((name) => `${base}/${name}`);
  for (const path of [lower, upper, work, merged]) mkdirSync(String(path));
  const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  await execa('mount', ['-t', 'overlay', '-o', options, 'overlay', String(merged)]);
  return String(merged);
};

const scanBesideWriters = async (base: string, name: string): Promise<void> => {
  const site = makeSite(base, server, { name, destination: { path: `${server.folder}/${name}` } });
  mkdirSync(`${server.folder}/${name}`);
  parser(site.root).writeFiles('DC1', 3);
  {
    await using mapped = await holdFile(`${site.root}/DC1/file-2`, 'shared mapping');
    await using opened = await holdFile(`${site.root}/DC1/file-3`, 'open for writing');
    await mapped.write('half');
    await opened.write('half');
    expect(await site.scan()).toMatchObject({ exitCode: 0, stderr: '' });
    expect(unmarked(site.root).sort()).toEqual(['DC1/file-2', 'DC1/file-3']);
    parser(site.root).closeDirectory('DC1');
    await site.scan();
    expect(isFinished(site.root, 'DC1')).toBe(false);
    await mapped.write('whole');
    await opened.write('whole');
  }
  expect(await site.scan()).toMatchObject({ exitCode: 0, stderr: '' });
  expect(isFinished(site.root, 'DC1')).toBe(true);
  expect(differences(site.root, `${server.folder}/${name}`)).toEqual([]);
};

it('a file that is open or mapped for writing waits for its writer', () => scanBesideWriters(folder, 'plain'));

it('the same below /dev/shm', async () => {
  const base = mkdtempSync('/dev/shm/isocket-writers-');
  try {
    await scanBesideWriters(base, 'shm');
  } finally {
    rmSync(base, { recursive: true });
  }
});

it('the same on overlayfs', async () => {
  const base = mkdtempSync(`${tmpdir()}/isocket-overlay-`);
  try {
    await scanBesideWriters(await mountOverlay(base), 'overlay');
  } finally {
    await execa('umount', ['-l', `${base}/merged`], { reject: false });
    await execa('umount', ['-l', base], { reject: false });
    rmSync(base, { recursive: true });
  }
});
