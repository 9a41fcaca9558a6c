import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLI } from '../support/cli.ts';
import { idleActivity, type Activity } from '../../src/instance/activity.ts';
import { answerWith } from '../../src/instance/answer.ts';
import { askActivity } from '../../src/instance/ask.ts';
import { abstractAddress } from '../../src/instance/address.ts';
import { claim } from '../../src/instance/claim.ts';
import { lockRoot } from '../../src/instance/lock.ts';
import type { SiteStatus } from '../../src/status/site-status.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { parser } from '../support/parser.ts';
import { makeSite, type TestSite } from '../support/site.ts';
import { onTerminal } from '../support/terminal.ts';

const HOME_AND_CLEAR = '\x1b[H\x1b[2J';

let folder: string;
let site: TestSite;
let resources: AsyncDisposableStack;
// Nothing is sent by looking.
const nowhere = { port: 1, path: '/', identityFile: '/none', knownHosts: '/none' };
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-status-'));
  site = makeSite(folder, nowhere as never);
  resources = new AsyncDisposableStack();
});
afterEach(async () => {
  await resources.disposeAsync();
  rmSync(folder, { recursive: true });
});

const statusOf = async (of = site, code = 0): Promise<SiteStatus> => {
  const { exitCode, stdout, stderr } = await of.run(['status', '--json']);
  expect([exitCode, stderr]).toEqual([code, '']);
  expect(stdout.split('\n')).toHaveLength(1);
  return JSON.parse(stdout) as SiteStatus;
};

const activity: Activity = {
  pid: process.pid,
  kind: 'daemon',
  since: '2026-11-24T00:00:00.000Z',
  inFlight: ['DC1/big'],
  held: [{ path: 'DC1/file-1', reason: 'permission denied', attempts: 5, nextSeconds: 60 }],
  connections: [{ destination: 'drms:/backup', state: 'lost', message: 'connection refused' }],
  watcher: 'inotifywait 3.22.6.0',
  eventsLost: 1,
  foundByRescan: 2,
};

/** Somebody holds the lock of the root and answers like this. */
const answering = async (answer: (socket: Socket) => void): Promise<void> => {
  resources.use(claim(abstractAddress(site)));
  const server = createServer(answer).listen(abstractAddress(site));
  await once(server, 'listening');
  resources.defer(async () => {
    server.close();
    await once(server, 'close');
  });
};

describe('status', () => {
  it('shows every phase, from the disk alone, and leaves no trace', async () => {
    const { writeFiles, closeDirectory, markAll, makeDirectory } = parser(site.root);
    for (const name of ['DC1', 'DC2']) makeDirectory(name);
    writeFileSync(`${site.root}/DC1/finished.watch`, ''); // The old tool's.
    writeFileSync(`${site.root}/DC2/finished.watch`, '{"files":7,"bytes":700,"closedBy":"superseded"}\n');
    writeFiles('DC3', 3, 10);
    markAll('DC3', 2); // Marks that no record proves: claims.
    closeDirectory('DC3');
    writeFiles('DC4', 1, 10);
    writeFiles('DC5', 2, 10);
    mkdirSync(`${site.root}/DC5/sub`);
    writeFileSync(`${site.root}/DC5/sub/deep`, 'deep');
    writeFileSync(`${site.root}/DC5/.hidden`, 'x');
    symlinkSync('file-1', `${site.root}/DC5/link`);
    utimesSync(`${site.root}/DC5/file-1`, 1, 1);
    const before = readdirSync(join(folder, 'site'));
    const { directories, ...rest } = await statusOf();
    const none = { held: 0, skipped: 0, excluded: 0, late: false };
    const count = { ...none, oldestUnsentSeconds: expect.any(Number) as number };
    const finished = { ...none, oldestUnsentSeconds: null };
    expect(directories).toEqual([
      {
        name: 'DC1',
        phase: 'finished',
        closedBy: null,
        files: null,
        bytes: null,
        sent: null,
        sentBytes: null,
        ...finished,
      },
      {
        name: 'DC2',
        phase: 'finished',
        closedBy: 'superseded',
        files: 7,
        bytes: 700,
        sent: 7,
        sentBytes: 700,
        ...finished,
      },
      { name: 'DC3', phase: 'closed', closedBy: 'parser', files: 3, bytes: 30, sent: 0, sentBytes: 0, ...count },
      { name: 'DC4', phase: 'closed', closedBy: 'superseded', files: 1, bytes: 10, sent: 0, sentBytes: 0, ...count },
      {
        name: 'DC5',
        phase: 'open',
        closedBy: null,
        files: 3,
        bytes: 24,
        sent: 0,
        sentBytes: 0,
        ...count,
        skipped: 1,
        excluded: 1,
      },
    ]);
    // Its age is that of its last change, not of the time it bears.
    expect(directories[4]?.oldestUnsentSeconds).toBeLessThan(60);
    expect(Object.keys(directories[0] ?? {})).toEqual([
      'name',
      'phase',
      'closedBy',
      'files',
      'bytes',
      'sent',
      'sentBytes',
      'held',
      'skipped',
      'oldestUnsentSeconds',
      'excluded',
      'late',
    ]);
    expect(rest).toEqual({
      site: 'site',
      root: site.root,
      totals: { files: 14, sent: 7, unsent: 7, bytes: 764, held: 0 },
      daemon: { running: false, pid: null, since: null },
      problems: [],
    });
    expect(readdirSync(join(folder, 'site'))).toEqual(before);
    expect(existsSync(site.state)).toBe(false);
  });

  it('agrees with what a scan sent, and does not count a file created with g+w as sent', async () => {
    await using server = await startOwnReceiver(folder);
    const shipped = makeSite(folder, server, { name: 'shipped' });
    const { writeFiles, writeFile } = parser(shipped.root);
    writeFiles('DC1', 3);
    expect((await shipped.scan()).summary?.sent).toBe(3);
    writeFile('DC1/file-2', 10);
    writeFile('DC1/born');
    chmodSync(`${shipped.root}/DC1/born`, 0o664);
    expect((await statusOf(shipped)).directories[0]).toMatchObject({ files: 4, sent: 2, sentBytes: 2000 });
  });

  it('shows what the daemon reports: held files and why, files in flight, the connection, the watcher', async () => {
    parser(site.root).writeFiles('DC1', 2);
    await answering(answerWith(() => activity));
    const found = await statusOf(site, 3);
    expect(found.daemon).toEqual({ running: true, pid: process.pid, since: activity.since, activity });
    expect([found.directories[0]?.held, found.totals.held]).toEqual([1, 1]);
    const { stdout } = await site.run(['status']);
    expect(stdout).toContain(`daemon running (process ${process.pid}`);
    expect(stdout).toContain('held: DC1/file-1: permission denied (5 attempts, again in 1 m 0 s)');
    expect(stdout).toContain('connection to drms:/backup: lost: connection refused');
    expect(stdout).toContain('in flight: 1, first DC1/big');
    expect(stdout).toContain('watcher: inotifywait 3.22.6.0; overflows 1, files found by rescan alone 2');
    expect(stdout).toMatch(/DC1 +open +2 files +1\.95 KiB +0 sent +2 unsent, oldest .*, 1 HELD/);
  });

  it('shows how fast a daemon sends, and how long the rest takes', async () => {
    parser(site.root).writeFiles('DC1', 2);
    const throughput = { files: 70, bytes: 70_000, filesPerSecond: 0.5, bytesPerSecond: 512 };
    await answering(answerWith(() => ({ ...activity, held: [], connections: [], throughput })));
    expect((await statusOf()).daemon).toMatchObject({ backlog: { files: 2, bytes: 2000 }, secondsLeft: 4 });
    const { stdout } = await site.run(['status']);
    expect(stdout).toContain('rate: 512 B/s, 0.5 files/s in the last minute; 1.95 KiB unsent, 4.0 s left');
  });

  it('runs beside the holder of the lock, and reports that it is no daemon', async () => {
    resources.use(await lockRoot(site, () => idleActivity(new Date())));
    expect((await statusOf()).daemon).toMatchObject({ running: false, pid: null, activity: { pid: process.pid } });
    expect((await site.run(['status'])).stdout).toContain(`a scan is at work (process ${process.pid})`);
  });

  it('repeats with --watch, until a signal', async () => {
    const { writeFile } = parser(site.root);
    writeFile('DC1/file-1');
    await using watch = site.start(['status', '--watch']);
    const shows = (files: number) => (event: unknown) => (event as SiteStatus).totals.files === files;
    await watch.event(shows(1));
    writeFile('DC1/file-2');
    await watch.event(shows(2));
    expect(await watch.stop('SIGINT')).toBe(130);
    expect(watch.stderr()).toBe('');
  });

  it('redraws on a terminal with --watch, within its height, until Ctrl-C', async () => {
    for (let count = 1; count <= 9; count += 1) parser(site.root).writeFile(`DC${count}/file`);
    const isocket = [process.execPath, CLI, '--config', site.config, 'status', '--watch'];
    const { exitCode, screen } = await onTerminal(['sh', '-c', 'stty rows 6; TERM=xterm exec "$@"', 'sh', ...isocket], {
      cwd: folder,
      home: folder,
      answers: [
        [HOME_AND_CLEAR, ''],
        [HOME_AND_CLEAR, '\x03'],
      ],
    });
    expect(exitCode).toBe(130);
    const [before, drawn = '', again] = screen.split(HOME_AND_CLEAR);
    expect(before?.trim()).toBe('');
    expect(drawn.trimEnd().split('\n')).toHaveLength(5);
    expect(drawn).toMatch(/^\d\d:\d\d:\d\d\r?\n/);
    expect(drawn).toContain('DC1 ');
    expect(drawn).not.toContain('DC9 ');
    expect(drawn).toMatch(/\.\.\. \d+ more lines\s*$/);
    expect(again).toContain('DC1 ');
  });

  it('draws nothing on a dumb terminal with --watch: what it says comes anew', async () => {
    const isocket = [process.execPath, CLI, '--config', site.config, 'status', '--watch'];
    const { exitCode, screen } = await onTerminal(isocket, {
      cwd: folder,
      home: folder,
      answers: [
        ['total:', ''],
        ['total:', '\x03'],
      ],
    });
    expect(exitCode).toBe(130);
    expect(screen).not.toContain('\x1b');
  });

  it('shows what is wrong first with --watch, where a terminal has no room for all', async () => {
    for (let count = 1; count <= 9; count += 1) parser(site.root).writeFile(`DC${count}/file`);
    expect((await site.scan()).exitCode).toBe(3);
    const isocket = [process.execPath, CLI, '--config', site.config, 'status', '--watch'];
    const { screen } = await onTerminal(['sh', '-c', 'stty rows 9; TERM=xterm exec "$@"', 'sh', ...isocket], {
      cwd: folder,
      home: folder,
      answers: [['more lines', '\x03']],
    });
    expect(screen).toContain('PROBLEM: ');
  });

  it('shows what failed in the last run, and ends with 3', async () => {
    parser(site.root).writeFiles('DC1', 2);
    expect((await site.scan()).exitCode).toBe(3);
    const { lastFailures, problems } = await statusOf(site, 3);
    const message = lastFailures?.destinations[0]?.message;
    expect(message).toContain('Cannot read destination.identityFile "/none"');
    expect(problems).toEqual([expect.stringContaining(String(message))]);
    // Once is enough.
    expect((await site.run(['status'])).stdout.split(String(message))).toHaveLength(2);
  });

  it('reports a missing root', async () => {
    rmSync(site.root, { recursive: true });
    const { exitCode, stderr } = await site.run(['status']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('it is not there');
  });
});

describe('the control socket', () => {
  it('answers with one document, including names of any bytes', async () => {
    const full = { ...activity, inFlight: ['DC1/\udcff\n'] };
    await answering(answerWith(() => full));
    expect(await askActivity(site)).toEqual(full);
  });

  it('is undefined if nobody listens', async () => {
    expect(await askActivity(site)).toBeUndefined();
  });

  it.each([
    ['sends nothing and does not close', () => undefined],
    [
      'talks without end',
      (socket: Socket) => {
        socket.on('error', () => undefined);
        const talk = (): void => {
          while (!socket.destroyed && socket.write(Buffer.alloc(1 << 20, 0x20)));
          socket.once('drain', talk);
        };
        talk();
      },
    ],
    ['sends no JSON', (socket: Socket) => void socket.end('hello\n')],
    ['sends JSON that is no answer', (socket: Socket) => void socket.end('{"pid":"x"}\n')],
  ])('is not waited for when who listens %s', async (_how, answer) => {
    await answering(answer);
    const started = performance.now();
    expect(await askActivity(site, 300)).toBeUndefined();
    expect(performance.now() - started).toBeLessThan(5000);
  });
});
