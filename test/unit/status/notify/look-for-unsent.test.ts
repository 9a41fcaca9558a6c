import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { FailedEvent, IsocketEvent } from '../../../../src/core/events.ts';
import { EventFacts } from '../../../../src/status/notify/event-facts.ts';
import { isUnsent, lookForUnsent } from '../../../../src/status/notify/look-for-unsent.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'isocket-unsent-'));
});
afterEach(() => rmSync(root, { recursive: true }));

const write = (path: string, mode: number): void => {
  mkdirSync(join(root, path, '..'), { recursive: true });
  writeFileSync(join(root, path), '');
  chmodSync(join(root, path), mode);
};
const ctimeMs = (path: string): number => Math.floor(statSync(join(root, path)).ctimeMs);
const look = (...names: string[]) =>
  lookForUnsent(root, names, (path) => path.endsWith('.tmp'), new AbortController().signal);

it('finds the unmarked file that was changed longest ago, of those that go', async () => {
  write('DC1/old.tmp', 0o644);
  write('DC1/marked', 0o664);
  write('DC1/sub/first', 0o644);
  // Until the clock that stamps files has moved on.
  do write('DC2/second', 0o644);
  while (ctimeMs('DC2/second') <= ctimeMs('DC1/sub/first'));
  write('DC3/not asked for', 0o644);
  write('DC1/finished.parse', 0o644);
  const { oldest, unreadable } = await look('DC2', 'DC1', 'vanished');
  expect([oldest?.path, unreadable]).toEqual(['DC1/sub/first', []]);
  chmodSync(join(root, 'DC1/sub/first'), 0o664);
  expect((await look('DC1')).oldest).toBeUndefined();
  expect(['DC1/sub/first', 'DC2/second', 'DC2/gone'].map((path) => isUnsent(join(root, path)))).toEqual([
    false,
    true,
    false,
  ]);
});

it('knows from events what is down, what failed, and what became of it', () => {
  const facts = new EventFacts();
  const failed = (path: string, more: Partial<FailedEvent> = {}): IsocketEvent => ({
    type: 'failed',
    path,
    class: 'file',
    message: 'no',
    attempts: 1,
    held: false,
    ...more,
  });
  const lost = (destination: string, kind: 'auth' | 'network'): IsocketEvent => ({
    type: 'connection',
    destination,
    state: 'lost',
    class: kind,
    message: 'm',
    retrying: false,
  });
  const note = (...events: IsocketEvent[]): void => events.forEach((event) => facts.note(event));
  note(failed('DC1/a'), failed('DC1/b'), failed('DC2'), failed('DC3/x', { class: 'source-changed' }));
  expect(facts.held.map(({ directory, count }) => `${directory} ${count}`)).toEqual(['DC1 2', 'DC2 1']);
  expect(facts.unworkable).toEqual([{ path: 'DC2', reason: 'no' }]);
  note({ type: 'sent', path: 'DC1/a', bytes: 1 }, { type: 'sent', path: 'DC2/a', bytes: 1 });
  expect(facts.held).toEqual([{ directory: 'DC1', count: 1, first: 'DC1/b', reason: 'no' }]);
  note({ type: 'finished', directory: 'DC1', closedBy: 'parser', files: 2, bytes: 2 });
  expect(facts.held).toEqual([]);
  note(lost('nas', 'auth'), lost('tape', 'network'));
  expect(facts.down.map(({ destination, refused }) => [destination, refused])).toEqual([
    ['nas', true],
    ['tape', false],
  ]);
  note({ type: 'connection', destination: 'nas', state: 'restored' });
  expect(facts.down.map(({ destination }) => destination)).toEqual(['tape']);
});
