import { expect, it } from 'vitest';
import { TerminalLine } from '../../../src/cli/reporters/terminal-line.ts';
import { Progress, progressLine, type ProgressState } from '../../../src/cli/reporters/progress.ts';
import { onScreen } from '../../../src/cli/commands/status.ts';
import { wrapLines } from '../../../src/cli/reporters/wrap-lines.ts';

const KIB = 1024;
const of = (doneFiles: number, files: number, more: Partial<ProgressState> = {}): ProgressState => ({
  doneFiles,
  doneBytes: doneFiles * KIB,
  all: { files, bytes: files * KIB, isFinal: true },
  directories: undefined,
  bytesPerSecond: undefined,
  isSteady: true,
  elapsedMs: 12_000,
  ...more,
});
const soFar = (files: number): Partial<ProgressState> => ({ all: { files, bytes: files * KIB, isFinal: false } });
const bar = (filled: number, empty: number): string => `[${'#'.repeat(filled)}${'-'.repeat(empty)}]`;

it.each<[string, ProgressState, number, string]>([
  ['nothing yet', of(0, 0), 80, `${bar(0, 40)} 0/0 files, 0 of 0 B`],
  ['a quarter', of(1, 4), 80, `${bar(10, 30)} 1/4 files, 1 of 4 KiB`],
  ['all', of(4, 4), 80, `${bar(40, 0)} 4/4 files, 4 of 4 KiB`],
  ['one file', of(0, 1), 80, `${bar(0, 40)} 0/1 file, 0 B of 1 KiB`],
  ['bytes of a big file', of(0, 1, { doneBytes: 512 }), 80, `${bar(20, 20)} 0/1 file, 512 B of 1 KiB`],
  ['a listing that goes on', of(1, 4, soFar(4)), 80, `${bar(10, 30)} 1/4 files, 1 of 4 KiB so far`],
  [
    'no time left while the total grows',
    of(1, 4, { ...soFar(4), bytesPerSecond: KIB }),
    80,
    `${bar(10, 30)} 1/4 files, 1 of 4 KiB so far, 1 KiB/s`,
  ],
  [
    'rate and time left',
    of(1, 4, { bytesPerSecond: KIB }),
    80,
    `${bar(8, 27)} 1/4 files, 1 of 4 KiB, 1 KiB/s, 3.0 s left`,
  ],
  [
    'a rate of a moment',
    of(1, 4, { bytesPerSecond: KIB, isSteady: false }),
    80,
    `${bar(10, 30)} 1/4 files, 1 of 4 KiB, 1 KiB/s`,
  ],
  ['it stands still', of(1, 4, { bytesPerSecond: 0 }), 80, `${bar(10, 30)} 1/4 files, 1 of 4 KiB, 0 B/s`],
  [
    'empty files',
    of(1, 2, { doneBytes: 0, all: { files: 2, bytes: 0, isFinal: true } }),
    80,
    `${bar(20, 20)} 1/2 files, 0 of 0 B`,
  ],
  ['40 columns: no amounts', of(1, 4, { bytesPerSecond: KIB }), 39, `${bar(1, 5)} 1/4 files, 1 KiB/s, 3.0 s left`],
  ['24 columns', of(1, 4, { bytesPerSecond: KIB }), 24, '1/4 files, 3.0 s left'],
  ['10 columns', of(1, 4, { bytesPerSecond: KIB }), 10, '1/4 files'],
  ['no total', of(3, 0, { all: undefined, bytesPerSecond: KIB }), 80, '3 files sent, 3 KiB, 1 KiB/s'],
  [
    'directories that are compared',
    of(300, 0, { all: undefined, directories: { done: 1, all: 2 }, bytesPerSecond: KIB }),
    80,
    `${bar(12, 13)} 1/2 directories, 300 files, 300 KiB, 1 KiB/s, 12.0 s`,
  ],
])('%s', (_what, state, columns, line) => {
  expect(progressLine(state, columns)).toBe(line);
  expect(line.length).toBeLessThanOrEqual(columns);
});

it('measures the rate over the last ten seconds, and tells no time left before the listing is through', () => {
  const progress = new Progress(false);
  expect(progress.note({ type: 'found', directory: 'DC1', files: 2, bytes: 100 * KIB })).toBe(true);
  const at = (seconds: number, partial: number): string => progressLine(progress.state(partial, seconds * 1000), 200);
  expect(at(-20, 0)).not.toContain('/s');
  expect(at(0, 0)).not.toContain('/s'); // It was not connected yet.
  expect(at(1, 10 * KIB)).toContain('10 of 100 KiB so far, 10 KiB/s');
  progress.note({ type: 'found-all' });
  expect(at(2, 20 * KIB)).toMatch(/20 of 100 KiB, 10 KiB\/s$/);
  expect(at(3, 30 * KIB)).toContain('30 of 100 KiB, 10 KiB/s, 7.0 s left');
  for (let second = 4; second <= 15; second += 1) at(second, 30 * KIB);
  expect(at(16, 30 * KIB)).toContain('30 of 100 KiB, 0 B/s');
  progress.note({ type: 'sent', path: 'DC1/a', bytes: 50 * KIB });
  expect(at(17, 0)).toContain('1/2 files, 50 of 100 KiB');
});

it('knows how much is to be compared where finished directories say it', () => {
  const progress = new Progress(false);
  progress.note({ type: 'directories', count: 2, total: { files: 4, bytes: 4 * KIB } });
  progress.note({ type: 'compared', directory: 'DC1', files: 1, bytes: KIB });
  expect(progressLine(progress.state(0, 0), 80)).toContain('1/4 files, 1 of 4 KiB');
});

it.each<[string, string, number, string]>([
  ['short', 'one two\n', 40, 'one two\n'],
  ['between words', 'one two three four five six\nseven\n', 20, 'one two three four\n  five six\nseven\n'],
  ['a word that is longer', `see ${'x'.repeat(30)} for it\n`, 20, `see\n  ${'x'.repeat(30)}\n  for it\n`],
  ['colours take no room', '\u001B[31merror\u001B[39m: one two thr\n', 20, '\u001B[31merror\u001B[39m: one two thr\n'],
  ['no room at all', 'one two three four five six\n', 10, 'one two three four five six\n'],
])('wraps: %s', (_what, text, columns, wrapped) => {
  expect(wrapLines(text, columns)).toBe(wrapped);
});

it('status breaks its lines between words, and a redrawn one stays within the terminal', () => {
  const text = 'brk: /data/ED1, no daemon running here\n  DC1  closed  3 files  125.7 MiB  0 sent\n\n';
  const shown = onScreen(text, { columns: 24, rows: 24, redraws: false });
  expect(shown.split(/\s+/)).toEqual(text.split(/\s+/));
  for (const line of shown.split('\n')) expect(line.length).toBeLessThan(24);
  const redrawn = onScreen(text, { columns: 24, rows: 4, redraws: true });
  expect(redrawn.split('\n')).toHaveLength(3);
  expect(redrawn.startsWith('\x1b[H\x1b[2Jbrk: ')).toBe(true);
  expect(redrawn.endsWith('\n... 2 more lines')).toBe(true);
  // What cannot be broken takes more than one line of the terminal.
  const long = onScreen(`brk:\n${'x'.repeat(60)}\nlast\n`, { columns: 24, rows: 5, redraws: true });
  expect(long).toBe('\x1b[H\x1b[2Jbrk:\n... 2 more lines');
});

it('leaves the line away while somebody else writes, whose reader may show it a moment later, then redraws it', async () => {
  const written: string[] = [];
  const terminal = { columns: 80, write: (text: string) => written.push(text) > 0 };
  const line = new TerminalLine(terminal, () => '3/10 files', 60_000);
  line.update();
  line.beside(() => written.push('a result\n'));
  expect(written.at(-1)).toBe('a result\n');
  await expect.poll(() => written.at(-1)).toContain('3/10 files');
  line.close();
});
