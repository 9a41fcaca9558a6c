import { PassThrough } from 'node:stream';
import type { WriteStream } from 'node:tty';
import fc from 'fast-check';
import { expect, it, describe as group } from 'vitest';
import type { IsocketEvent, SummaryEvent } from '../../../src/core/events.ts';
import { decodeName } from '../../../src/name.ts';
import { createJsonReporter } from '../../../src/cli/reporters/json-reporter.ts';
import { createProgressReporter } from '../../../src/cli/reporters/progress-reporter.ts';
import { createTextReporter } from '../../../src/cli/reporters/text-reporter.ts';

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
  failed: 0,
  held: 0,
  finished: 0,
  seconds: 1,
  ...more,
});

const linesOf = (events: readonly IsocketEvent[], how: { verbose?: boolean; quiet?: boolean } = {}): string[] => {
  let text = '';
  const { report, end } = createTextReporter({ verbose: false, quiet: false, ...how, write: (line) => (text += line) });
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
      [/ info: sent 1 files, 1 B, in 1\.0 s/],
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
    expect(lines).toHaveLength(11);
    expect(lines[10]).toContain('15 more files failed');
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
  /** What a terminal is given. */
  const terminal = (): { stream: WriteStream; written: () => string } => {
    const through = Object.assign(new PassThrough(), { isTTY: true, columns: 100, rows: 30 });
    return { stream: through as unknown as WriteStream, written: () => String(through.read() ?? '') };
  };
  const open = () => {
    const { stream, written } = terminal();
    const reporter = createProgressReporter({
      stream,
      openText: (write) => createTextReporter({ verbose: false, quiet: false, write }),
    });
    return { ...reporter, written };
  };
  const HIDE = '\u001b[?25l';
  const SHOW = '\u001b[?25h';

  it('writes nothing where nothing was found', () => {
    const { report, end, written } = open();
    report(found(0));
    report(summary());
    end();
    expect(written()).toBe('');
  });

  it('shows files and bytes done of those found, and gives the cursor back', async () => {
    const { report, end, written } = open();
    report(found(4, 4096));
    report(sent('DC1/a', 1024));
    await new Promise((resolve) => setTimeout(resolve, 250));
    report(summary({ sent: 1, bytes: 1024 }));
    end();
    const text = written();
    expect(text).toContain('1/4 files, 1 KB of 4 KB');
    expect(text).not.toContain('{done}');
    expect(text.lastIndexOf(SHOW)).toBeGreaterThan(text.lastIndexOf(HIDE));
    expect(text.split(HIDE)).toHaveLength(text.split(SHOW).length);
  });

  it('counts what was not announced: "isocket send"', async () => {
    const { report, end, written } = open();
    report(sent('DC1/a', 1024));
    await new Promise((resolve) => setTimeout(resolve, 250));
    end();
    expect(written()).toContain('1/1 files, 1 KB of 1 KB');
  });

  it('loses no line that comes right before the end', () => {
    const { report, end, written } = open();
    report(found(2));
    report(failed('no room'));
    report(summary({ failed: 1 }));
    end();
    const text = written();
    expect(text).toMatch(/error: no room\n[^]*1 NOT SENT/);
  });

  it('goes on with one bar in the next pass, and leaves no listener', () => {
    const { report, end, written } = open();
    const listeners = process.listenerCount('exit');
    for (let pass = 0; pass < 3; pass += 1) {
      report(found(2));
      report(sent('DC1/a'));
      report(summary({ sent: 1 }));
      expect(process.listenerCount('exit')).toBe(listeners);
    }
    written();
    report(found(2));
    report(failed('late'));
    expect(process.listenerCount('exit')).toBe(listeners + 1);
    end();
    expect(process.listenerCount('exit')).toBeLessThanOrEqual(listeners);
    expect(written().match(/error: late/g)).toHaveLength(1);
  });
});
