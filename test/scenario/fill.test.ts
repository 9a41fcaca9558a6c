import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { IsocketEvent } from '../../src/core/events.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { isFinished, parser } from '../support/parser.ts';
import { startProxy, type Proxy } from '../support/proxy.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type Outcome, type TestSite } from '../support/site.ts';
import { through } from '../support/through.ts';

let folder: string;
let stack: AsyncDisposableStack;
let first: TestServer;
let second: TestServer;
let proxy: Proxy;
let site: TestSite;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-fill-'));
  stack = new AsyncDisposableStack();
  first = stack.use(await startOwnReceiver(`${folder}/first`));
  second = stack.use(await startOwnReceiver(`${folder}/second`));
  proxy = stack.use(await startProxy(second.port));
  site = makeSite(folder, first);
});
afterEach(async () => {
  await stack.disposeAsync();
  rmSync(folder, { recursive: true });
});

const read = (path: string): Record<string, unknown> =>
  JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;

/** The site has the second destination too. */
const addSecond = (more: object = {}, top: object = {}): void => {
  const config = read(site.config);
  const { identityFile, path } = second;
  const added = {
    ...(config.destination as object),
    path,
    identityFile,
    ...through(folder, second, proxy.port),
    ...more,
  };
  writeFileSync(site.config, JSON.stringify({ ...config, destination: [config.destination, added], ...top }));
};

const proofOf = (name: string): Record<string, unknown> => read(`${site.root}/${name}/finished.watch`);
const label = (server: { readonly port: number }): string => `sftp://root@127.0.0.1:${server.port}/`;
const sentIn = ({ events }: Outcome): string[] =>
  events.flatMap((event) => (event.type === 'sent' ? [event.path] : [])).toSorted();
const filled = (...args: readonly string[]): Promise<Outcome> => site.run(['fill', ...args, '--json']);
const filesAt = (server: TestServer, name: string): string[] =>
  existsSync(`${server.folder}/${name}`) ? readdirSync(`${server.folder}/${name}`).toSorted() : [];

/** Directories that are finished for the first destination alone. */
const finish = async (...names: readonly string[]): Promise<void> => {
  for (const name of names) {
    parser(site.root).writeFiles(name, 3);
    parser(site.root).closeDirectory(name);
  }
  expect((await site.scan()).summary).toMatchObject({ finished: names.length });
};

it('a destination that was added gets what it lacks, and no more; finished.watch names it', async () => {
  await finish('DC1', 'DC2');
  const before = statSync(`${site.root}/DC1/finished.watch`);
  const aged = new Date(Date.now() - 86_400_000);
  utimesSync(`${site.root}/DC1/finished.watch`, aged, aged);
  const marks = statSync(`${site.root}/DC1/file-1`, { bigint: true });
  addSecond();
  // One file is there already: it is not sent again.
  mkdirSync(`${second.folder}/DC1`);
  const there = `${second.folder}/DC1/file-1`;
  writeFileSync(there, readFileSync(`${site.root}/DC1/file-1`));
  utimesSync(there, Number(marks.mtimeNs / 1_000_000_000n), Number(marks.mtimeNs / 1_000_000_000n));
  const { ino } = statSync(there);

  const advice = (await site.scan()).events
    .flatMap((event) => (event.type === 'note' ? [event.message] : []))
    .join('\n');
  expect(advice).toContain(`isocket fill ${label(proxy)} DC1`);
  expect((await site.run(['status'])).stdout).toContain(`isocket fill ${label(proxy)} DC2`);

  const dry = await filled(label(proxy), '--dry-run');
  expect(dry.exitCode).toBe(0);
  expect(dry.events.filter(({ type }) => type === 'planned')).toHaveLength(5);
  expect(filesAt(second, 'DC2')).toEqual([]);

  const outcome = await filled('2');
  expect(outcome.exitCode, outcome.stdout).toBe(0);
  expect(sentIn(outcome)).toEqual(['DC1/file-2', 'DC1/file-3', 'DC2/file-1', 'DC2/file-2', 'DC2/file-3']);
  expect(outcome.summary).toMatchObject({ sent: 5, there: 1, directories: 2, failed: 0, bytes: 5000 });
  expect((await filled('2')).summary).toMatchObject({ sent: 0, directories: 0, failed: 0 });
  expect(statSync(there).ino).toBe(ino);
  for (const name of ['DC1', 'DC2'])
    for (const file of ['file-1', 'file-2', 'file-3'])
      expect(readFileSync(`${second.folder}/${name}/${file}`)).toEqual(readFileSync(`${site.root}/${name}/${file}`));
  expect(filesAt(second, 'DC1')).toEqual(['file-1', 'file-2', 'file-3']);
  expect(statSync(`${second.folder}/DC1/file-2`).mode & 0o020).toBe(0);

  // All else of the proof is as it was, its age too, no mark was touched, and the directory is not late.
  expect(proofOf('DC1')).toMatchObject({ site: 'site', directory: 'DC1', files: 3, closedBy: 'parser' });
  expect(proofOf('DC1').destinations).toEqual([
    { label: label(first), checked: 3 },
    { label: label(proxy), checked: 3 },
  ]);
  const after = statSync(`${site.root}/DC1/finished.watch`);
  expect(after.ino).not.toBe(before.ino);
  expect(Math.abs(after.mtimeMs - aged.getTime())).toBeLessThan(1);
  expect(statSync(`${site.root}/DC1/file-1`, { bigint: true }).ctimeNs).toBe(marks.ctimeNs);
  const status = await site.run(['status', '--json', 'DC1']);
  const [shown] = (JSON.parse(status.stdout) as { directories: { late: boolean; lacks?: string[] }[] }).directories;
  expect([shown?.late, shown?.lacks]).toEqual([false, undefined]);

  const again = await filled('2');
  expect([again.exitCode, again.summary]).toMatchObject([0, { sent: 0, there: 0 }]);
  expect((await site.run(['verify', '--checksum'])).exitCode).toBe(0);
});

it('killed in the middle it goes on where it was; nothing half is named', async () => {
  parser(site.root).writeFiles('DC1', 8, 400_000);
  parser(site.root).closeDirectory('DC1');
  await site.scan();
  addSecond();
  const mtime = statSync(`${site.root}/DC1/finished.watch`).mtimeMs;
  proxy.trickle(2_000_000);
  await using running = site.start(['fill', '2']);
  await running.event(({ type }) => type === 'sent');
  await running.stop('SIGKILL');
  proxy.resume();
  const whole = filesAt(second, 'DC1').filter((name) => !name.startsWith('.'));
  expect(whole.length).toBeGreaterThan(0);
  for (const name of whole) expect(statSync(`${second.folder}/DC1/${name}`).size).toBe(400_000);
  expect(proofOf('DC1').destinations).toEqual([{ label: label(first), checked: 8 }]);
  const outcome = await filled('2');
  expect(outcome.exitCode, outcome.stdout).toBe(0);
  expect(sentIn(outcome)).toHaveLength(8 - whole.length);
  expect(filesAt(second, 'DC1')).toHaveLength(8); // And no temporary file.
  expect(proofOf('DC1').destinations).toHaveLength(2);
  expect(Math.abs(statSync(`${site.root}/DC1/finished.watch`).mtimeMs - mtime)).toBeLessThan(1);
});

it('what changed since it was confirmed, or came late, is named and not sent', async () => {
  await finish('DC1', 'DC2', 'DC3');
  addSecond();
  appendFileSync(`${site.root}/DC1/file-2`, 'more');
  parser(site.root).writeFile('DC2/late');
  mkdirSync(`${site.root}/DC3/sub`);
  rmSync(`${site.root}/DC3/sub`, { recursive: true });
  const outcome = await filled('2');
  expect(outcome.exitCode, outcome.stdout).toBe(3);
  const failures = outcome.events.flatMap((event: IsocketEvent) => (event.type === 'failed' ? [event.message] : []));
  expect(failures.join('\n')).toMatch(/"DC1\/file-2".*it changed since the other destinations confirmed it/);
  expect(failures.join('\n')).toMatch(/"DC2".*it was changed after it was finished/);
  expect(filesAt(second, 'DC1')).not.toContain('file-2');
  expect(filesAt(second, 'DC2')).toEqual([]);
  for (const name of ['DC1', 'DC2', 'DC3']) expect(proofOf(name).destinations).toHaveLength(1);
});

it('marks that no record proves are asked of the other destination first', async () => {
  await finish('DC1');
  rmSync(site.state, { recursive: true });
  addSecond();
  rmSync(`${first.folder}/DC1/file-3`);
  const refused = await filled('2');
  expect(refused.exitCode).toBe(3);
  expect(refused.stdout).toMatch(/DC1\/file-3.*does not have it so: it does not exist.*isocket verify --repair DC1/);
  expect(filesAt(second, 'DC1')).not.toContain('file-3');
  const { atime, mtime } = statSync(`${site.root}/DC1/file-3`);
  writeFileSync(`${first.folder}/DC1/file-3`, readFileSync(`${site.root}/DC1/file-3`));
  utimesSync(`${first.folder}/DC1/file-3`, atime, mtime);
  const outcome = await filled('2');
  expect(outcome.exitCode, outcome.stdout).toBe(0);
  expect(filesAt(second, 'DC1')).toHaveLength(3);
  expect(proofOf('DC1').destinations).toHaveLength(2);
});

it('SHA256SUMS and finished.parse are there before finished.watch says so; of an open directory what is sent goes', async () => {
  writeFileSync(site.config, JSON.stringify({ ...read(site.config), manifest: true, announce: true }));
  await finish('DC1');
  parser(site.root).writeFiles('DC2', 2);
  await site.scan();
  parser(site.root).writeFile('DC2/unsent');
  addSecond();
  const outcome = await filled('2');
  expect(outcome.exitCode, outcome.stdout).toBe(0);
  expect(filesAt(second, 'DC1')).toEqual(['SHA256SUMS', 'file-1', 'file-2', 'file-3', 'finished.parse']);
  expect(readFileSync(`${second.folder}/DC1/SHA256SUMS`)).toEqual(readFileSync(`${first.folder}/DC1/SHA256SUMS`));
  expect(filesAt(second, 'DC2')).toEqual(['file-1', 'file-2']);
  expect(isFinished(site.root, 'DC2')).toBe(false);
  const { events } = await site.scan();
  expect(events.flatMap((event) => (event.type === 'sent' ? [event.path] : []))).toEqual(['DC2/unsent']);
});

it('beside a daemon, without another destination, or with one that is not there it says what to do', async () => {
  await finish('DC1');
  const alone = await site.run(['fill', '1']);
  expect([alone.exitCode, alone.stderr]).toEqual([
    2,
    expect.stringContaining('the site has no other destination that is required'),
  ]);
  addSecond();
  const unknown = await site.run(['fill', 'elsewhere']);
  expect([unknown.exitCode, unknown.stderr]).toEqual([2, expect.stringContaining('there is no such destination')]);
  {
    await using daemon = site.start(['daemon']);
    await daemon.event(({ type }) => type === 'watching');
    const beside = await site.run(['fill', '2']);
    expect([beside.exitCode, beside.stderr]).toEqual([4, expect.stringContaining('isocket fill 2')]);
  }
  await proxy.refuse();
  const down = await filled('2');
  expect(down.exitCode).toBe(3);
  expect(down.events.filter((event) => event.type === 'connection')).toHaveLength(1);
  expect(proofOf('DC1').destinations).toHaveLength(1);
});

const warnings = ({ events }: Pick<Outcome, 'events'>): string[] =>
  events.flatMap((event) => (event.type === 'note' && event.level === 'warning' ? [event.message] : []));

const rowOf = async (name: string): Promise<unknown> => {
  const { stdout } = await site.run(['status', '--json', name]);
  return (JSON.parse(stdout) as { readonly directories: readonly unknown[] }).directories[0];
};

/** As `status` counts it. */
const missingAt = (required: number, bestEffort: number): readonly object[] => [
  { destination: label(first), files: required },
  { destination: label(proxy), files: bestEffort, isBestEffort: true },
];

// Twenty commands, each of which starts anew.
it(
  'nothing waits for a best-effort destination: scan finishes without it, and fills it when it is back',
  { timeout: 120_000 },
  async () => {
    addSecond({ required: false });
    await proxy.refuse();
    parser(site.root).writeFiles('DC1', 3);
    parser(site.root).closeDirectory('DC1');
    const without = await site.scan();
    expect([without.exitCode, without.summary]).toMatchObject([0, { sent: 3, finished: 1, failed: 0 }]);
    expect(warnings(without)).toEqual([expect.stringMatching(/^best effort, nothing waits for it: .*nothing listens/)]);
    expect(proofOf('DC1').destinations).toEqual([{ label: label(first), checked: 3 }]);
    // The outage is told once; meanwhile the site is well.
    expect(warnings(await site.scan())).toEqual([]);
    const status = await site.run(['status']);
    expect([status.exitCode, status.stdout]).toEqual([
      0,
      expect.stringMatching(/best effort, .*: 1 finished directory is not known to be whole there.*; down since /),
    ]);
    expect(status.stdout).toContain(`the next scan brings it there; to send it now: isocket fill ${label(proxy)}`);
    const { stdout } = await site.run(['status', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({
      bestEffort: [{ destination: label(proxy), behind: 1, waiting: 1, state: 'down' }],
    });
    expect((await site.run(['prune', '--older-than', '0s', '--dry-run'])).exitCode).toBe(0);

    await proxy.accept();
    parser(site.root).writeFiles('DC2', 2);
    const back = await site.scan();
    expect([back.exitCode, back.summary]).toMatchObject([0, { sent: 2, finished: 0 }]);
    expect(filesAt(second, 'DC1')).toEqual(['file-1', 'file-2', 'file-3']);
    expect(filesAt(second, 'DC2')).toEqual(['file-1', 'file-2']); // Open: what is sent of it.
    expect((await site.run(['status', '--json', 'DC2'])).stdout).not.toContain('missing');
    parser(site.root).writeFile('DC2/new');
    expect(await rowOf('DC2')).toMatchObject({ missing: missingAt(1, 1) });
    rmSync(`${site.root}/DC2/new`);
    expect(proofOf('DC1').destinations).toHaveLength(2);
    expect((await site.run(['status'])).stdout).toMatch(/best effort, .*: it has all that is finished$/m);

    rmSync(`${second.folder}/DC1/file-2`);
    const verified = await site.run(['verify', '--json']);
    expect([verified.exitCode, verified.summary]).toMatchObject([0, { missing: 0, bestEffort: { missing: 1 } }]);
    rmSync(`${second.folder}/DC1`, { recursive: true });
    expect((await filled(label(proxy), 'DC1')).summary).toMatchObject({ sent: 3, failed: 0 });
    const restored = await site.run(['restore', 'DC1', '--from', '2', '--to', `${folder}/back`]);
    expect([restored.exitCode, readdirSync(`${folder}/back/DC1`).length]).toEqual([0, 3]);
  },
);

it('a best-effort destination gets what a repair sent again, and the marker of a directory without files', async () => {
  addSecond({ required: false });
  parser(site.root).writeFiles('DC1', 3);
  parser(site.root).closeDirectory('DC1');
  expect((await site.scan()).exitCode).toBe(0);
  expect(proofOf('DC1').destinations).toHaveLength(2);
  writeFileSync(site.config, JSON.stringify({ ...read(site.config), announce: true }));
  parser(site.root).makeDirectory('DC3');
  parser(site.root).closeDirectory('DC3');
  rmSync(`${first.folder}/DC1/file-1`);
  expect((await site.run(['verify', '--repair', 'DC1'])).exitCode).toBe(0);
  expect((await site.scan()).exitCode).toBe(0);
  expect(proofOf('DC1').destinations).toHaveLength(2);
  expect(readdirSync(`${second.folder}/DC3`)).toEqual(['finished.parse']);
});

it('a directory that was reset goes whole to a best-effort destination too, whatever size and time say', async () => {
  addSecond({ required: false });
  await finish('DC1');
  const path = `${site.root}/DC1/file-1`;
  const { mtime, size } = statSync(path);
  writeFileSync(path, 'y'.repeat(size));
  utimesSync(path, mtime, mtime);
  expect((await site.run(['reset', 'DC1'])).exitCode).toBe(0);
  expect((await site.scan()).exitCode).toBe(0);
  expect(proofOf('DC1').destinations).toHaveLength(2);
  for (const { folder: there } of [first, second])
    expect(readFileSync(`${there}/DC1/file-1`, 'utf8')).toBe('y'.repeat(size));
});

it('content that differs at a best-effort destination is sent again with the command that verify names', async () => {
  addSecond({ required: false });
  await finish('DC1', 'DC2');
  const there = `${second.folder}/DC2/file-2`;
  const { mtime, size } = statSync(there);
  writeFileSync(there, 'x'.repeat(size));
  utimesSync(there, mtime, mtime);
  const { exitCode, stdout } = await site.run(['verify', '--checksum']);
  const cure = `fill --checksum ${label(proxy)} DC2`;
  expect([exitCode, stdout]).toEqual([0, expect.stringContaining(`isocket ${cure}`) as unknown]);
  const outcome = await site.run([...cure.split(' '), '--json']);
  expect(outcome.exitCode, outcome.stdout).toBe(0);
  expect(sentIn(outcome)).toEqual(['DC2/file-2']);
  expect(readFileSync(there)).toEqual(readFileSync(`${site.root}/DC2/file-2`));
  expect(proofOf('DC2').destinations).toHaveLength(2);

  // Of a directory that is not finished, whatever the record says.
  parser(site.root).writeFiles('DC3', 2);
  expect((await site.scan()).exitCode).toBe(0);
  rmSync(`${second.folder}/DC3/file-1`);
  expect(sentIn(await filled(label(proxy)))).toEqual([]);
  expect(sentIn(await filled('--checksum', label(proxy)))).toEqual(['DC3/file-1']);
});

it('the daemon fills a best-effort destination beside its work, and finishes without it', async () => {
  addSecond({ required: false });
  const config = read(site.config);
  writeFileSync(site.config, JSON.stringify({ ...config, source: { ...(config.source as object), rescan: '1s' } }));
  await proxy.refuse();
  await using daemon = site.start(['daemon']);
  const started = await daemon.event(({ type }) => type === 'started');
  expect(started).toMatchObject({ destinations: [label(first)], bestEffort: [label(proxy)] });
  await daemon.event(({ type }) => type === 'watching');
  parser(site.root).writeFiles('DC1', 3);
  parser(site.root).closeDirectory('DC1');
  await daemon.event((event) => event.type === 'finished' && event.directory === 'DC1');
  await daemon.event((event) => event.type === 'note' && event.message.startsWith('best effort'));
  parser(site.root).writeFiles('DC2', 2);
  parser(site.root).closeDirectory('DC2');
  await daemon.event((event) => event.type === 'finished' && event.directory === 'DC2');
  // The command that would send it now is refused beside the daemon.
  await expect
    .poll(async () => (await site.run(['status'])).stdout, { timeout: 30_000 })
    .toMatch(/2 finished directories are not known to be whole there; down since .*; the daemon brings them there$/m);
  parser(site.root).writeFiles('DC3', 2);
  await daemon.event((event) => event.type === 'sent' && event.path === 'DC3/file-2');
  await expect.poll(() => rowOf('DC3'), { timeout: 30_000 }).toMatchObject({ sent: 2, missing: [missingAt(0, 2)[1]] });
  expect((await site.run(['status'])).stdout).toMatch(/DC3 +open .*2 sent {2}2 not yet at .* \(best effort\)/);
  await proxy.accept();
  for (const name of ['DC1', 'DC2'])
    await daemon.event((event) => event.type === 'filled' && event.directory === name && event.isFinished);
  expect(filesAt(second, 'DC1')).toEqual(['file-1', 'file-2', 'file-3']);
  expect(proofOf('DC2').destinations).toHaveLength(2);
  expect(warnings(daemon).filter((message) => message.startsWith('best effort'))).toHaveLength(1);
  const bestEffort = async (): Promise<unknown> =>
    (JSON.parse((await site.run(['status', '--json'])).stdout) as { bestEffort: unknown }).bestEffort;
  await expect
    .poll(bestEffort, { timeout: 30_000 })
    .toEqual([{ destination: label(proxy), behind: 0, waiting: 0, state: 'up' }]);
  expect(await daemon.stop()).toBe(143);
});

it('one destination at least is required', async () => {
  addSecond({ required: false });
  const config = read(site.config) as { destination: object[] };
  const destination = config.destination.map((one) => ({ ...one, required: false }));
  writeFileSync(site.config, JSON.stringify({ ...config, destination }));
  const outcome = await site.run(['scan']);
  expect([outcome.exitCode, outcome.stderr]).toEqual([
    2,
    expect.stringContaining('one destination at least must be required'),
  ]);
});

it.each([
  ['best effort', { required: false }],
  ['filled by hand', undefined],
])('an older version of the same size and time does not count as there: %s', async (_title, more) => {
  const { root, config } = site;
  const alone = readFileSync(config, 'utf8');
  addSecond(more);
  parser(root).writeFiles('DC1', 1);
  expect(await site.scan()).toMatchObject({ exitCode: 0 });
  expect(filesAt(second, 'DC1')).toEqual(['file-1']);
  if (more === undefined) writeFileSync(config, alone);
  const file = `${root}/DC1/file-1`;
  const { atime, mtime, size } = statSync(file);
  writeFileSync(file, 'x'.repeat(size));
  utimesSync(file, atime, mtime);
  parser(root).closeDirectory('DC1');
  expect(await site.scan()).toMatchObject({ exitCode: 0 });
  if (more === undefined) {
    addSecond();
    expect(await filled('2')).toMatchObject({ exitCode: 0 });
  }
  expect(readFileSync(`${second.folder}/DC1/file-1`)).toEqual(readFileSync(file));
});
