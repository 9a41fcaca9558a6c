import { execFileSync } from 'node:child_process';
import {
  closeSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isJournal } from '../../../src/cli/log/journal.ts';
import { LogFile } from '../../../src/cli/log/log-file.ts';
import { LogSink } from '../../../src/cli/log/log-sink.ts';
import { logLine, withPriority, type LogEntry, type LogStyle } from '../../../src/cli/reporters/log-line.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-log-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const NOW = new Date('2026-11-27T02:00:00.000Z');
const failed: LogEntry = {
  level: 'error',
  text: 'Cannot send "DC1/a": no room',
  event: { type: 'failed', path: 'DC1/a', class: 'file', message: 'Cannot send', attempts: 1, held: false },
};
const note: LogEntry = {
  level: 'debug',
  text: 'a\nb',
  event: { type: 'note', level: 'info', message: 'a\nb' },
};

describe('a line', () => {
  it.each<[LogEntry, Partial<LogStyle>, string]>([
    [failed, {}, '2026-11-27T02:00:00.000Z error: Cannot send "DC1/a": no room'],
    [failed, { journal: true }, '<3>error: Cannot send "DC1/a": no room'],
    [{ level: 'warning', text: 'w' }, { journal: true }, '<4>warning: w'],
    [{ level: 'info', text: 'i' }, { journal: true }, '<6>info: i'],
    [{ level: 'debug', text: 'd' }, { journal: true }, '<7>debug: d'],
    [
      { ...failed, more: 4998 },
      {},
      '2026-11-27T02:00:00.000Z error: and 4,998 more like it; the last: Cannot send "DC1/a": no room',
    ],
    [note, {}, '2026-11-27T02:00:00.000Z debug: a\\nb'],
  ])('%j %j', (entry, style, line) => {
    expect(logLine(entry, { format: 'text', journal: false, ...style }, NOW)).toBe(`${line}\n`);
  });

  it('in JSON has the sentence, the level that is printed and what the event says', () => {
    const line = (entry: LogEntry, journal: boolean) => logLine(entry, { format: 'json', journal }, NOW);
    expect(JSON.parse(line({ ...failed, more: 2 }, false))).toEqual({
      time: '2026-11-27T02:00:00.000Z',
      ...failed.event,
      level: 'error',
      message: failed.text,
      more: 2,
    });
    expect(line(note, false)).toMatch(/^\{"time":"[^"]*","level":"debug","message":"a\\nb","type":"note"\}\n$/);
    expect(line(note, true)).toMatch(/^<7>\{"level":"debug",/);
  });

  it('of an error that ends the command has its level on each of its lines', () => {
    expect(withPriority('isocket: a\n  b\n', 'error', true)).toBe('<3>isocket: a\n<3>  b\n');
    expect(withPriority('isocket: a\n  b\n', 'error', false)).toBe('isocket: a\n  b\n');
  });
});

it('knows the journal by the device and inode that JOURNAL_STREAM names', () => {
  const fd = openSync(join(folder, 'stream'), 'w');
  const { dev, ino } = fstatSync(fd, { bigint: true });
  expect([`${dev}:${ino}`, `${dev}:${ino + 1n}`, '', undefined, 'x'].map((name) => isJournal(fd, name))).toEqual([
    true,
    false,
    false,
    false,
    false,
  ]);
  closeSync(fd);
  expect(isJournal(fd, `${dev}:${ino}`)).toBe(false);
});

describe('a log file', () => {
  const open = (path: string) => {
    const file = new LogFile(path);
    const losses: unknown[] = [];
    const sink = new LogSink({
      output: file,
      describeLoss: (lines, reason) => `lost ${lines}: ${reason}\n`,
      onLoss: (_error, lost) => losses.push(lost),
    });
    const write = (text: string): void => {
      file.reopen(); // Or a tenth of a second goes by.
      sink.write(text);
    };
    return { file, write, sink, losses };
  };
  const log = (): string => join(folder, 'log');

  it('is made, added to, and found again where it was moved away', () => {
    writeFileSync(log(), 'before\n');
    const { file, write } = open(log());
    write('one\n');
    renameSync(log(), `${log()}.1`);
    write('two\n');
    rmSync(log());
    write('three\n');
    file.close();
    expect([readFileSync(`${log()}.1`, 'utf8'), readFileSync(log(), 'utf8')]).toEqual(['before\none\n', 'three\n']);
  });

  it('looks ten times a second at most, and at once when it is told to', () => {
    const { file, sink } = open(log());
    sink.write('one\n');
    renameSync(log(), `${log()}.1`);
    sink.write('two\n');
    file.reopen();
    sink.write('three\n');
    expect([readFileSync(`${log()}.1`, 'utf8'), readFileSync(log(), 'utf8')]).toEqual(['one\ntwo\n', 'three\n']);
    file.close();
  });

  it('that cannot be written costs its lines, and says so once it can be', () => {
    mkdirSync(log());
    const { file, write, losses } = open(log());
    write('one\n');
    write('two\n');
    expect(losses).toEqual([1, 2]);
    rmSync(log(), { recursive: true });
    write('three\n');
    expect(readFileSync(log(), 'utf8')).toMatch(/^lost 2: illegal operation on a directory\nthree\n$/);
    file.close();
  });

  it('that is a pipe without a reader, or one that does not read, keeps nobody waiting', () => {
    execFileSync('mkfifo', [log()]);
    const { file, write, losses } = open(log());
    write('one\n');
    expect(losses).toEqual([1]);
    const reader = openSync(log(), 'r+');
    for (let line = 0; line < 100; line += 1) write(`${'x'.repeat(4000)}\n`);
    expect(losses.length).toBeGreaterThan(1);
    closeSync(reader);
    file.close();
  });
});
