import { execa } from 'execa';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { isFinished, parser } from '../support/parser.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type Outcome, type TestSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';
import { differences, unmarked } from '../support/trees.ts';

describe.each([
  ['openssh', startSshd],
  ['receiver', startOwnReceiver],
] as const)('against %s', (kind, start) => {
  let folder: string;
  let server: TestServer;
  let count = 0;
  let site: TestSite;
  let there: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'isocket-audit-'));
    server = await start(folder);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });
  // Three directories of files, all of them sent: DC1 and DC2 are finished, DC3 is the newest and finished too.
  beforeEach(async () => {
    count += 1;
    const name = `case${count}`;
    there = `${server.folder}/${name}`;
    site = makeSite(folder, server, { name, destination: { path: `${server.path.replace(/\/$/, '')}/${name}` } });
    const { writeFiles, writeFile, closeDirectory } = parser(site.root);
    for (const directory of ['DC1', 'DC2', 'DC3']) {
      writeFiles(directory, 5);
      writeFile(`${directory}/sub/deep/file`, 300_000);
      closeDirectory(directory);
    }
    const { exitCode, stderr } = await site.scan();
    expect(exitCode, stderr).toBe(0);
  });

  const lastLine = ({ stdout }: Outcome): unknown => JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
  const isWhole = (directory: string): string[] => differences(`${site.root}/${directory}`, `${there}/${directory}`);
  const withoutMtimeChange = (path: string, change: () => void): void => {
    const { atime, mtime } = lstatSync(path);
    change();
    utimesSync(path, atime, mtime);
  };
  const age = (directory: string, days: number): void => {
    const then = new Date(Date.now() - days * 86_400_000);
    utimesSync(`${site.root}/${directory}/finished.watch`, then, then);
  };

  describe('verify', () => {
    it('finds nothing where nothing is wrong, beside another isocket too', async () => {
      const { lockRoot } = await import('../../src/instance/lock.ts');
      const { idleActivity } = await import('../../src/instance/activity.ts');
      await using stack = new AsyncDisposableStack();
      stack.use(await lockRoot(site, () => idleActivity(new Date())));
      for (const more of [[], ['--checksum'], ['DC1', `${site.root}/DC2/`, 'DC3']]) {
        const outcome = await site.run(['verify', '--json', ...more]);
        expect({ ...outcome, last: lastLine(outcome) }).toMatchObject({
          exitCode: 0,
          last: { type: 'summary', checked: 18, missing: 0, different: 0 },
        });
      }
      expect((await site.run(['verify', '--repair'])).exitCode).toBe(4);
    });

    it('tells what is missing and different, and repairs it', async () => {
      rmSync(`${there}/DC1/file-1`);
      appendFileSync(`${there}/DC1/sub/deep/file`, 'x');
      rmSync(`${there}/DC2`, { recursive: true });
      const outcome = await site.run(['verify', '--json']);
      expect(outcome.exitCode).toBe(3);
      expect(lastLine(outcome)).toEqual({ type: 'summary', checked: 18, missing: 7, different: 1 });
      const text = await site.run(['verify', 'DC1']);
      expect([text.exitCode, text.stdout]).toEqual([
        3,
        expect.stringMatching(/^missing DC1\/file-1 at sftp:.*it does not exist$/m),
      ]);
      expect(isFinished(site.root, 'DC1')).toBe(true);

      const repaired = await site.run(['verify', '--repair', '--json']);
      expect([repaired.exitCode, lastLine(repaired)]).toEqual([
        0,
        { type: 'summary', checked: 18, missing: 7, different: 1 },
      ]);
      for (const directory of ['DC1', 'DC2', 'DC3']) {
        expect(isWhole(directory)).toEqual([]);
        expect(isFinished(site.root, directory)).toBe(true);
        expect(unmarked(`${site.root}/${directory}`)).toEqual([]);
      }
    });

    it('sees a single changed byte with --checksum only, and repairs it', async () => {
      for (const path of [`${there}/DC1/file-1`, `${there}/DC3/sub/deep/file`]) {
        withoutMtimeChange(path, () => {
          const content = readFileSync(path);
          content[content.length - 1] = (content.at(-1) ?? 0) ^ 1;
          writeFileSync(path, content);
        });
      }
      expect((await site.run(['verify'])).exitCode).toBe(0);
      const outcome = await site.run(['verify', '--checksum', '--json']);
      expect([outcome.exitCode, lastLine(outcome)]).toEqual([
        3,
        { type: 'summary', checked: 18, missing: 0, different: 2 },
      ]);
      expect((await site.run(['verify', '--checksum', '--repair'])).exitCode).toBe(0);
      for (const directory of ['DC1', 'DC3']) expect(isWhole(directory)).toEqual([]);
    });

    it('says that a directory is none of the site', async () => {
      const { exitCode, stderr } = await site.run(['verify', 'DC9']);
      expect([exitCode, stderr]).toEqual([2, expect.stringContaining('"DC9": it is not a directory of the site')]);
      expect((await site.run(['reset', '/etc'])).exitCode).toBe(2);
    });
  });

  // What follows asks nothing of the server that `verify` does not.
  if (kind === 'receiver') return;

  it('verify --repair with two destinations: each gets what it alone has not', async () => {
    const config = JSON.parse(readFileSync(site.config, 'utf8')) as { destination: object };
    const other = `${there}-other`;
    const { destination, ...rest } = config;
    const destinations = [destination, { ...destination, path: other }];
    writeFileSync(site.config, JSON.stringify({ ...rest, destination: destinations }));
    const isWholeAtBoth = (): string[] =>
      ['DC1', 'DC2', 'DC3'].flatMap((directory) => [
        ...isWhole(directory),
        ...differences(`${site.root}/${directory}`, `${other}/${directory}`),
      ]);
    // The second one is new: all of it is missing there, and nothing at the first.
    const repaired = await site.run(['verify', '--repair', '--json']);
    expect([repaired.exitCode, lastLine(repaired)]).toEqual([
      0,
      { type: 'summary', checked: 18, missing: 18, different: 0 },
    ]);
    expect(isWholeAtBoth()).toEqual([]);

    rmSync(`${there}/DC1/file-1`);
    rmSync(`${other}/DC1/file-1`);
    appendFileSync(`${other}/DC2/file-2`, 'x');
    const inode = lstatSync(`${there}/DC3/file-3`).ino;
    const again = await site.run(['verify', '--repair', '--json']);
    expect([again.exitCode, lastLine(again)]).toEqual([0, { type: 'summary', checked: 18, missing: 2, different: 1 }]);
    const found = again.events.filter((event) => event.type === 'discrepancy');
    expect(found.filter(({ destination: at }) => at.includes(other)).map(({ path }) => path)).toEqual(
      expect.arrayContaining(['DC1/file-1', 'DC2/file-2']),
    );
    expect(isWholeAtBoth()).toEqual([]);
    expect(lstatSync(`${there}/DC3/file-3`).ino).toBe(inode); // What nobody missed is not touched.
    for (const directory of ['DC1', 'DC2', 'DC3']) {
      expect(isFinished(site.root, directory)).toBe(true);
      expect(unmarked(`${site.root}/${directory}`)).toEqual([]);
    }
    expect((await site.run(['verify'])).exitCode).toBe(0);
  });

  it('reset makes a directory unsent, and the next scan sends it', async () => {
    rmSync(`${there}/DC2`, { recursive: true });
    // Marked by nobody: a reset must not take it for sent later either.
    const { exitCode, stderr } = await site.run(['reset', 'DC2']);
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    expect(isFinished(site.root, 'DC2')).toBe(false);
    expect(unmarked(`${site.root}/DC2`)).toHaveLength(6);
    expect(unmarked(`${site.root}/DC1`)).toEqual([]);
    const scan = await site.scan();
    expect(scan.summary).toMatchObject({ sent: 6, finished: 1 });
    expect(isWhole('DC2')).toEqual([]);
  });

  it('after a reset, a file that comes g+w by rename is sent', async () => {
    await site.run(['reset', 'DC2']);
    writeFileSync(`${site.root}/.new`, 'late', { mode: 0o664 });
    chmodSync(`${site.root}/.new`, 0o664);
    await execa('mv', [`${site.root}/.new`, `${site.root}/DC2/late`]);
    expect((await site.scan()).exitCode).toBe(0);
    expect(isWhole('DC2')).toEqual([]);
  });

  describe('prune', () => {
    const prune = (...more: string[]): Promise<Outcome> =>
      site.run(['prune', '--older-than', '30d', '--json', ...more]);
    const left = (): string[] => readdirSync(site.root).toSorted();

    it('deletes what is finished, old and at the destination; never the newest', async () => {
      for (const directory of ['DC1', 'DC2', 'DC3']) age(directory, 31);
      const dry = await prune('--dry-run');
      expect([dry.exitCode, lastLine(dry)]).toEqual([0, expect.objectContaining({ pruned: 2, files: 12 })]);
      expect(left()).toEqual(['DC1', 'DC2', 'DC3']);
      const outcome = await prune();
      expect([outcome.exitCode, lastLine(outcome), outcome.stderr]).toEqual([
        0,
        expect.objectContaining({ pruned: 2, files: 12, kept: 0 }),
        '',
      ]);
      expect(left()).toEqual(['DC3']);
      expect(existsSync(`${there}/DC1/file-1`)).toBe(true);
    });

    it('keeps what is young, and what is not finished', async () => {
      age('DC1', 29);
      rmSync(`${site.root}/DC2/finished.watch`);
      const outcome = await prune();
      expect([outcome.exitCode, left()]).toEqual([0, ['DC1', 'DC2', 'DC3']]);
    });

    it('stops where enough is free', async () => {
      for (const directory of ['DC1', 'DC2']) age(directory, 31);
      expect((await prune('--until-free', '0%')).exitCode).toBe(0);
      expect(left()).toEqual(['DC1', 'DC2', 'DC3']);
      expect((await prune('--until-free', '100%')).exitCode).toBe(0);
      expect(left()).toEqual(['DC3']);
      expect((await prune('--until-free', 'much')).exitCode).toBe(2);
      expect((await site.run(['prune', '--older-than', '30'])).exitCode).toBe(2);
    });

    it.each<[string, (own: string, theirs: string) => void, RegExp]>([
      ['is missing at the destination', (_own, theirs) => rmSync(`${theirs}/file-3`), /1 file is missing/],
      [
        'is different at the destination',
        (_own, theirs) => appendFileSync(`${theirs}/file-3`, 'x'),
        /1 file is missing/,
      ],
      ['changed since', (own) => appendFileSync(`${own}/file-3`, 'x'), /"file-3" in it changed/],
      ['was only touched', (own) => utimesSync(`${own}/file-3`, 1, 1), /"file-3" in it changed/],
      ['came since', (own) => writeFileSync(`${own}/late`, 'x'), /"late" in it is not marked/],
      [
        'came since, g+w',
        (own) => {
          writeFileSync(`${own}/late`, 'x');
          chmodSync(`${own}/late`, 0o664);
        },
        /"DC1\/late" at sftp:.*it does not exist/,
      ],
      ['is a link', (own) => symlinkSync('/etc', `${own}/link`), /"link" in it was never sent \(symlink\)/],
      [
        'is excluded',
        (own) => writeFileSync(`${own}/.hidden`, 'x'),
        /"\.hidden" in it is excluded \(source\.exclude\)/,
      ],
    ])('keeps a directory with a file that %s', async (_title, harm, reason) => {
      age('DC1', 31);
      age('DC2', 31);
      harm(`${site.root}/DC1`, `${there}/DC1`);
      const before = readdirSync(`${site.root}/DC1`);
      const outcome = await prune();
      expect(outcome.exitCode, outcome.stderr).toBe(3);
      expect(outcome.events).toContainEqual({
        type: 'kept',
        directory: 'DC1',
        reason: expect.stringMatching(reason) as string,
        hint: expect.any(String) as string,
      });
      expect(readdirSync(`${site.root}/DC1`)).toEqual(before);
      expect(left()).toEqual(['DC1', 'DC3']);
    });

    it('compares content where the marks are not ours, and deletes nothing where the line is down', async () => {
      age('DC1', 31);
      rmSync(site.state, { recursive: true });
      withoutMtimeChange(`${there}/DC1/file-1`, () => writeFileSync(`${there}/DC1/file-1`, Buffer.alloc(1000)));
      expect((await prune()).exitCode).toBe(3);
      mkdirSync(`${folder}/nothing`, { recursive: true });
      writeFileSync(site.config, readFileSync(site.config, 'utf8').replace(`"port":${server.port}`, '"port":1'));
      const outcome = await prune();
      expect([outcome.exitCode, left()]).toEqual([3, ['DC1', 'DC2', 'DC3']]);
    });
  });
});
