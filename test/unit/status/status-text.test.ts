import { expect, it } from 'vitest';
import { ownCommand } from '../../../src/host/own-command.ts';
import { idleActivity, type Activity } from '../../../src/instance/activity.ts';
import { siteStatus, type BestEffortStatus, type DirectoryStatus } from '../../../src/status/site-status.ts';
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

interface Shown {
  readonly directory?: DirectoryStatus;
  readonly bestEffort?: readonly BestEffortStatus[];
  readonly areNamed?: boolean;
}

/** @param some of what a daemon says; null: nothing is at work */
const textOf = (
  some: Partial<Activity> | null,
  { directory = finished, bestEffort = [], areNamed = false }: Shown = {},
): string => {
  const activity = some === null ? undefined : { ...idleActivity(new Date()), kind: 'daemon' as const, ...some };
  const status = siteStatus({ site: 's', root: '/r' }, [directory], activity, { bestEffort });
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
  expect(textOf(null, { directory: open })).toContain('2 sent  1 unsent (missing: 1 at h, 0 at i), 2 skipped\n');
});

it('what a best-effort destination lacks, and what brings it there', () => {
  const missing = [
    { destination: 'h', files: 1 },
    { destination: 'b', files: 3, isBestEffort: true },
  ];
  const open: DirectoryStatus = { ...finished, phase: 'open', closedBy: null, sent: 2, missing, skipped: 0 };
  expect(textOf(null, { directory: open })).toContain('2 sent  1 unsent (missing: 1 at h, 3 at b (best effort))\n');
  const sent = { ...open, sent: 3, missing: missing.slice(1) };
  expect(textOf(null, { directory: sent })).toContain('3 sent  3 not yet at b (best effort)\n');

  const behind = (waiting: number, some: Partial<Activity> | null): string =>
    textOf(some, { bestEffort: [{ destination: 'b', state: 'up', behind: 2, waiting }] });
  const lacks = 'best effort, b: 2 finished directories are not known to be whole there';
  expect(behind(2, null)).toContain(
    `${lacks}; the next scan brings them there; to send them now: ${ownCommand('fill', 'b')}\n`,
  );
  expect(behind(0, null)).toContain(`${lacks}; to send them: ${ownCommand('fill', 'b')}\n`);
  expect(behind(2, {})).toContain(`${lacks}; the daemon brings them there\n`);
  expect(behind(1, {})).toContain(`${lacks}; the daemon brings 1 there; to send all, with the daemon stopped: isocket`);
  expect(behind(0, {})).toContain(`${lacks}; to send them, with the daemon stopped: ${ownCommand('fill', 'b')}\n`);
  expect(behind(2, { kind: 'scan' })).toContain(`${lacks}; the next scan brings them there\n`);
});

it('what keeps a closed directory from being finished when all of it is sent', () => {
  const closed: DirectoryStatus = { ...finished, phase: 'closed', skipped: 0 };
  expect(textOf({ connections: [down, up] }, { directory: closed })).toContain('3 sent  not finished: h is down\n');
  expect(textOf({ connections: [up] }, { directory: closed })).toContain('3 sent\n');
});

it('a command that is refused beside a daemon is for when it is stopped', () => {
  const late: DirectoryStatus = { ...finished, late: true, lacks: ['c'], isFillable: true };
  const [fill, reset] = [ownCommand('fill', 'c', 'DC1'), ownCommand('reset', 'DC1')];
  for (const [some, when] of [
    [{}, ', with the daemon stopped'],
    [null, ''],
  ] as const) {
    const text = textOf(some, { directory: late });
    expect(text).toContain(`; to send it there${when}: ${fill}, LATE: `);
    expect(text).toContain(`; to send it${when}: ${reset}\n`);
  }
});

it('nothing is in flight while every destination is down', () => {
  const inFlight = ['DC2/a'];
  expect(textOf({ inFlight, connections: [down] })).toContain('waiting: 1, first DC2/a');
  expect(textOf({ inFlight, connections: [down, up] })).toContain('in flight: 1, first DC2/a');
});

it('what was skipped in finished directories is counted, and one that is named is shown', () => {
  expect(textOf({})).toContain('1 finished directory: 3 files, 2.93 KiB, 2 skipped\n');
  expect(textOf({}, { areNamed: true })).toMatch(/^ {2}DC1 {2}finished {2}3 files .* 2 skipped$/m);
});
