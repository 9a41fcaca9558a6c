import { execa } from 'execa';
import { lstatSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TransportError, type OutgoingFile } from '../../../src/transport.ts';
import { Reconnecting } from '../../../src/transports/reconnecting.ts';
import { AbortListeners } from '../../../src/transports/rsync/aborts.ts';
import { PendingSend } from '../../../src/transports/rsync/pending-send.ts';
import { filesPerRun, maxRuns, RunPolicy } from '../../../src/transports/rsync/run-policy.ts';
import { FIRST_WEIGHT } from '../../../src/transports/rsync/run-size.ts';
import { SendQueue } from '../../../src/transports/rsync/send-queue.ts';
import type { Session } from '../../../src/transports/rsync/session.ts';
import { StagedBatch } from '../../../src/transports/rsync/staged-batch.ts';
import { folderOf } from '../../../src/transports/rsync/target-path.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-rsync-sends-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const outgoing = (name: string, targetPath: string): OutgoingFile => {
  const sourcePath = join(folder, name);
  writeFileSync(sourcePath, name);
  const { dev, ino, size, mtimeNs, ctimeNs } = lstatSync(sourcePath, { bigint: true });
  return { sourcePath, targetPath, mode: 0o640, identity: { dev, ino, size, mtimeNs, ctimeNs } };
};

const pending = (name: string, targetPath = `DC1/${name}`): PendingSend =>
  new PendingSend(outgoing(name, targetPath), new AbortController().signal);

const outcomes = async (...sends: readonly PendingSend[]): Promise<unknown[]> =>
  (await Promise.allSettled(sends.map(({ outcome }) => outcome))).map((result) =>
    result.status === 'fulfilled' ? 'confirmed' : result.reason instanceof TransportError && result.reason.class,
  );

describe('a pending send', () => {
  it('settles once, and reports it before its promise does', async () => {
    const settled: PendingSend[] = [];
    const send = new PendingSend(outgoing('a', 'DC1/a'), new AbortController().signal, (one) => settled.push(one));
    send.resolve();
    send.reject(new Error('too late'));
    expect([settled, send.isSettled]).toEqual([[send], true]);
    await expect(send.outcome).resolves.toBeUndefined();
  });
});

describe('abort listeners', () => {
  it('reports all items of a signal together, without those forgotten', () => {
    const reported: string[][] = [];
    const listeners = new AbortListeners<string>((items) => reported.push([...items]));
    const [one, other] = [new AbortController(), new AbortController()];
    for (const item of ['a', 'b', 'c']) listeners.watch(one.signal, item);
    listeners.watch(other.signal, 'd');
    listeners.forget(one.signal, 'b');
    listeners.forget(other.signal, 'd');
    one.abort();
    other.abort();
    expect(reported).toEqual([['a', 'c']]);
  });
});

describe('a staged batch', () => {
  it('links each file to its open source, and gives back a second send to a name and a file below a file', async () => {
    const sends = [pending('a'), pending('b', 'DC1/a'), pending('c', 'DC1/a/c'), pending('d', 'DC2/sub/d')] as const;
    using staged = new StagedBatch(folder, sends);
    expect(staged.names).toEqual(['DC1/a', 'DC2/sub/d']);
    expect(staged.unsent).toEqual([sends[1], sends[2]]);
    expect(staged.tree.list.toString()).toBe('DC1/a\0DC2/sub/d\0');
    expect(readlinkSync(readlinkSync(`${staged.tree.path}/DC2/sub/d`))).toBe(join(folder, 'd'));
    staged.confirm(staged.names);
    expect(await outcomes(sends[0], sends[3])).toEqual(['confirmed', 'confirmed']);
  });

  it('rejects a file that is gone or changed, before or while it is sent', async () => {
    const [missing, changed, good] = [pending('missing'), pending('changed'), pending('good')];
    rmSync(missing.file.sourcePath);
    using staged = new StagedBatch(folder, [missing, changed, good]);
    writeFileSync(changed.file.sourcePath, 'longer than it was');
    staged.confirm(['DC1/missing', 'DC1/changed', 'DC1/good']);
    expect(await outcomes(missing, changed, good)).toEqual(['source-changed', 'source-changed', 'confirmed']);
    expect(staged.names).toEqual([]);
  });

  it('rejects what has a reason, and gives back what was not tried', async () => {
    const [bad, untried] = [pending('bad'), pending('untried')];
    using staged = new StagedBatch(folder, [bad, untried]);
    staged.settleRest(({ targetPath }) =>
      targetPath === 'DC1/bad' ? new TransportError('file', 'Cannot send "DC1/bad"') : undefined,
    );
    expect(await outcomes(bad)).toEqual(['file']);
    expect([staged.unsent, untried.isSettled]).toEqual([[untried], false]);
  });

  it('leaves no open file and no tree, whatever was settled', () => {
    const openFiles = (): string[] =>
      readdirSync('/proc/self/fd').filter((descriptor) => {
        try {
          return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith(folder);
        } catch {
          return false;
        }
      });
    {
      using staged = new StagedBatch(folder, [pending('a'), pending('b', 'DC1/a'), pending('c')]);
      staged.confirm(['DC1/a']);
      expect(openFiles()).toHaveLength(1);
    }
    expect(openFiles()).toEqual([]);
    expect(readdirSync(folder).toSorted()).toEqual(['a', 'b', 'c']);
  });
});

describe('the send queue', () => {
  /** A queue whose connection the test makes or fails. */
  const makeQueue = () => {
    const attempts: PromiseWithResolvers<Session>[] = [];
    const connection = new Reconnecting<Session>('here', () => {
      const attempt = Promise.withResolvers<Session>();
      attempts.push(attempt);
      return attempt.promise;
    });
    const queue = new SendQueue({ connection, policy: new RunPolicy(), bandwidth: () => null, label: 'here' });
    return { attempts, connection, queue };
  };

  it('connects once for all that waits, rejects it where that fails, and tries again for the next send', async () => {
    const { attempts, queue } = makeQueue();
    const { signal } = new AbortController();
    const send = (name: string) => queue.send(outgoing(name, `DC1/${name}`), signal);
    const both = Promise.allSettled([send('a'), send('b')]);
    await expect.poll(() => attempts.length).toBe(1);
    attempts[0]?.reject(new Error('no answer'));
    expect(await both).toMatchObject([
      { reason: { class: 'network', message: 'Cannot use here: no answer' } },
      { reason: { class: 'network' } },
    ]);
    expect(queue.isBusy).toBe(false);
    const next = send('c');
    await expect.poll(() => attempts.length).toBe(2);
    attempts[1]?.reject(new TransportError('auth', 'the login was refused'));
    await expect(next).rejects.toThrow('the login was refused');
  });

  it('rejects an aborted send at once, and what else waits when it is stopped', async () => {
    const { attempts, connection, queue } = makeQueue();
    const abort = new AbortController();
    const aborted = queue.send(outgoing('a', 'DC1/a'), abort.signal);
    const waiting = queue.send(outgoing('b', 'DC1/b'), new AbortController().signal);
    const outcome = Promise.allSettled([waiting]);
    abort.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    expect(queue.isBusy).toBe(true);
    await expect.poll(() => attempts.length).toBe(1);
    const stopped = connection.stop();
    queue.rejectWaiting();
    attempts[0]?.reject(new Error('stopped'));
    expect(await outcome).toMatchObject([{ reason: { message: 'Cannot use here: it was closed' } }]);
    await Promise.all([stopped, queue.idle()]);
    await expect(queue.send(outgoing('c', 'DC1/c'), new AbortController().signal)).rejects.toThrow('it was closed');
    expect(queue.isBusy).toBe(false);
  });
});

describe('the run policy', () => {
  const run = { files: 10, weight: FIRST_WEIGHT, ms: 100, connectionLost: false, stalled: false };

  it('uses lockstep at low latency until a run with it is slow, and again after a reconnection', () => {
    const policy = new RunPolicy();
    expect(policy.lockstep).toBe(false);
    policy.noteConnected({ loginMs: 100, retransmitMs: 200 });
    policy.noteEnded(run);
    expect(policy.lockstep).toBe(true);
    policy.noteEnded({ ...run, ms: 1_000 });
    policy.noteEnded(run);
    expect(policy.lockstep).toBe(false);
    policy.noteConnected({ loginMs: 100, retransmitMs: 200 });
    expect(policy.lockstep).toBe(true);
  });

  it('has no more files in its runs than may be open at once', () => {
    const limits = (soft: string): string => `Max processes 1 1\nMax open files            ${soft}   1048576  files\n`;
    expect(filesPerRun(limits('1048576'))).toBe(4096);
    expect(filesPerRun(limits('unlimited'))).toBe(4096);
    expect(filesPerRun(limits('4096'))).toBe(1280);
    expect(filesPerRun(limits('256'))).toBe(16);
    expect(new RunPolicy(limits('4096')).maxInFlight).toBe(3 * 1280);
  });

  it('never uses lockstep again once a run with it stood still', () => {
    const policy = new RunPolicy();
    policy.noteConnected({ loginMs: 100, retransmitMs: 200 });
    policy.noteEnded({ ...run, stalled: true });
    expect(policy.lockstep).toBe(false);
    policy.noteConnected({ loginMs: 100, retransmitMs: 200 });
    expect(policy.lockstep).toBe(false);
  });

  it('keeps what it learnt of the weight over a reconnection', () => {
    const policy = new RunPolicy();
    policy.noteEnded({ ...run, connectionLost: true });
    policy.noteConnected({ loginMs: 100, retransmitMs: 200 });
    expect(policy.maxWeight).toBe(FIRST_WEIGHT / 4);
  });

  it.each([
    ['no limit', null, false, 3],
    ['a limit of bandwidth', 1_000_000, false, 1],
    ['an rrsync that admits one', null, true, 1],
  ])('runs at once: %s', (_title, bandwidth, exclusive, wanted) => expect(maxRuns(bandwidth, exclusive)).toBe(wanted));
});

it.each([
  ['DC1/a/b', 'DC1/a'],
  ['DC1', ''],
  ['', ''],
])('the folder of "%s" is "%s"', (path, wanted) => expect(folderOf(path)).toBe(wanted));

it('sends that find no descriptor left wait for a later run: their files are well', async () => {
  const script = `
    import { lstatSync } from 'node:fs';
    import { PendingSend } from '${new URL('../../../src/transports/rsync/pending-send.ts', import.meta.url).href}';
    import { StagedBatch } from '${new URL('../../../src/transports/rsync/staged-batch.ts', import.meta.url).href}';
    const [folder] = process.argv.slice(1);
    const identity = lstatSync(folder + '/file', { bigint: true });
    const batch = Array.from({ length: 300 }, (_, index) => new PendingSend(
      { sourcePath: folder + '/file', targetPath: 'DC1/' + index, mode: 0o640, identity }, new AbortController().signal));
    for (const { outcome } of batch) outcome.catch((error) => console.log(error.class));
    using staged = new StagedBatch(folder, batch);
    console.log(JSON.stringify({ all: staged.names.length + staged.unsent.length, isFull: staged.unsent.length > 0 }));
  `;
  writeFileSync(join(folder, 'file'), 'content');
  const node = [process.execPath, '--input-type=module', '-e', script, folder];
  const { stdout } = await execa('prlimit', ['--nofile=200:200', ...node]);
  expect(stdout).toBe('{"all":300,"isFull":true}');
});
