import { describe, expect, it } from 'vitest';
import { chooseSource, describeSource } from '../../../src/watcher/choose-source.ts';
import { describeLimit, reachedLimit } from '../../../src/watcher/inotify-limits.ts';

const inotifywait = { version: '3.22.6.0', recordTerminator: '\0', diesWithParent: true } as const;
const facts = {
  inotifywait,
  limits: { queuedEvents: 16384, instances: 128, watches: 192536 },
};
const site = { root: '/datas', newest: 'birth', rescanMs: 30_000, settleMs: 2000 };

describe('the source of events', () => {
  it.each([
    ['auto', inotifywait, 'inotifywait'],
    ['auto', undefined, 'chokidar'],
    ['inotifywait', inotifywait, 'inotifywait'],
    ['chokidar', inotifywait, 'chokidar'],
    ['chokidar', undefined, 'chokidar'],
  ] as const)('%s, with %j: %s', (setting, found, expected) => {
    expect(chooseSource(setting, { inotifywait: found }).source).toBe(expected);
  });

  it('is a configuration error if the required source is not installed', () => {
    expect(() => chooseSource('inotifywait', { inotifywait: undefined })).toThrow(
      'Cannot use "inotifywait" (source.watcher): it is not installed',
    );
  });

  it('is described in one line, with versions and limits', () => {
    expect(describeSource(chooseSource('auto', facts), facts, site)).toBe(
      'watching /datas: inotifywait 3.22.6.0 (exact close_write, NUL names), order birth, rescan 30 s; inotify queue 16384, instances 128, watches 192536',
    );
    const bare = { ...facts, inotifywait: undefined };
    expect(describeSource(chooseSource('auto', bare), bare, site)).toBe(
      'watching /datas: inotifywait not found: using chokidar, a file counts as finished after 2 s without change and no writer in /proc; apt install inotify-tools for exact events; order birth, rescan 30 s; inotify queue 16384, instances 128, watches 192536',
    );
  });
});

describe('a limit that was reached', () => {
  it.each([
    ['Failed to watch /tmp; upper limit on inotify watches reached!', 'watches'],
    ['ENOSPC: System limit for number of file watchers reached', 'watches'],
    ["Couldn't initialize inotify: Too many open files", 'instances'],
    ['EMFILE: too many open files, watch', 'instances'],
    ['Permission denied', undefined],
  ])('%s', (output, limit) => expect(reachedLimit(output)).toBe(limit));

  it('names the sysctl, its value and the fix', () => {
    const [message, hint] = describeLimit('instances', facts.limits);
    expect(message).toContain('fs.inotify.max_user_instances (128)');
    expect(hint).toContain('sysctl -w fs.inotify.max_user_instances=512');
    expect(hint).toContain('/etc/sysctl.d/');
  });
});
