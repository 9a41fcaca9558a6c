import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createPendingEvents } from '../../../src/daemon/pending-events.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const SETTLE_MS = 2000;

it('asks for no listing where every name was explained by its close', () => {
  const list = vi.fn();
  using hints = createPendingEvents(SETTLE_MS, list);
  for (let file = 1; file <= 100; file += 1) {
    hints.add(`file-${file}`);
    vi.advanceTimersByTime(50);
    hints.explain(`file-${file}`);
  }
  vi.advanceTimersByTime(10 * SETTLE_MS);
  expect(list).not.toHaveBeenCalled();
});

it('asks for no listing where writers overlap, each of them quick', () => {
  const list = vi.fn();
  using hints = createPendingEvents(SETTLE_MS, list);
  for (let file = 1; file <= 100; file += 1) {
    hints.add(`file-${file}`);
    hints.explain(`file-${file - 1}`);
    vi.advanceTimersByTime(100);
  }
  expect(list).not.toHaveBeenCalled();
});

it('asks for one listing of names that nothing explains', () => {
  const list = vi.fn();
  using hints = createPendingEvents(SETTLE_MS, list);
  hints.add('link');
  hints.add('another link');
  hints.add(undefined);
  hints.add('file');
  hints.explain('file');
  vi.advanceTimersByTime(SETTLE_MS - 1);
  expect(list).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(list).toHaveBeenCalledOnce();
  vi.advanceTimersByTime(10 * SETTLE_MS);
  expect(list).toHaveBeenCalledOnce();
});

it('asks for another listing of what comes after one', () => {
  const list = vi.fn();
  using hints = createPendingEvents(SETTLE_MS, list);
  hints.add('link');
  vi.advanceTimersByTime(SETTLE_MS);
  hints.add('late link');
  vi.advanceTimersByTime(SETTLE_MS);
  expect(list).toHaveBeenCalledTimes(2);
});

it('asks for nothing once it is disposed of', () => {
  const list = vi.fn();
  const hints = createPendingEvents(SETTLE_MS, list);
  hints.add('link');
  hints[Symbol.dispose]();
  vi.advanceTimersByTime(10 * SETTLE_MS);
  expect(list).not.toHaveBeenCalled();
});
