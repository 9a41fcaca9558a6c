import { execa } from 'execa';
import fc from 'fast-check';
import { afterEach, expect, it, describe as group, vi } from 'vitest';
import type { IsocketEvent, SummaryEvent } from '../../../src/core/events.ts';
import { decodeName } from '../../../src/name.ts';
import { createJsonReporter } from '../../../src/cli/reporters/json-reporter.ts';
import { createProgressReporter } from '../../../src/cli/reporters/progress-reporter.ts';
import { canRedraw } from '../../../src/cli/reporters/terminal-line.ts';
import { createLogReporter } from '../../../src/cli/reporters/log-reporter.ts';
import type { LogLevel } from '../../../src/cli/reporters/log-line.ts';

const sent = (path: string, bytes = 1): IsocketEvent => ({ type: 'sent', path, bytes });
const found = (files: number, bytes = files): IsocketEvent => ({ type: 'found', directory: 'DC1', files, bytes });
const failed = (message: string): IsocketEvent => ({
  type: 'failed',
  path: 'DC1/a',
  class: 'file',
  message,
  attempts: 1,
  held: false,
});
const summary = (more: Partial<SummaryEvent> = {}): SummaryEvent => ({
  type: 'summary',
  sent: 0,
  bytes: 0,
  skipped: 0,
  excluded: 0,
  failed: 0,
  held: 0,
  finished: 0,
  unfinished: 0,
  seconds: 1,
  ...more,
});

const openLog = (how: { verbose?: boolean; quiet?: boolean }, write: (text: string) => void) => {
  const level: LogLevel = how.quiet === true ? 'error' : how.verbose === true ? 'debug' : 'info';
  return createLogReporter({ settings: () => ({ level, format: 'text', journal: false }), write });
};

const linesOf = (events: readonly IsocketEvent[], how: { verbose?: boolean; quiet?: boolean } = {}): string[] => {
  let text = '';
  const { report, end } = openLog(how, (line) => (text += line));
  events.forEach(report);
  end();
  return text.split('\n').slice(0, -1);
};

group('text', () => {
  const skipped: IsocketEvent = { type: 'skipped', path: 'DC1/link', kind: 'symlink' };
  const warning: IsocketEvent = { type: 'note', level: 'warning', message: 'no fsync there' };

  it.each<[string, readonly IsocketEvent[], { verbose?: boolean; quiet?: boolean }, readonly RegExp[]]>([
    ['a scan that sent nothing', [found(0), skipped, summary({ skipped: 1 })], {}, []],
    [
      'files sent',
      [sent('DC1/a'), skipped, summary({ sent: 1, bytes: 1 })],
      {},
      [/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info: sent 1 file, 1 B, in 1\.0 s; finished 0 directories$/],
    ],
    [
      'verbose',
      [sent('DC1/a'), skipped],
      { verbose: true },
      [/ debug: sent DC1\/a/, / debug: skipped DC1\/link: symlink/],
    ],
    ['quiet', [sent('DC1/a'), warning, failed('no room'), summary({ sent: 1 })], { quiet: true }, [/ error: no room$/]],
    ['a warning', [warning], {}, [/ warning: no fsync there$/]],
    ['files given up', [summary({ held: 2 })], {}, [/2 held/]],
    ['files that failed', [summary({ failed: 3 })], {}, [/3 NOT SENT/]],
    ['braces are no placeholders', [failed('{text} {0} {{')], {}, [/ error: \{text\} \{0\} \{\{$/]],
    ['a stray byte', [sent(decodeName(Buffer.from([0x61, 0xff, 0x1b])))], { verbose: true }, [/sent a\\xff\\x1b \(/]],
    [
      'terminal escapes of a server',
      [failed('\u001b[2Jgone\r\ninfo: sent\u202e')],
      {},
      [/error: \\x1b\[2Jgone\\x0d\\ninfo: sent\\u\{202e\}$/],
    ],
    ['an escaped name is escaped once', [failed('Cannot send "a\\xff"')], {}, [/"a\\xff"$/]],
  ])('%s', (_title, events, how, expected) => {
    const lines = linesOf(events, how);
    expect(lines).toHaveLength(expected.length);
    expected.forEach((line, index) => expect(lines[index]).toMatch(line));
  });

  it('counts the same failure instead of printing it ten thousand times', () => {
    const lines = linesOf(Array.from({ length: 25 }, () => failed('no room')));
    expect(lines).toEqual([
      expect.stringMatching(/ error: no room$/),
      expect.stringMatching(/ error: and 24 more like it; the last: no room$/),
    ]);
  });

  it('prints each kind of failure, however many there are: a daemon runs for months', () => {
    const kinds = Array.from({ length: 26 }, (_none, index) => failed(`cause ${'x'.repeat(index + 1)}`));
    expect(linesOf(kinds)).toHaveLength(26);
  });

  it('takes failures for the same that differ in the names and numbers they say', () => {
    const lines = linesOf(
      [1, 2, 3].map((n) => ({ ...failed(`Cannot send "DC${n}/f": disk ${n} full`), path: `DC${n}/f` })),
    );
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatch(/ error: and 2 more like it; the last: Cannot send "DC3\/f": disk 3 full$/);
  });

  it('writes one line for one event, with nothing that a terminal would obey', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (message) => {
        const lines = linesOf([failed(message)]);
        expect(lines).toHaveLength(1);
        expect(lines[0]).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
      }),
    );
  });
});

it('json: one object a line that gives every byte of a name back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1 }), (bytes) => {
      let text = '';
      const { report, end } = createJsonReporter({ write: (line) => (text += line) });
      const event = sent(decodeName(Buffer.from(bytes)));
      report(event);
      end();
      expect(text.indexOf('\n')).toBe(text.length - 1);
      // Through UTF-8, as a pipe would carry it.
      expect(JSON.parse(Buffer.from(text).toString())).toEqual(event);
    }),
  );
});

group('progress', () => {
  afterEach(() => {
    vi.useRealTimers();
  });
  /** A screen that understands what a progress line needs of a terminal: lines, \r and erase-to-end. */
  const openScreen = (columns = 100) => {
    let written = '';
    const terminal = {
      columns,
      write: (text: string) => {
        written += text;
        return true;
      },
    };
    const show = (): string[] => {
      const rows = [''];
      let column = 0;
      for (const part of written.replaceAll('\u001b[K', '\0')) {
        const row = rows.at(-1) ?? '';
        if (part === '\0') rows[rows.length - 1] = row.slice(0, column);
        else if (part === '\r') column = 0;
        else if (part === '\n') {
          rows.push('');
          column = 0;
        } else {
          expect(part).not.toMatch(/\p{Cc}/u);
          rows[rows.length - 1] = row.slice(0, column) + part + row.slice(column + 1);
          column += 1;
        }
      }
      return rows;
    };
    return { terminal, show, written: () => written };
  };
  const open = (columns?: number) => {
    vi.useFakeTimers();
    const screen = openScreen(columns);
    const reporter = createProgressReporter({
      terminal: screen.terminal,
      openText: (write) => openLog({}, write),
    });
    return { ...reporter, ...screen };
  };
  it.each<[boolean | undefined, string | undefined, boolean]>([
    [true, 'xterm-256color', true],
    [true, 'dumb', false],
    [true, '', false],
    [true, undefined, false],
    [false, 'xterm', false],
    [undefined, 'xterm', false],
  ])('isTTY %s and TERM %s: redrawn %s', (isTTY, term, redrawn) => {
    expect(canRedraw(isTTY === undefined ? {} : { isTTY }, term)).toBe(redrawn);
  });

  it('writes nothing where nothing was found', () => {
    const { report, end, written } = open();
    report(found(0));
    report(summary());
    end();
    expect(written()).toBe('');
  });

  it('shows files and bytes done of those found, at most every 100 ms, and erases the line at the end', () => {
    const { report, end, show, written } = open();
    report(found(4, 4096));
    for (let file = 0; file < 3; file += 1) report(sent('DC1/a', 1024));
    expect(show()[0]).toContain(' 0/4 files, 0 B of 4 KiB so far');
    vi.advanceTimersByTime(100);
    expect(show()[0]).toContain(' 3/4 files, 3 of 4 KiB so far');
    expect(written().split('\r')).toHaveLength(3);
    report({ type: 'found-all' });
    vi.advanceTimersByTime(4000);
    expect(show()[0]).toMatch(/ 3\/4 files, 3 of 4 KiB, [\d.]+ (?:KiB|B)\/s, [\d.]+ s left$/);
    report(summary({ sent: 3, bytes: 3072 }));
    end();
    expect(show()).toEqual([expect.stringContaining('info: sent 3 files'), '']);
  });

  it.each([1, 10, 24, 60, 0])('never fills a row of %d columns', (columns) => {
    const { report, end, show } = open(columns);
    report(found(123_456, 2 ** 40));
    report(sent('DC1/a'));
    vi.advanceTimersByTime(100);
    const [row = ''] = show();
    expect(row.length).toBeLessThanOrEqual(columns === 0 ? 79 : columns - 1);
    end();
  });

  it('prints lines above itself, and loses none that comes right before the end', () => {
    const { report, end, show } = open();
    report(found(2));
    report(failed('no room'));
    expect(show()).toEqual([expect.stringContaining('error: no room'), expect.stringContaining(' 0/2 files')]);
    report(summary({ failed: 1 }));
    end();
    expect(show()).toEqual([expect.stringContaining('error: no room'), expect.stringContaining('1 NOT SENT'), '']);
  });

  it('is one line in the next pass too, and leaves no listener and no timer', () => {
    const { report, end, show } = open();
    const listeners = process.listenerCount('exit');
    for (let pass = 0; pass < 3; pass += 1) {
      report(found(2));
      report(sent('DC1/a'));
      expect([process.listenerCount('exit'), vi.getTimerCount()]).toEqual([listeners + 1, 1]);
      report(summary());
      expect([process.listenerCount('exit'), vi.getTimerCount()]).toEqual([listeners, 0]);
    }
    report(found(2));
    report(failed('late'));
    end();
    expect([process.listenerCount('exit'), vi.getTimerCount()]).toEqual([listeners, 0]);
    expect(show()).toEqual([expect.stringContaining('error: late'), '']);
  });

  it('does not keep the process running, and erases its line when it exits', async () => {
    const line = new URL('../../../src/cli/reporters/terminal-line.ts', import.meta.url).href;
    const script = `
      import { TerminalLine } from '${line}';
      const line = new TerminalLine({ columns: 80, write: (text) => process.stdout.write(text) }, () => 'x');
      line.update();
      line.update();`;
    const { stdout } = await execa(process.execPath, ['--input-type=module', '-e', script], { timeout: 20_000 });
    expect(stdout).toBe('\r\u001b[Kx\r\u001b[K');
  });
});
