import { expect, it } from 'vitest';
import { idleActivity, type Activity } from '../../../src/instance/activity.ts';
import { siteStatus } from '../../../src/status/site-status.ts';

const directory = {
  name: 'DC1',
  phase: 'open',
  closedBy: null,
  files: 3,
  bytes: 3000,
  sent: 1,
  sentBytes: 1000,
  skipped: 0,
  oldestUnsentSeconds: 5,
  excluded: 0,
  late: false,
} as const;
const throughput = { files: 1, bytes: 1000, filesPerSecond: 0, bytesPerSecond: 100 };
const connection = { destination: 'sftp://h', state: 'up', message: null };

const left = (activity: Partial<Activity>): number | null | undefined =>
  siteStatus({ site: 's', root: '/r' }, [directory], {
    ...idleActivity(new Date()),
    kind: 'daemon',
    throughput,
    connections: [connection],
    ...activity,
  }).daemon.secondsLeft;

it.each<[string, Partial<Activity>, number | null | undefined]>([
  ['all that is unsent', {}, 20],
  ['without what has arrived of a file', { sending: [{ path: 'DC1/big', bytes: 1500, sent: 1200 }] }, 8],
  ['nothing can go', { connections: [connection, { ...connection, state: 'down' }] }, null],
  ['an old daemon', { throughput: undefined }, undefined],
])('time left: %s', (_why, activity, seconds) => {
  expect(left(activity)).toBe(seconds);
});
