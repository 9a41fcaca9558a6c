import { execa } from 'execa';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { childrenOf } from '../support/children-of.ts';
import { makeRcloneSite, startCrypt, startLocal, startS3, type TestRemote } from '../support/rclone-remotes.ts';
import type { TestSite } from '../support/site.ts';
import { until } from '../support/until.ts';

const LIMIT = { timeout: 120_000 };
const MIB = 1024 * 1024;
const NAMES = [
  'file',
  'empty',
  'sub/deep/file.csv',
  'a b',
  "it's",
  '資料',
  '%41',
  '[x]',
  'back\\slash',
  'new\nline',
  '#',
  'e\u0301',
];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-rclone-site-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const produce = (site: TestSite, name: string, content: Buffer): void => {
  const path = `${site.root}/DC1/${name}`;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
};

const filesIn = (top: string): string[] =>
  readdirSync(top, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith('finished.'))
    .map((entry) => join(entry.parentPath, entry.name).slice(top.length + 1))
    .toSorted();

/** Brought back by rclone itself. */
const expectAllThere = async ({ remote, config }: TestRemote, site: TestSite): Promise<void> => {
  const back = `${folder}/back`;
  await execa('rclone', ['--config', config, 'copy', remote, back]);
  expect(filesIn(back)).toEqual(filesIn(site.root));
  for (const name of filesIn(back)) expect(readFileSync(`${back}/${name}`).equals(readFileSync(`${site.root}/${name}`)), name).toBe(true); // prettier-ignore
};

it('through crypt: scan sends everything, byte for byte, and finishes; verify and restore agree', LIMIT, async () => {
  await using remote = await startCrypt(folder);
  const site = makeRcloneSite(folder, remote);
  for (const name of NAMES) produce(site, name, name === 'empty' ? Buffer.alloc(0) : randomBytes(1000));
  for (let index = 0; index < 60; index += 1) produce(site, `many/${index}`, randomBytes(4096));
  produce(site, 'big', randomBytes(9 * MIB + 7));
  writeFileSync(`${site.root}/DC1/finished.parse`, '');
  const { exitCode, stderr, summary } = await site.scan();
  expect(exitCode, stderr).toBe(0);
  expect(summary).toMatchObject({ sent: NAMES.length + 61, failed: 0, finished: 1 });
  expect(existsSync(`${site.root}/DC1/finished.watch`)).toBe(true);
  await expectAllThere(remote, site);
  expect((await site.scan()).summary).toMatchObject({ sent: 0 });
  expect((await site.run(['verify', '--checksum'])).exitCode).toBe(0);
  const restored = await site.run(['restore', 'DC1', '--to', `${folder}/restored`]);
  expect(restored.exitCode, restored.stderr).toBe(0);
  for (const name of filesIn(`${site.root}/DC1`))
      expect(readFileSync(`${folder}/restored/DC1/${name}`).equals(readFileSync(`${site.root}/DC1/${name}`)), name).toBe(true); // prettier-ignore
});

it('a name that is not UTF-8 is a failed file that keeps its directory unfinished', LIMIT, async () => {
  await using remote = await startS3(folder);
  const site = makeRcloneSite(folder, remote);
  produce(site, 'good', randomBytes(10));
  writeFileSync(Buffer.concat([Buffer.from(`${site.root}/DC1/bad-`), Buffer.from([0xff])]), 'x');
  writeFileSync(`${site.root}/DC1/finished.parse`, '');
  const { exitCode, events, summary } = await site.scan();
  expect(exitCode).toBe(3);
  expect(JSON.stringify(events)).toContain('its name is not UTF-8');
  expect(summary).toMatchObject({ sent: 1, finished: 0 });
});

/** No file is under its final name but whole. */
const expectNothingHalf = ({ folder: there }: TestRemote, site: TestSite): void => {
  for (const name of filesIn(there).filter((one) => !/\.isocket-[^/]*\.part$/.test(one)))
    expect(readFileSync(`${there}/${name}`).equals(readFileSync(`${site.root}/${name}`)), name).toBe(true);
};

describe.each([
  ['S3', startS3],
  ['a local folder', startLocal],
] as const)('to %s', (_kind, start) => {
  it('rclone killed with -9 again and again: nothing is half, and in the end all is there', LIMIT, async () => {
    await using remote = await start(folder);
    const site = makeRcloneSite(folder, remote, { more: { send: { durable: false, bandwidth: '8MB/s' } } });
    for (let index = 0; index < 100; index += 1) produce(site, `many/${index}`, randomBytes(20_000));
    for (const name of ['big', 'other']) produce(site, name, randomBytes(4 * MIB));
    writeFileSync(`${site.root}/DC1/finished.parse`, '');
    let kills = 0;
    for (let round = 0; round < 2; round += 1) {
      await using scan = site.start(['scan']);
      const sent = (): number => filesIn(remote.folder).filter((name) => name.startsWith('DC1/')).length;
      const before = sent();
      let isOver = false as boolean;
      void scan.ended.then(() => {
        isOver = true;
      });
      await until(() => isOver || sent() > before);
      for (const pid of await childrenOf(scan.pid, 'rclone')) {
        process.kill(pid, 'SIGKILL');
        kills += 1;
      }
      expect([0, 3]).toContain(await scan.ended);
      expectNothingHalf(remote, site);
    }
    expect(kills).toBeGreaterThan(0);
    const { exitCode, stderr } = await site.scan();
    expect(exitCode, stderr).toBe(0);
    await expectAllThere(remote, site);
    expect(existsSync(`${site.root}/DC1/finished.watch`)).toBe(true);
  });
});

it('rclone ends with isocket, after kill -9 too', LIMIT, async () => {
  await using remote = await startLocal(folder);
  const site = makeRcloneSite(folder, remote, { more: { send: { durable: false, bandwidth: '1MB/s' } } });
  produce(site, 'big', randomBytes(20 * MIB));
  await using scan = site.start(['scan']);
  await until(() => filesIn(remote.folder).length > 0);
  const [pid = 0] = await childrenOf(scan.pid, 'rclone');
  expect(readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')).toEqual(['rclone', 'rcd', '']);
  await scan.stop('SIGKILL');
  await until(() => !existsSync(`/proc/${pid}`));
  expect(filesIn(remote.folder).every((name) => /\.isocket-[^/]*\.part$/.test(name))).toBe(true);
});
