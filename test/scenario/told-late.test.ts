import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { IsocketEvent } from '../../src/core/events.ts';
import { createIsExcluded } from '../../src/source/exclude.ts';
import { readRoot } from '../../src/source/root.ts';
import type { SiteStatus } from '../../src/status/site-status.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { parser } from '../support/parser.ts';
import { until } from '../support/until.ts';
import type { TestServer } from '../support/server.ts';
import { differences } from '../support/trees.ts';
import { makeSite, type Outcome, type TestSite } from '../support/site.ts';

let folder: string;
let server: TestServer;
let site: TestSite;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-told-late-'));
  server = await startOwnReceiver(folder);
  site = makeSite(folder, server);
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** A file that comes a while after `finished.watch`: the folder's mtime is set, so that no test has to wait for it. */
const addLate = (name: string, afterMs = 60_000): void => {
  writeFileSync(`${site.root}/${name}/late-${afterMs}`, 'late');
  const then = new Date(Date.now() + afterMs);
  utimesSync(`${site.root}/${name}`, then, then);
};

const isLateWarning = (name: string) => (event: IsocketEvent) =>
  event.type === 'note' && event.level === 'warning' && event.message.includes(`isocket reset ${name}`);

const lateOf = async (): Promise<Record<string, boolean>> => {
  const { directories } = JSON.parse((await site.run(['status', '--json'])).stdout) as SiteStatus;
  return Object.fromEntries(directories.map(({ name, late }) => [name, late]));
};

it('a directory that got another name after it was finished, and a copy of one, are told: nothing is there under that name', async () => {
  const { writeFile, closeDirectory } = parser(site.root);
  for (const name of ['DC1', 'DC2', 'DC3']) {
    writeFile(`${name}/file`);
    closeDirectory(name);
  }
  expect((await site.scan()).summary).toMatchObject({ finished: 3 });
  const at = (name: string): string => `${site.root}/${name}`;
  // Beyond the tick of the clock that stamped `finished.watch`.
  await until(() => Date.now() > statSync(`${at('DC3')}/finished.watch`).ctimeMs + 1100);
  renameSync(at('DC1'), `${folder}/aside`);
  renameSync(at('DC2'), at('DC1'));
  renameSync(`${folder}/aside`, at('DC2'));
  cpSync(at('DC3'), at('DC4'), { recursive: true, preserveTimestamps: true });
  chmodSync(at('DC3'), 0o750);
  const { events } = await site.scan();
  const told = events.flatMap((event) => (event.type === 'note' && event.level === 'warning' ? [event.message] : []));
  for (const [name, before] of Object.entries({ DC1: 'DC2', DC2: 'DC1', DC4: 'DC3' }))
    expect(told.filter((message) => message.startsWith(`${name} was finished under the name ${before}:`))).toHaveLength(
      1,
    );
  expect(told).toHaveLength(3);
  expect(await lateOf()).toEqual({ DC1: true, DC2: true, DC3: false, DC4: true });
  expect((await site.run(['reset', 'DC1', 'DC2', 'DC4'])).exitCode).toBe(0);
  expect((await site.scan()).summary).toMatchObject({ finished: 3 });
  expect(differences(site.root, server.folder)).toEqual([]);
});

describe('a file that came after its directory was finished', () => {
  const warnings = ({ events }: Outcome, name: string): number => events.filter(isLateWarning(name)).length;

  it('is reported once by scan, and by status and check each time, with the fix; the fix sends it', async () => {
    const { writeFiles, closeDirectory } = parser(site.root);
    for (const name of ['DC1', 'DC2']) {
      writeFiles(name, 2);
      closeDirectory(name);
    }
    expect((await site.scan()).summary).toMatchObject({ sent: 4, finished: 2 });
    expect(await lateOf()).toEqual({ DC1: false, DC2: false });

    addLate('DC1');
    const first = await site.scan();
    expect([first.exitCode, warnings(first, 'DC1'), warnings(first, 'DC2')]).toEqual([0, 1, 0]);
    const second = await site.run(['scan']);
    expect([second.exitCode, second.stdout, second.stderr]).toEqual([0, '', '']);

    expect(await lateOf()).toEqual({ DC1: true, DC2: false });
    expect((await site.run(['status'])).stdout).toMatch(/DC1 +finished .*LATE: .*isocket reset DC1/);
    const check = await site.run(['check']);
    expect(check.stdout).toMatch(/^warning +late files +.*: DC1\n +.*isocket reset DC1$/m);

    addLate('DC1', 120_000); // One more: that is news.
    addLate('DC2');
    const third = await site.scan();
    expect([third.exitCode, warnings(third, 'DC1'), warnings(third, 'DC2')]).toEqual([0, 1, 1]);
    expect(warnings(await site.scan(), 'DC1')).toBe(0);

    expect((await site.run(['reset', 'DC1', 'DC2'])).exitCode).toBe(0);
    const now = new Date();
    for (const name of ['DC1', 'DC2']) utimesSync(`${site.root}/${name}`, now, now);
    expect((await site.scan()).summary).toMatchObject({ finished: 2 });
    expect(readFileSync(`${server.folder}/DC1/late-60000`, 'utf8')).toBe('late');
    expect(await lateOf()).toEqual({ DC1: false, DC2: false });
    expect((await site.run(['check'])).stdout).not.toContain('late files');
  });

  it('is reported by the daemon, once also after a restart', async () => {
    const { writeFiles, closeDirectory } = parser(site.root);
    writeFiles('DC1', 1);
    closeDirectory('DC1');
    {
      await using daemon = site.start(['daemon']);
      await daemon.event(({ type }) => type === 'finished');
      addLate('DC1');
      writeFiles('DC2', 1); // Something happens in the root.
      await daemon.event(isLateWarning('DC1'));
      expect(await daemon.stop()).toBe(143);
      expect(daemon.events.filter(isLateWarning('DC1'))).toHaveLength(1);
    }
    closeDirectory('DC2');
    await using daemon = site.start(['daemon']);
    await daemon.event(({ type }) => type === 'finished');
    expect(await daemon.stop()).toBe(143);
    expect(daemon.events.filter(isLateWarning('DC1'))).toEqual([]);
  });

  it('is never seen in what isocket itself does', async () => {
    const { writeFiles, closeDirectory } = parser(site.root);
    for (let count = 1; count <= 20; count += 1) {
      writeFiles(`DC${count}`, 1);
      closeDirectory(`DC${count}`);
    }
    expect((await site.scan()).summary).toMatchObject({ finished: 20 });
    rmSync(`${server.folder}/DC1/file-1`);
    expect((await site.run(['verify', '--repair'])).exitCode).toBe(0);
    expect((await site.run(['reset', 'DC2'])).exitCode).toBe(0);
    expect((await site.scan()).summary).toMatchObject({ finished: 1 });
    const { directories } = readRoot(site.root, 'DC', createIsExcluded([]));
    expect(directories.filter(({ late }) => late === true)).toEqual([]);
    expect((await site.run(['scan'])).stderr).toBe('');
  });

  it('costs one warning for many: ten by name', async () => {
    const { makeDirectory } = parser(site.root);
    for (let count = 1; count <= 14; count += 1) {
      makeDirectory(`DC${count}`);
      writeFileSync(`${site.root}/DC${count}/finished.watch`, ''); // The old tool's.
      addLate(`DC${count}`);
    }
    const { events, exitCode } = await site.scan();
    const told = events.filter((event) => event.type === 'note' && event.level === 'warning');
    expect([exitCode, told]).toHaveLength(2);
    expect(told).toHaveLength(11);
    expect(told.at(-1)).toMatchObject({ message: expect.stringContaining('4 more directories') as string });
  });
});

describe('a state folder of another root', () => {
  it('is refused by status and check with the fix', async () => {
    parser(site.root).writeFiles('DC1', 1);
    expect((await site.scan()).exitCode).toBe(0);
    const other = `${folder}/other`;
    mkdirSync(other);
    writeFileSync(site.config, readFileSync(site.config, 'utf8').replaceAll(site.root, other));
    const status = await site.run(['status']);
    expect([status.exitCode, status.stderr]).toEqual([
      2,
      expect.stringMatching(/belongs to source\.root ".*datas".*"site"/s),
    ]);
    // Also where there is nothing to examine, and where there is.
    for (const prepare of [
      () => undefined,
      () => mkdirSync(`${other}/DC1`),
      () => writeFileSync(`${other}/DC1/a`, ''),
    ]) {
      prepare();
      const check = await site.run(['check']);
      expect(check.exitCode).toBe(2);
      expect(check.stdout).toMatch(
        /^failure +state +Cannot use the state folder .*belongs to source\.root.*\n.*rm .*root\.json/m,
      );
      expect(check.stdout).toMatch(/1 failure$/m);
    }
    rmSync(other, { recursive: true });
    symlinkSync(site.root, other);
    expect((await site.run(['status'])).exitCode).toBe(2);
  });
});
