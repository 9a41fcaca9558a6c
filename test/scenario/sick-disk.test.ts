import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { IsocketEvent } from '../../src/core/events.ts';
import { holdFile } from '../support/file-holder.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { startIsocket } from '../support/isocket-process.ts';
import { isFinished, parser } from '../support/parser.ts';
import type { TestServer } from '../support/server.ts';
import { mountSick } from '../support/sick-mount.ts';
import { makeSite } from '../support/site.ts';
import { differences } from '../support/trees.ts';

// One thing that the disk does not let us read: it is told by its name, with its cure, and all the rest goes.

let folder: string;
let server: TestServer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-sick-'));
  server = await startOwnReceiver(folder);
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const failures = (events: readonly IsocketEvent[]) =>
  new Map(events.flatMap((event) => (event.type === 'failed' ? [[event.path, event]] : [])));
const arrived = (path: string): boolean => existsSync(`${server.folder}/${path}`);

it('a dead mount, in a directory or in its place, and an entry with EIO keep nothing else from being sent', async () => {
  const site = makeSite(folder, server);
  const { writeFile, writeFiles, closeDirectory } = parser(site.root);
  writeFile('DC1/sub/file');
  {
    await using dead = await mountSick(`${folder}/behind-mnt`, `${site.root}/DC1/mnt`);
    await using gone = await mountSick(`${folder}/behind-dc2`, `${site.root}/DC2`);
    await using sick = await mountSick(`${folder}/behind-dc3`, `${site.root}/DC3`);
    writeFiles('DC3', 3);
    writeFile('DC3/folder/inside');
    writeFile('DC3/listed/inside');
    writeFiles('DC4', 3);
    for (const name of ['DC1', 'DC3', 'DC4']) closeDirectory(name);
    await Promise.all([dead.kill(), gone.kill()]);
    sick.fail('EIO getattr /file-2', 'EIO readdir /listed');

    const scan = await site.scan();
    expect({ exitCode: scan.exitCode, stderr: scan.stderr }).toEqual({ exitCode: 3, stderr: '' });
    const told = failures(scan.events);
    expect([...told.keys()].toSorted()).toEqual(['DC1/mnt', 'DC2', 'DC3/file-2', 'DC3/listed']);
    expect(told.get('DC1/mnt')).toMatchObject({
      message: expect.stringMatching(/Cannot read "DC1\/mnt": .*not connected/) as unknown,
      hint: expect.stringContaining('mount it again') as unknown,
    });
    expect(told.get('DC3/file-2')).toMatchObject({ hint: expect.stringContaining('dmesg') as unknown });
    expect(['DC1/sub/file', 'DC3/file-1', 'DC3/file-3', 'DC3/folder/inside', 'DC4/file-1'].map(arrived)).toEqual(
      Array(5).fill(true),
    );
    expect(['DC1', 'DC3', 'DC4'].map((name) => isFinished(site.root, name))).toEqual([false, false, true]);

    const { directories } = JSON.parse((await site.run(['status', '--json'])).stdout) as {
      directories: { name: string; unreadable?: string; files: number | null }[];
    };
    expect(directories.map(({ name, unreadable, files }) => [name, unreadable !== undefined, files])).toEqual(
      expect.arrayContaining([
        ['DC1', true, 1],
        ['DC2', true, null],
        ['DC3', true, 3],
        ['DC4', false, 3],
      ]) as unknown,
    );
    // Repaired: what was left goes with the next run.
    sick.fail();
    expect((await site.scan()).events.filter(({ type }) => type === 'finished')).toMatchObject([{ directory: 'DC3' }]);
  }
  rmSync(`${site.root}/DC2`, { recursive: true });
  expect((await site.scan()).exitCode).toBe(0);
  expect(differences(`${site.root}/DC1`, `${server.folder}/DC1`)).toEqual([]);
});

it('a root that may be listed and not entered, or whose disk fails, is exit 2 with the fix', async () => {
  const site = makeSite(folder, server);
  writeFileSync(`${folder}/empty`, '');
  await using root = await mountSick(`${folder}/behind`, site.root);
  mkdirSync(`${root.behind}/DC1`);
  for (const [fault, state, cure] of [
    ['EACCES getattr /.', /permission denied/, /r-x/],
    ['EIO readdir /', /i\/o error/, /dmesg/],
  ] as const) {
    root.fail(fault === 'EACCES getattr /.' ? 'EACCES any /' : fault);
    const { exitCode, stderr } = await site.run(['scan']);
    expect(exitCode, stderr).toBe(2);
    expect(stderr).toMatch(state);
    expect(stderr).toMatch(cure);
    expect(stderr).not.toContain('    at ');
  }
  await root.kill();
  const { exitCode, stderr } = await site.run(['scan']);
  expect({ exitCode, stderr }).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('mount it again') as unknown,
  });
});

it('the daemon goes on while its root, or a directory, cannot be read, and tells it once', async () => {
  const site = makeSite(folder, server, { source: { rescan: '200ms' } });
  await using root = await mountSick(`${folder}/behind`, site.root);
  const { writeFiles, closeDirectory } = parser(root.behind);
  writeFiles('DC1', 2);
  mkdirSync(`${root.behind}/DC2`);
  root.fail('EIO any /DC2');
  await using daemon = site.start(['daemon']);
  await daemon.event((event) => event.type === 'sent' && event.path === 'DC1/file-2');
  await daemon.event((event) => event.type === 'failed' && event.path === 'DC2');
  const lists = (text: RegExp) => (event: IsocketEvent) => event.type === 'note' && text.test(event.message);
  root.fail('EIO readdir /');
  await daemon.event(lists(/Cannot read source.root .*i\/o error/));
  writeFiles('DC3', 1);
  closeDirectory('DC3');
  root.fail();
  await daemon.event(lists(/is back/));
  await daemon.event((event) => event.type === 'finished' && event.directory === 'DC3');
  expect(daemon.events.filter((event) => event.type === 'failed' && event.path === 'DC2')).toHaveLength(1);
  expect(await daemon.stop()).toBe(143);
  expect(daemon.stderr()).toBe('');
});

it('a mount elsewhere whose server hangs, with files that processes write, stops nothing', async () => {
  const site = makeSite(folder, server);
  const { writeFiles, closeDirectory } = parser(site.root);
  writeFiles('DC1', 3);
  closeDirectory('DC1');
  await using elsewhere = await mountSick(`${folder}/behind`, `${folder}/elsewhere`);
  writeFileSync(`${folder}/elsewhere/file`, 'content');
  await using holder = await holdFile(`${folder}/elsewhere/file`, 'open for writing');
  expect(holder.pid).toBeDefined();
  const resume = elsewhere.hang();
  const child = startIsocket(site);
  try {
    expect(await Promise.race([child.ended, delay(20_000, 'hangs', { ref: false })])).toBe(0);
  } finally {
    resume();
    child.kill();
  }
  expect(isFinished(site.root, 'DC1')).toBe(true);
});
