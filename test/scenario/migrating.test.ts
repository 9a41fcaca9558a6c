import { execa } from 'execa';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { parser } from '../support/parser.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type TestSite } from '../support/site.ts';
import { differences, unmarked } from '../support/trees.ts';

// docs/migrating.md: its commands, as they stand there.

const PAGE = readFileSync(new URL('../../docs/migrating.md', import.meta.url), 'utf8');

let folder: string;
let server: TestServer;
let site: TestSite;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-migrating-'));
  server = await startOwnReceiver(folder);
  site = makeSite(folder, server);
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** The line of the page that begins so, for this site. */
const run = async (beginning: string): Promise<void> => {
  const line = PAGE.split('\n').find((one) => one.startsWith(beginning)) ?? 'false';
  const here = line.replaceAll('/datas', site.root).replace(/isocket@\S+/, `${server.folder}/`);
  expect(await execa('sh', ['-c', here], { reject: false })).toMatchObject({ exitCode: 0 });
};

/** All but one file of a directory at the destination, with the time of their arrival or their own. */
const copied = (name: string, { keepsTimes }: { readonly keepsTimes: boolean }): void => {
  cpSync(`${site.root}/${name}`, `${server.folder}/${name}`, { recursive: true, preserveTimestamps: keepsTimes });
  for (const marker of ['finished.parse', 'finished.watch'])
    rmSync(`${server.folder}/${name}/${marker}`, { force: true });
  rmSync(`${server.folder}/${name}/file-2`);
};

const old = new Date('2020-01-01');
const age = (name: string): void => {
  for (const file of readdirSync(`${site.root}/${name}`)) utimesSync(`${site.root}/${name}/${file}`, old, old);
};

it('from the old isocket: empty markers go, times are set, and nothing is sent twice', async () => {
  const { writeFiles, closeDirectory, markAll } = parser(site.root);
  writeFiles('DC1', 5);
  closeDirectory('DC1');
  age('DC1');
  markAll('DC1', 5);
  copied('DC1', { keepsTimes: false });
  writeFileSync(`${site.root}/DC1/finished.watch`, '');
  await run('find /datas -name finished.watch');
  expect(existsSync(`${site.root}/DC1/finished.watch`)).toBe(false);
  await run('rsync -rtc');
  expect((await site.scan()).summary).toMatchObject({ sent: 0, finished: 1, failed: 0 });
  expect(differences(site.root, server.folder, { contentOnly: true })).toEqual([]);
});

it('from rsync: what it sent is asked for, and the rest is sent', async () => {
  const { writeFiles, closeDirectory } = parser(site.root);
  writeFiles('DC1', 5);
  closeDirectory('DC1');
  age('DC1');
  copied('DC1', { keepsTimes: true });
  await run('find /datas -type f');
  expect((await site.scan()).summary).toMatchObject({ sent: 1, finished: 1, failed: 0 });
  expect(differences(site.root, server.folder)).toEqual([]);
  expect(unmarked(`${site.root}/DC1`)).toEqual([]);
});
