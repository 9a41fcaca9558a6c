import { execa } from 'execa';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fsPath } from '../../src/name.ts';
import { NAMES } from '../../src/transport-suite/names.ts';
import { makeSite, type TestSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';
import { differences, unmarked } from '../support/trees.ts';

const stack = new AsyncDisposableStack();
let folder: string;
let server: Awaited<ReturnType<typeof startSshd>>;
let sites = 0;

beforeAll(async () => {
  folder = stack.adopt(mkdtempSync(join(tmpdir(), 'isocket-restore-')), (path) =>
    rmSync(path, { recursive: true, force: true }),
  );
  server = stack.use(await startSshd(folder));
});
afterAll(() => stack.disposeAsync());

/** A site of its own, with its own folder at the server. */
const newSite = (options: Parameters<typeof makeSite>[2] = {}): TestSite & { readonly there: string } => {
  const name = `site-${(sites += 1)}`;
  const path = `${server.path}/${name}`;
  const there = `${server.folder}/${name}`;
  mkdirSync(there, { recursive: true });
  return { ...makeSite(folder, server, { name, ...options, destination: { path, ...options.destination } }), there };
};

/** A directory that the parser has closed, with old files in it. */
const fill = (site: TestSite, directory: string, files: Readonly<Record<string, Buffer | string>>): void => {
  const root = `${site.root}/${directory}`;
  mkdirSync(root, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    const path = fsPath(`${root}/${name}`);
    mkdirSync(fsPath(`${root}/${name}`.slice(0, `${root}/${name}`.lastIndexOf('/'))), { recursive: true });
    writeFileSync(path, content);
    utimesSync(path, 1_600_000_000, 1_600_000_000);
  }
  writeFileSync(`${root}/finished.parse`, '');
};

const scan = async (site: TestSite): Promise<void> => {
  const { exitCode, stderr } = await site.scan();
  expect([exitCode, stderr]).toEqual([0, '']);
};

const ODD = Object.fromEntries(NAMES.map((name) => [name, `content of ${Buffer.from(name).toString('hex')}`]));

describe.each(['sftp', 'rsync'])('through %s', (transport) => {
  test('a directory that is gone comes back as it was: finished, marked, not sent again, verified and not pruned', async () => {
    const site = newSite({ source: { exclude: [] }, destination: { transport } });
    const files = { ...ODD, empty: '', 'sub/deep/er': 'x', 'sub/big': randomBytes(3_000_000) };
    fill(site, 'DC1', files);
    chmodSync(`${site.root}/DC1/sub/big`, 0o751);
    const readable = ['DC1', 'DC1/sub'].map((name) => statSync(`${site.root}/${name}`).mode);
    fill(site, 'DC2', { a: 'open' });
    rmSync(`${site.root}/DC2/finished.parse`);
    await scan(site);
    rmSync(`${site.root}/DC1`, { recursive: true });
    const result = await site.run(['restore', 'DC1', '--json']);
    expect([result.exitCode, result.stderr]).toEqual([0, '']);
    expect(result.summary).toMatchObject({ restored: Object.keys(files).length, failed: 0, different: 0, equal: 0 });
    // Whoever could read it can read it again.
    expect(['DC1', 'DC1/sub'].map((name) => statSync(`${site.root}/${name}`).mode)).toEqual(readable);
    expect(differences(site.root, site.there)).toEqual([]);
    expect(unmarked(`${site.root}/DC1`)).toEqual([]);
    expect(readdirSync(site.root).toSorted()).toEqual(['DC1', 'DC2']);
    const proof = JSON.parse(readFileSync(`${site.root}/DC1/finished.watch`, 'utf8')) as unknown;
    expect(proof).toMatchObject({ directory: 'DC1', files: Object.keys(files).length, closedBy: 'parser', trusted: 0 });
    // DC2, which the parser is at, is the newest as before.
    const status = JSON.parse((await site.run(['status', '--json'])).stdout) as {
      directories: { name: string; phase: string }[];
    };
    expect(status.directories.map(({ name, phase }) => `${name} ${phase}`).toSorted()).toEqual([
      'DC1 finished',
      'DC2 open',
    ]);
    const again = await site.scan();
    expect(again).toMatchObject({ exitCode: 0, stderr: '' });
    expect(again.summary).toMatchObject({ sent: 0, failed: 0, finished: 0 });
    expect(again.events.map(({ type }) => type)).toEqual(['config', 'started', 'found-all', 'summary']);
    expect(await site.run(['verify', '--checksum'])).toMatchObject({ exitCode: 0 });
    expect((await site.run(['prune', '--older-than', '1d', '--json'])).summary).toMatchObject({ pruned: 0, kept: 0 });
    const pruned = await site.run(['prune', '--older-than', '0s', '--json']);
    expect(pruned.summary).toMatchObject({ pruned: 1, kept: 0 });
  });

  test('to another folder: as delivered, without the mark, again and again, and what differs stays but for --overwrite', async () => {
    const site = newSite({ destination: { transport } });
    fill(site, 'DC1', { a: 'one', 'sub/b': 'two' });
    await scan(site);
    const to = `${folder}/to-${sites}`;
    const run = (...more: string[]) => site.run(['restore', 'DC1', '--to', to, '--json', ...more]);
    expect((await run('--dry-run')).summary).toMatchObject({ restored: 2 });
    expect(existsSync(to)).toBe(false);
    expect(await run()).toMatchObject({ exitCode: 0, stderr: '' });
    expect(differences(`${to}/DC1`, `${site.there}/DC1`)).toEqual([]);
    expect(unmarked(`${to}/DC1`)).toEqual(['a', 'sub/b']);
    expect(readdirSync(to)).toEqual(['DC1']);
    expect(readdirSync(`${to}/DC1`).toSorted()).toEqual(['a', 'sub']);
    expect((await run()).summary).toMatchObject({ restored: 0, equal: 2 });
    writeFileSync(`${to}/DC1/a`, 'another one');
    symlinkSync('/etc/passwd', `${to}/DC1/link`);
    rmSync(`${to}/DC1/sub`, { recursive: true });
    mkdirSync(`${folder}/outside-${sites}`);
    symlinkSync(`${folder}/outside-${sites}`, `${to}/DC1/sub`);
    const kept = await run();
    expect(kept.exitCode).toBe(3);
    expect(kept.summary).toMatchObject({ restored: 0, different: 2 });
    expect(readFileSync(`${to}/DC1/a`, 'utf8')).toBe('another one');
    expect(readdirSync(`${folder}/outside-${sites}`)).toEqual([]);
    rmSync(`${to}/DC1/sub`);
    expect((await run('--overwrite')).summary).toMatchObject({ restored: 2, different: 0 });
    expect(readFileSync(`${to}/DC1/a`, 'utf8')).toBe('one');
    // The site knows nothing of it.
    expect((await site.scan()).summary).toMatchObject({ sent: 0 });
  });

  test('content is compared: of the same size and time, and another one', async () => {
    const site = newSite({ destination: { transport } });
    fill(site, 'DC1', { a: 'one', b: 'two' });
    await scan(site);
    const to = `${folder}/to-${sites}`;
    const run = (...more: string[]) => site.run(['restore', 'DC1', '--to', to, '--json', ...more]);
    await run();
    const { mtimeMs } = statSync(`${to}/DC1/a`);
    writeFileSync(`${to}/DC1/a`, 'eno');
    utimesSync(`${to}/DC1/a`, mtimeMs / 1000, mtimeMs / 1000);
    expect((await run()).summary).toMatchObject({ restored: 0, equal: 1, different: 1 });
    expect((await run('--overwrite')).summary).toMatchObject({ restored: 1, equal: 1, different: 0 });
    expect(differences(`${to}/DC1`, `${site.there}/DC1`)).toEqual([]);
  });

  test('SIGTERM and kill -9 in the middle: nothing is half under its name, and the next run goes on', async () => {
    const site = newSite({ destination: { transport }, more: { send: { bandwidth: '4MB/s' } } });
    const files = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`small-${index}`, randomBytes(1000)]));
    fill({ ...site, root: site.there }, 'DC1', { ...files, big: randomBytes(8_000_000) });
    const sizeOf = (path: string): number => lstatSync(path, { throwIfNoEntry: false })?.size ?? 0;
    const hasMore = (than: number): boolean =>
      readdirSync(site.root, { recursive: true, withFileTypes: true }).some(
        (entry) => entry.isFile() && sizeOf(join(entry.parentPath, entry.name)) > than,
      );
    for (const [signal, than] of [
      ['SIGTERM', 1_000_000],
      ['SIGKILL', 3_000_000],
    ] as const) {
      await using running = site.start(['restore', 'DC1']);
      await expect.poll(() => hasMore(than), { interval: 5, timeout: 20_000 }).toBe(true);
      expect(await running.stop(signal)).toBe(signal === 'SIGTERM' ? 143 : undefined);
      expect(existsSync(`${site.root}/DC1`)).toBe(false);
    }
    const resumed = await site.run(['restore', 'DC1', '--json']);
    expect([resumed.exitCode, resumed.stderr]).toEqual([0, '']);
    expect(differences(site.root, site.there)).toEqual([]);
    expect(readdirSync(site.root)).toEqual(['DC1']);
    expect((await site.scan()).summary).toMatchObject({ sent: 0, failed: 0 });
  });
});

test.each(['sftp', 'rsync'])(
  'through %s a disk here that is full, or read-only, is told as that',
  async (transport) => {
    const site = newSite({ destination: { transport } });
    fill(site, 'DC1', { a: 'small', big: randomBytes(3_000_000) });
    await scan(site);
    const to = `${folder}/full-${transport}`;
    mkdirSync(to);
    await execa('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', to]);
    try {
      const full = await site.run(['restore', 'DC1', '--to', to]);
      expect(full.exitCode).toBe(3);
      expect(full.stderr).toContain('no space left on device; make room on its disk');
      expect(existsSync(`${to}/DC1/big`)).toBe(false);
      await execa('mount', ['-o', 'remount,ro', to]);
      const readOnly = await site.run(['restore', 'DC1', '--to', to]);
      expect(readOnly.exitCode).toBe(3);
      expect(readOnly.stderr).toContain('read-only file system; mount it writable');
    } finally {
      await execa('umount', ['-l', to]);
    }
  },
);

test('--to refuses the root under the name of another mount', async () => {
  const site = newSite();
  fill(site, 'DC1', { 'a.dat': 'a' });
  expect((await site.scan()).exitCode).toBe(0);
  const other = `${folder}/mounted-again`;
  mkdirSync(other);
  await execa('mount', ['--bind', site.root, other]);
  try {
    const { exitCode, stderr } = await site.run(['restore', 'DC1', '--to', `${other}/DCX`]);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('it lies in source.root')]);
    expect(existsSync(`${other}/DCX`)).toBe(false);
    const beside = await site.run(['restore', 'DC1', '--to', `${folder}/beside`]);
    expect(beside.exitCode).toBe(0);
  } finally {
    await execa('umount', ['-l', other]);
  }
});
