import { expect, it } from 'vitest';
import { idleActivity, type Activity } from '../../../src/instance/activity.ts';
import { problemsOf } from '../../../src/status/problems.ts';
import { otherDestinations } from '../../../src/status/read-status.ts';
import type { DirectoryStatus, SiteStatus } from '../../../src/status/site-status.ts';

const directory: DirectoryStatus = {
  name: 'DC1',
  phase: 'closed',
  closedBy: 'parser',
  files: 3,
  bytes: 30,
  sent: 3,
  sentBytes: 30,
  held: 0,
  skipped: 1,
  oldestUnsentSeconds: null,
  excluded: 0,
  late: true,
};
const activity: Activity = { ...idleActivity(new Date()), kind: 'daemon' };
const at = '2026-11-26T00:00:00.000Z';
const lastFailures = {
  destinations: [{ destination: 'sftp://h', message: 'Cannot connect to h', at }],
  files: [{ path: 'DC1/a', message: 'Cannot send "DC1/a"', hint: 'make room', at }],
  more: 0,
};

const problems = (
  directories: readonly Partial<DirectoryStatus>[],
  running: Partial<Activity> | undefined,
  more: Pick<SiteStatus, 'lastFailures'> = {},
): string[] => {
  const process = running === undefined ? {} : { activity: { ...activity, ...running } };
  return problemsOf({
    directories: directories.map((one) => ({ ...directory, ...one })),
    daemon: { running: running !== undefined, pid: null, since: null, ...process },
    ...more,
  });
};

it.each<[string, ...Parameters<typeof problems>]>([
  ['all sent, some late, some skipped', [{}], undefined],
  ['finished by the old tool', [{ phase: 'finished', files: null, sent: null }], undefined],
  ['closed, and unsent for a moment', [{ sent: 2, oldestUnsentSeconds: 600 }], undefined],
  ['open, and unsent for long', [{ phase: 'open', sent: 2, oldestUnsentSeconds: 9000 }], undefined],
  ['closed, and on its way for long', [{ sent: 2, oldestUnsentSeconds: 9000 }], { inFlight: ['DC1/big'] }],
  ['connected', [], { connections: [{ destination: 'h', state: 'up', message: null }] }],
  ['what failed before this process began', [], {}, { lastFailures }],
])('%s is well', (_title, directories, running, more) => expect(problems(directories, running, more)).toEqual([]));

it.each<[string, string, ...Parameters<typeof problems>]>([
  ['held', '1 file held in DC1', [{ held: 1 }], {}],
  [
    'held, and known why',
    '2 files held in DC1: no room; make some',
    [{ held: 2 }],
    { held: [{ path: 'DC1/a', reason: 'no room', hint: 'make some', attempts: 5, nextSeconds: 1 }] },
  ],
  [
    'down, and known how to mend it',
    'h is down: its key is another one; ssh-keygen -R h',
    [],
    {
      connections: [{ destination: 'h', state: 'down', message: 'its key is another one', hint: 'ssh-keygen -R h' }],
    },
  ],
  [
    'kept by a name that can never be sent',
    'DC1 cannot be finished: rename finished.watch, a name that isocket needs itself',
    [{ sent: 2, reserved: ['finished.watch'] }],
    undefined,
  ],
  ['unreadable', 'DC1 cannot be read: permission denied', [{ unreadable: 'permission denied' }], undefined],
  ['down', 'h is down: refused', [], { connections: [{ destination: 'h', state: 'down', message: 'refused' }] }],
  [
    'closed and unsent for long',
    '2 files unsent in DC1, which is closed, for 15 m 0 s',
    [{ sent: 1, oldestUnsentSeconds: 900 }],
    { inFlight: ['DC10/big'] },
  ],
])('%s is not', (_title, message, directories, running) => expect(problems(directories, running)).toEqual([message]));

it('what failed last is not, where no process can be asked', () =>
  expect(problems([], undefined, { lastFailures })).toEqual([
    `Cannot connect to h (${at})`,
    `1 file failed in the last run: Cannot send "DC1/a"; make room (${at})`,
  ]));

it('a daemon that was started with other destinations', () => {
  const connection = (destination: string) => ({ destination, state: 'up', message: null });
  const running = { ...activity, connections: [connection('b'), connection('a')] };
  expect(otherDestinations(running, ['a', 'b'])).toEqual([]);
  expect(otherDestinations(running, ['a', 'b', 'c'])).toEqual([expect.stringContaining('restart it')]);
  expect(otherDestinations({ ...running, kind: 'scan' }, ['c'])).toEqual([]);
  expect(otherDestinations({ ...activity, connections: [] }, ['c'])).toEqual([]);
  expect(otherDestinations(undefined, ['c'])).toEqual([]);
});
