import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { parser } from '../support/parser.ts';
import { freePort } from '../support/ports.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type TestSite } from '../support/site.ts';

// What README.md says of exit codes, tried; 1 (a defect of isocket) is tried by test/unit/cli and test/unit/daemon.

let folder: string;
let server: TestServer;
let site: TestSite;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-exit-codes-'));
  server = await startOwnReceiver(folder);
  site = makeSite(folder, server);
  const { writeFiles, closeDirectory } = parser(site.root);
  for (const name of ['DC1', 'DC2', 'DC3']) {
    writeFiles(name, 2);
    closeDirectory(name);
  }
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const codeOf = async (...args: string[]): Promise<number | undefined> => (await site.run(args)).exitCode;

it('README.md has a row for each', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const section = readme.slice(readme.indexOf('## Exit codes'), readme.indexOf('## Getting it back'));
  expect([...section.matchAll(/^\| ([\d, ]+) \|/gm)].map(([, code]) => code)).toEqual([
    '0',
    '1',
    '2',
    '3',
    '4',
    '130, 143',
  ]);
});

describe('in this order', () => {
  it('0: done, whatever was skipped', async () => {
    symlinkSync('file-1', `${site.root}/DC1/link`);
    expect(await codeOf('scan')).toBe(0);
    expect(await codeOf('status')).toBe(0);
  });

  it('0: a directory is late', async () => {
    writeFileSync(`${site.root}/DC2/late`, 'came later');
    expect([await codeOf('scan'), await codeOf('status')]).toEqual([0, 0]);
  });

  it('2: usage, and the configuration', async () => {
    expect([await codeOf('nosuch'), await codeOf('--config', `${folder}/none`, 'scan')]).toEqual([2, 2]);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('130, 143: stopped by %s', async (signal) => {
    await using daemon = site.start(['daemon']);
    await daemon.event(({ type }) => type === 'watching');
    expect(await codeOf('scan')).toBe(4); // Another isocket works on this root.
    expect(await daemon.stop(signal)).toBe(signal === 'SIGINT' ? 130 : 143);
  });

  it('3: something is not as it should be', async () => {
    expect(await codeOf('prune', '--older-than', '0s')).toBe(3); // The link in DC1 was never sent.
    rmSync(`${server.folder}/DC1/file-1`);
    expect(await codeOf('verify', 'DC1')).toBe(3);
    chmodSync(`${site.root}/DC2/file-1`, 0o644);
    writeFileSync(`${site.root}/DC2/file-1`, 'another');
    expect(await codeOf('restore', 'DC2')).toBe(3);
  });

  it('3: files are left unsent', async () => {
    const config = JSON.parse(readFileSync(site.config, 'utf8')) as { readonly destination: object };
    const destination = { ...config.destination, port: await freePort() };
    writeFileSync(site.config, JSON.stringify({ ...config, destination }));
    parser(site.root).writeFiles('DC4', 1);
    expect([await codeOf('scan'), await codeOf('status')]).toEqual([3, 3]);
  });
});
