import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { IsocketEvent } from '../../../../src/core/events.ts';
import { hookEnvironment } from '../../../../src/status/notify/hook-environment.ts';
import { HookQueue } from '../../../../src/status/notify/hook-queue.ts';
import { runCommand, type RunOptions } from '../../../../src/status/notify/run-command.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-hook-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const run = (command: string | readonly string[], how: Partial<RunOptions> = {}) =>
  runCommand(command, {
    input: '{}\n',
    env: { PATH: '/usr/bin:/bin' },
    timeoutMs: 20_000,
    signal: new AbortController().signal,
    ...how,
  });

const isThere = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
};

describe('a command', () => {
  it.each<[string, string | readonly string[], object]>([
    ['reads its input', 'cat; echo done >&2', { failure: undefined, output: '{}\ndone' }],
    [
      'is a program with arguments, without a shell',
      ['/bin/echo', '$HOME; x'],
      { failure: undefined, output: '$HOME; x' },
    ],
    ['reads nothing', 'exec true', { failure: undefined, output: '' }],
    ['fails', 'echo no >&2; exit 3', { failure: 'it ended with exit code 3', output: 'no' }],
    ['dies', 'kill -9 $$', { failure: 'it ended with SIGKILL', output: '' }],
    [
      'is missing to the shell',
      '/nowhere/mail',
      { failure: 'it ended with exit code 127', output: expect.stringContaining('not found') as string },
    ],
    ['is missing', ['/nowhere/mail'], { failure: 'it cannot be started: no such file or directory', output: '' }],
    ['leaves a child that holds its output', 'sleep 60 & echo $!', { failure: undefined, output: /^\d+$/ }],
  ])('that %s', async (_what, command, expected) => {
    const { failure, output } = await run(command, { input: `{}\n` });
    expect(failure).toBe((expected as { failure?: string }).failure);
    const wanted = (expected as { output: unknown }).output;
    if (wanted instanceof RegExp) {
      expect(output).toMatch(wanted);
      process.kill(Number(output));
    } else expect(output).toEqual(wanted);
  });

  it('that hangs is ended at its limit, with all that it started, though it will not hear', async () => {
    const pids = join(folder, 'pids');
    const script = `trap '' TERM; sleep 61 & echo $$ $! >${pids}; wait; sleep 62`;
    const { failure } = await run(script, { timeoutMs: 300 });
    expect(failure).toBe('it took longer than hooks.timeout, 0.3 s, and was ended');
    const [first = '', second = ''] = readFileSync(pids, 'utf8').trim().split(' ');
    // Whoever inherits them takes note of their end when he gets to it.
    await expect.poll(() => [Number(first), Number(second)].map(isThere), { timeout: 10_000 }).toEqual([false, false]);
  });

  it('that floods its output is ended, and no more than its last lines are kept', async () => {
    const { failure, output } = await run('yes');
    expect(failure).toBe('it printed more than 1 MB, and was ended');
    expect(output.length).toBeLessThanOrEqual(2048);
  });

  it('is ended with us', async () => {
    const stop = new AbortController();
    const ended = run(`touch ${folder}/begun; exec sleep 63`, { signal: stop.signal });
    await expect.poll(() => existsSync(`${folder}/begun`)).toBe(true);
    stop.abort();
    expect(await ended).toEqual({ failure: 'it was ended with isocket', isStopped: true, output: '' });
  });
});

describe('the environment', () => {
  it('is what programs expect, where ours is empty', () => {
    expect(hookEnvironment({}, { hook: 'alert', site: 'ED1', config: '/etc/isocket/ED1/.isocketrc' })).toEqual({
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: expect.any(String) as string,
      ISOCKET_HOOK: 'alert',
      ISOCKET_SITE: 'ED1',
      ISOCKET_CONFIG: '/etc/isocket/ED1/.isocketrc',
    });
  });

  it('has what ours has, but what is for us alone', () => {
    const ours = { PATH: '/opt', LANG: 'C', NOTIFY_SOCKET: '/x', WATCHDOG_USEC: '1', ISOCKET_PASSPHRASE: 'secret' };
    const env = hookEnvironment({ ...ours, JOURNAL_STREAM: '1:2' }, { hook: 'alert', site: 's', config: '/c' });
    expect(env).toMatchObject({ PATH: '/opt', LANG: 'C' });
    expect(Object.keys(env)).not.toEqual(expect.arrayContaining(['NOTIFY_SOCKET']));
    expect(JSON.stringify(env)).not.toMatch(/WATCHDOG|JOURNAL|secret/);
  });
});

describe('a queue', () => {
  const open = (command: string) => {
    const events: IsocketEvent[] = [];
    const env = { PATH: '/usr/bin:/bin' };
    const queue = new HookQueue({
      name: 'hooks.finished',
      command,
      env,
      timeoutMs: 20_000,
      report: (event) => events.push(event),
    });
    return { queue, events };
  };

  it('runs one after the other, each with its own', async () => {
    const { queue, events } = open(`mkdir ${folder}/alone && cat >>${folder}/all && rmdir ${folder}/alone`);
    for (let index = 0; index < 20; index += 1) queue.add(`${index}\n`);
    await queue.drained();
    expect(readFileSync(`${folder}/all`, 'utf8')).toBe(
      `${Array.from({ length: 20 }, (_none, index) => index).join('\n')}\n`,
    );
    expect(events).toEqual([]);
  });

  it('keeps what was not done when it is stopped, with what ran', async () => {
    const { queue } = open(`touch ${folder}/begun; exec sleep 64`);
    for (const input of ['a', 'b', 'c']) queue.add(input);
    await expect.poll(() => existsSync(`${folder}/begun`)).toBe(true);
    await queue.stop();
    expect(queue.pending).toEqual(['a', 'b', 'c']);
  });

  it('warns of a failure with the last words, and does not show the command, which may hold a secret', async () => {
    const { queue, events } = open('echo first; echo no relay >&2; exit 1 # secret');
    const outcomes: boolean[] = [];
    queue.add('x', (isWell) => outcomes.push(isWell));
    await queue.drained();
    expect(outcomes).toEqual([false]);
    expect(JSON.stringify(events)).not.toContain('secret');
    expect(events.at(-1)).toEqual({
      type: 'note',
      level: 'warning',
      message: 'Cannot run hooks.finished: it ended with exit code 1; it said: no relay',
    });
  });
});
