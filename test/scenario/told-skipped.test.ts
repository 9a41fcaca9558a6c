import { execa } from 'execa';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DirectoryStatus, SiteStatus } from '../../src/status/site-status.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { isFinished, parser } from '../support/parser.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type Outcome, type SiteOptions, type TestSite } from '../support/site.ts';

let folder: string;
let server: TestServer;
let site: TestSite;
const newSite = (options: SiteOptions = {}): void => {
  site = makeSite(folder, server, options);
};
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-told-'));
  server = await startOwnReceiver(folder);
  newSite();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const statusOf = async (name: string): Promise<DirectoryStatus | undefined> => {
  const { directories } = JSON.parse((await site.run(['status', '--json'])).stdout) as SiteStatus;
  return directories.find((one) => one.name === name);
};

const notes = ({ events }: Outcome, level: 'info' | 'warning'): string[] =>
  events.flatMap((event) => (event.type === 'note' && event.level === level ? [event.message] : []));

const makeSocket = async (path: string): Promise<void> => {
  const listener = createServer().listen(path);
  await once(listener, 'listening');
  // A server that ends removes its socket: the file stays with a copy of its name.
  await execa('mv', [path, `${path}.kept`]);
  listener.close();
  await once(listener, 'close');
  await execa('mv', [`${path}.kept`, path]);
};

describe('what is skipped', () => {
  it('is told in one warning a directory, in the summary, in status and in finished.watch; excluded names are not warned of', async () => {
    const { writeFiles, closeDirectory } = parser(site.root);
    writeFiles('DC1', 1);
    mkdirSync(`${site.root}/DC1/sub`);
    symlinkSync('file-1', `${site.root}/DC1/link`);
    await execa('mkfifo', [`${site.root}/DC1/sub/pipe`]);
    await makeSocket(`${site.root}/DC1/socket`);
    writeFileSync(`${site.root}/DC1/.hidden`, 'x');
    writeFileSync(`${site.root}/DC1/sub/.hidden`, 'x');
    expect(await statusOf('DC1')).toMatchObject({ phase: 'open', files: 1, skipped: 3, excluded: 2 });

    closeDirectory('DC1');
    const outcome = await site.scan();
    expect(outcome.exitCode, outcome.stderr).toBe(0);
    expect(outcome.summary).toMatchObject({ sent: 1, skipped: 3, excluded: 2, finished: 1 });
    const [warning = '', ...more] = notes(outcome, 'warning');
    expect(more).toEqual([]);
    for (const part of ['DC1 ', '1 symlink', '1 fifo', '1 socket', '"link"', '"socket"', '"sub/pipe"'])
      expect(warning).toContain(part);
    expect(warning).not.toContain('hidden');
    expect(notes(outcome, 'info').filter((message) => message.includes('2 excluded names'))).toHaveLength(1);
    expect(JSON.parse(readFileSync(`${site.root}/DC1/finished.watch`, 'utf8'))).toMatchObject({
      files: 1,
      skipped: 3,
      excluded: 2,
    });
    expect(await statusOf('DC1')).toMatchObject({ phase: 'finished', skipped: 3, excluded: 2 });
    expect((await site.run(['scan'])).stderr).toBe('');
  });

  it('is in the text of a scan', async () => {
    const { writeFiles, closeDirectory } = parser(site.root);
    writeFiles('DC1', 1);
    symlinkSync('file-1', `${site.root}/DC1/link`);
    writeFileSync(`${site.root}/DC1/.hidden`, 'x');
    closeDirectory('DC1');
    const { stderr } = await site.run(['scan']);
    expect(stderr).toMatch(/warning: DC1 is finished without what cannot be sent: 1 symlink: "link"$/m);
    expect(stderr).toMatch(/info: sent 1 file,.*, 1 skipped; finished 1 directory$/m);
    expect(stderr).not.toContain('excluded');
  });
});

describe('a name that is reserved for isocket', () => {
  const at = (path: string): string => `${site.root}/DC1/${path}`;
  const makers: Readonly<Record<string, () => unknown>> = {
    'a folder finished.parse': () => {
      mkdirSync(at('finished.parse'));
      writeFileSync(at('finished.parse/precious'), 'x');
    },
    'a folder finished.watch': () => mkdirSync(at('finished.watch')),
    'a link finished.parse': () => symlinkSync('file-1', at('finished.parse')),
    'a link finished.watch': () => symlinkSync('file-1', at('finished.watch')),
    'a fifo finished.watch': () => execa('mkfifo', [at('finished.watch')]),
    'a file like a temporary one': () => writeFileSync(at('.isocket-mine.part'), 'x'),
    'a folder like a temporary one, below a folder': () => {
      mkdirSync(at('sub/.isocket-mine.part'), { recursive: true });
      writeFileSync(at('sub/.isocket-mine.part/precious'), 'x');
    },
  };

  it.each(Object.entries(makers))('keeps its directory unfinished: %s', async (_what, make) => {
    newSite({ source: { exclude: [] } });
    const { writeFiles, writeFile } = parser(site.root);
    writeFiles('DC1', 2);
    await make();
    writeFile('DC2/newer'); // DC1 is superseded.
    const outcome = await site.scan();
    expect(outcome.exitCode).toBe(3);
    expect(outcome.summary).toMatchObject({ sent: 3, failed: 1, finished: 0 });
    const held = outcome.events.filter((event) => event.type === 'held-back');
    expect(held).toEqual([
      { type: 'held-back', path: expect.any(String) as string, reason: { kind: 'reserved-name' } },
    ]);
    const path = held[0]?.path ?? '';
    expect(existsSync(`${server.folder}/${path}`)).toBe(false);

    const text = await site.run(['scan', '--quiet']);
    expect([text.exitCode, text.stderr]).toEqual([
      3,
      expect.stringContaining(`error: Cannot send "${path}": its name is reserved for isocket; rename it`),
    ]);
    const status = await statusOf('DC1');
    expect(status).toMatchObject({ phase: 'closed', files: 3, sent: 2, reserved: [path.slice('DC1/'.length)] });
    expect((await site.run(['status'])).stdout).toContain(`RESERVED NAME, rename it: ${path.slice('DC1/'.length)}`);

    await execa('mv', [`${site.root}/${path}`, `${site.root}/DC1/renamed`]);
    const after = await site.scan();
    expect(after.exitCode).toBe(0);
    expect(isFinished(site.root, 'DC1')).toBe(true);
  });

  it('is not sent by the daemon when it is closed, and does not keep it busy', async () => {
    newSite({ source: { exclude: [], rescan: '5s' } });
    const { makeDirectory, closeDirectory } = parser(site.root);
    makeDirectory('DC1');
    await using daemon = site.start(['daemon', '--verbose']);
    writeFileSync(`${site.root}/DC1/before`, 'x');
    await daemon.event((event) => event.type === 'sent' && event.path === 'DC1/before');
    mkdirSync(at('finished.watch'));
    writeFileSync(at('.isocket-mine.part'), 'x');
    writeFileSync(at('finished.watch/precious'), 'x');
    writeFileSync(at('after'), 'x');
    await daemon.event((event) => event.type === 'sent' && event.path === 'DC1/after');
    closeDirectory('DC1');
    const unfinished = await daemon.event(({ type }) => type === 'unfinished');
    expect(unfinished).toMatchObject({
      directory: 'DC1',
      reason: '2 names in it are reserved for isocket: rename them',
    });
    expect(await daemon.stop()).toBe(143);
    // A file that a listing finds just before its close is heard goes twice.
    const sent = new Set(daemon.events.flatMap((event) => (event.type === 'sent' ? [event.path] : [])));
    expect([...sent]).toEqual(['DC1/before', 'DC1/after']);
    expect(existsSync(`${server.folder}/DC1/.isocket-mine.part`)).toBe(false);
    expect(existsSync(`${server.folder}/DC1/finished.watch`)).toBe(false);
  });

  it('is not sent by hand, and neither are markers', async () => {
    const { writeFiles, closeDirectory } = parser(site.root);
    writeFiles('DC1', 2);
    closeDirectory('DC1');
    writeFileSync(at('finished.watch'), '');
    writeFileSync(at('.isocket-finished.watch'), '');
    const find = async (): Promise<Outcome> => {
      const { stdout } = await execa('find', [site.root, '-type', 'f', '-print0'], { encoding: 'buffer' });
      return site.run(['send', '-0', '-', '--json'], { input: stdout });
    };
    const outcome = await find();
    expect(outcome.exitCode).toBe(0);
    expect(outcome.summary).toMatchObject({ sent: 2, skipped: 3, failed: 0 });
    for (const name of ['finished.parse', 'finished.watch', '.isocket-finished.watch'])
      expect(existsSync(`${server.folder}/DC1/${name}`)).toBe(false);

    mkdirSync(at('sub/finished.parse'), { recursive: true }); // Below a folder it is a name like any other.
    writeFileSync(at('sub/finished.parse/plain'), 'x');
    writeFileSync(at('sub/.isocket-mine.part'), 'x');
    const again = await find();
    expect([again.exitCode, again.summary]).toEqual([3, expect.objectContaining({ sent: 1, failed: 1 })]);
    expect(again.events).toContainEqual(
      expect.objectContaining({
        type: 'failed',
        message: expect.stringContaining('.isocket-mine.part": its name is reserved for isocket') as string,
        hint: 'rename it',
      }),
    );
    expect(existsSync(`${server.folder}/DC1/sub/.isocket-mine.part`)).toBe(false);
  });
});

describe('prune', () => {
  it('compares content unless --quick says otherwise', async () => {
    const { writeFiles, closeDirectory } = parser(site.root);
    for (const name of ['DC1', 'DC2']) {
      writeFiles(name, 2);
      closeDirectory(name);
    }
    expect((await site.scan()).summary).toMatchObject({ finished: 2 });
    const copy = `${server.folder}/DC1/file-1`;
    const content = readFileSync(copy);
    content[7] = (content[7] ?? 0) ^ 1;
    const { mtime } = statSync(copy);
    writeFileSync(copy, content);
    utimesSync(copy, mtime, mtime);
    const careful = await site.run(['prune', '--older-than', '0s', '--json']);
    expect(careful.exitCode).toBe(3);
    expect(careful.events).toContainEqual({
      type: 'kept',
      directory: 'DC1',
      reason: expect.stringMatching(/^1 file is missing or different: "DC1\/file-1"/) as string,
      hint: 'to send them again: isocket verify --repair DC1',
    });
    expect(existsSync(`${site.root}/DC1/file-1`)).toBe(true);
    const quick = await site.run(['prune', '--older-than', '0s', '--json', '--quick']);
    expect(quick.exitCode).toBe(0);
    expect(existsSync(`${site.root}/DC1`)).toBe(false);
    expect((await site.run(['prune', '--help'])).stdout).toMatch(/--quick +compare size and mtime only, not content/);
  });
});

describe('a link in the root with the name of a directory', () => {
  it('is named with its cure by scan, check and the daemon, once; other links stay silent', async () => {
    const { writeFiles } = parser(site.root);
    writeFiles('DC1', 1);
    mkdirSync(`${folder}/elsewhere/DC8`, { recursive: true });
    writeFileSync(`${folder}/elsewhere/DC8/file`, 'file');
    symlinkSync(`${folder}/elsewhere/DC8`, `${site.root}/DC8`);
    symlinkSync(`${folder}/not-mounted/DC9`, `${site.root}/DC9`);
    symlinkSync('DC1', `${site.root}/DC-latest`);
    symlinkSync(`${folder}/elsewhere/DC8`, `${site.root}/other`);
    symlinkSync(`${folder}/elsewhere/DC8/file`, `${site.root}/DC.log`);
    const words = `"DC8", "DC9" in ${site.root} are symbolic links and are not followed: nothing there is sent`;
    const told = expect.stringMatching(new RegExp(`^${words}; .*mount --bind`)) as unknown;

    expect(notes(await site.scan(), 'warning')).toEqual([told]);
    expect(notes(await site.run(['scan', '--dry-run', '--json']), 'warning')).toEqual([told]);
    const check = await site.run(['check']);
    expect(`${check.stdout}${check.stderr}`).toContain(words);

    rmSync(`${site.root}/DC9`);
    await using daemon = site.start(['daemon']);
    await daemon.event(({ type }) => type === 'watching');
    writeFiles('DC2', 1);
    await daemon.event((event) => event.type === 'sent' && event.path.startsWith('DC2/'));
    await daemon.stop();
    const warned = daemon.events.filter((event) => event.type === 'note' && event.message.includes('symbolic link'));
    expect(warned).toEqual([
      expect.objectContaining({ message: expect.stringMatching(/^"DC8" in .* is a /) as unknown }),
    ]);
  });
});
