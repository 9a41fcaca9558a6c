import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { IsocketEvent } from '../../../src/core/events.ts';
import { FailureLog, readLastFailures } from '../../../src/status/last-failures.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-failures-'));
  for (const directory of ['DC1', 'DC2']) mkdirSync(join(folder, directory));
  for (const path of ['DC1/a', 'DC1/b', 'DC2/a']) writeFileSync(join(folder, path), '');
});
afterEach(() => rmSync(folder, { recursive: true }));

const failed = (path: string): IsocketEvent => ({
  type: 'failed',
  path,
  class: 'file',
  message: `Cannot send ${path}`,
  hint: 'do it',
  attempts: 1,
  held: false,
});
const sent = (path: string): IsocketEvent => ({ type: 'sent', path, bytes: 1 });
const lost: IsocketEvent = {
  type: 'connection',
  destination: 'h',
  state: 'lost',
  class: 'network',
  message: 'down',
  retrying: true,
};

/** A run that reports these events. Returns what is known after it: [destinations, files]. */
const run = (events: readonly IsocketEvent[], end: 'ended' | 'stopped', keeps: 'earlier' | 'none' = 'earlier') => {
  const passed: IsocketEvent[] = [];
  {
    using log = new FailureLog(folder, (event) => passed.push(event), keeps);
    for (const event of events) log.report(event);
    if (end === 'ended') log.ended();
  }
  expect(passed).toEqual(events);
  const left = readLastFailures(folder, folder);
  return left && [left.destinations.map(({ destination }) => destination), left.files.map(({ path }) => path)];
};

it('keeps what failed, with reason, fix and time, for its owner alone', () => {
  expect(run([failed('DC1/a'), lost], 'ended')).toEqual([['h'], ['DC1/a']]);
  const time = expect.stringMatching(/^\d{4}-/) as string;
  expect(readLastFailures(folder, folder)).toEqual({
    destinations: [{ destination: 'h', message: 'down', at: time }],
    files: [{ path: 'DC1/a', message: 'Cannot send DC1/a', hint: 'do it', at: time }],
    more: 0,
  });
  expect(statSync(join(folder, 'last-failures.json')).mode & 0o777).toBe(0o600);
});

it('keeps what a destination has otherwise than it was sent, until it has it', () => {
  const refuted: IsocketEvent = { type: 'refuted', path: 'DC1/a', detail: 'it has a different mtime' };
  expect(run([sent('DC1/a'), refuted, sent('DC1/a'), refuted], 'ended')).toEqual([[], ['DC1/a']]);
  expect(readLastFailures(folder, folder)?.files[0]?.message).toContain('it has a different mtime');
  expect(run([sent('DC1/a')], 'ended')).toBeUndefined();
});

it('forgets what was sent, finished or reached since', () => {
  const events = [failed('DC1/a'), failed('DC1/b'), failed('DC2'), lost, sent('DC1/a')];
  expect(run(events, 'ended')).toEqual([['h'], ['DC1/b', 'DC2']]);
  const finished: IsocketEvent = { type: 'finished', directory: 'DC1', closedBy: 'parser', files: 2, bytes: 2 };
  expect(run([finished, sent('DC2/a'), { type: 'connection', destination: 'h', state: 'restored' }], 'stopped')).toBe(
    undefined,
  );
});

it('a run that tried everything replaces what an earlier one left, one that was stopped does not', async () => {
  run([failed('DC1/a'), lost], 'ended');
  const { at = '' } = readLastFailures(folder, folder)?.files[0] ?? {};
  while (new Date().toISOString() === at) await new Promise(setImmediate);
  expect(run([failed('DC1/b')], 'stopped')).toEqual([['h'], ['DC1/a', 'DC1/b']]);
  while (new Date().toISOString() <= (readLastFailures(folder, folder)?.files[1]?.at ?? ''))
    await new Promise(setImmediate);
  expect(run([failed('DC2/a')], 'ended')).toEqual([[], ['DC2/a']]);
  expect(run([], 'stopped', 'none')).toBe(undefined);
});

it('is bounded, and knows nothing of files that are gone', () => {
  for (let n = 0; n < 250; n += 1) writeFileSync(join(folder, `DC1/${n}`), '');
  run(
    Array.from({ length: 250 }, (_value, n) => failed(`DC1/${n}`)),
    'ended',
  );
  const left = readLastFailures(folder, folder);
  expect([left?.files.length, left?.files.at(-1)?.path, left?.more]).toEqual([100, 'DC1/249', 150]);
  rmSync(join(folder, 'DC1/249'));
  expect(readLastFailures(folder, folder)?.files).toHaveLength(99);
});

it.each([['no JSON'], ['7'], ['{"files":7}'], ['{"files":[{"path":7}]}']])('takes %s for nothing', (text) => {
  writeFileSync(join(folder, 'last-failures.json'), text);
  expect(readLastFailures(folder, folder)).toBe(undefined);
});

it('what failed in this run stays, though the clock is set back while it runs', () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  try {
    using log = new FailureLog(folder, () => undefined, 'earlier');
    vi.setSystemTime(Date.now() - 3_600_000);
    log.report(failed('DC1/a'));
    log.report(lost);
    log.ended();
    expect([log.current.files.length, log.current.destinations.length]).toEqual([1, 1]);
  } finally {
    vi.useRealTimers();
  }
});

it('what failed before, by a clock that was ahead, is well when a run that tried everything says nothing of it', () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  try {
    vi.setSystemTime(Date.now() + 3_600_000);
    expect(run([failed('DC1/a')], 'ended')).toEqual([[], ['DC1/a']]);
    vi.setSystemTime(Date.now() - 3_600_000);
    expect(run([], 'ended')).toBeUndefined();
  } finally {
    vi.useRealTimers();
  }
});
