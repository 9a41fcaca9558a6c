import { expect, it } from 'vitest';
import { idleActivity, type Activity } from '../../../src/instance/activity.ts';
import { siteStatus, type DirectoryStatus } from '../../../src/status/site-status.ts';
import { statusText } from '../../../src/status/status-text.ts';

const finished: DirectoryStatus = {
  name: 'DC1',
  phase: 'finished',
  closedBy: 'parser',
  files: 3,
  bytes: 3000,
  sent: 3,
  sentBytes: 3000,
  held: 0,
  skipped: 2,
  oldestUnsentSeconds: null,
  excluded: 0,
  late: false,
};
const down = { destination: 'h', state: 'down', message: 'refused', since: '2026-01-01T00:00:00.000Z', nextSeconds: 8 };
const up = { destination: 'i', state: 'up', message: null };

const textOf = (activity: Partial<Activity> = {}, areNamed = false): string => {
  const site = { site: 's', root: '/r' };
  const status = siteStatus(site, [finished], { ...idleActivity(new Date()), kind: 'daemon', ...activity });
  return statusText({ ...status, problems: [] }, { verbose: false, areNamed, problemsFirst: false });
};

it('a destination that is down: since when, why, and when it is tried again', () => {
  expect(textOf({ connections: [down] })).toContain(
    'connection to h: down since 2026-01-01T00:00:00.000Z: refused; tried again in 8.0 s\n',
  );
  expect(textOf({ connections: [{ ...down, nextSeconds: 0 }] })).toContain('refused; tried again now\n');
  expect(textOf({ connections: [up] })).toContain('connection to i: up\n');
});

it('what is missing at which of several destinations', () => {
  const missing = [
    { destination: 'h', files: 1 },
    { destination: 'i', files: 0 },
  ];
  const open: DirectoryStatus = { ...finished, phase: 'open', closedBy: null, sent: 2, missing };
  const status = siteStatus({ site: 's', root: '/r' }, [open], undefined);
  expect(statusText({ ...status, problems: [] }, { verbose: false, problemsFirst: false })).toContain(
    '2 sent  1 unsent (missing: 1 at h, 0 at i), 2 skipped\n',
  );
});

it('nothing is in flight while every destination is down', () => {
  const inFlight = ['DC2/a'];
  expect(textOf({ inFlight, connections: [down] })).toContain('waiting: 1, first DC2/a');
  expect(textOf({ inFlight, connections: [down, up] })).toContain('in flight: 1, first DC2/a');
});

it('what was skipped in finished directories is counted, and one that is named is shown', () => {
  expect(textOf()).toContain('1 finished directory: 3 files, 2.93 KiB, 2 skipped\n');
  expect(textOf({}, true)).toMatch(/^ {2}DC1 {2}finished {2}3 files .* 2 skipped$/m);
});
