import type { Report } from '../../core/events.ts';
import { counted } from '../../core/units.ts';
import type { CommonOptions } from '../options.ts';
import { LogSink } from '../log-sink.ts';
import { noteUnprinted } from '../unprinted.ts';
import type { Reporter } from '../reporters/reporter.ts';
import { canRedraw } from '../reporters/terminal-line.ts';

/** Where a command's events go, as its options say. */
export interface Output extends Disposable {
  readonly report: Report;
}

/** `--json`: every event on stdout. Else text on stderr, with a progress line where stderr is a terminal. */
export const openOutput = async (options: CommonOptions, { bar = true } = {}): Promise<Output> => {
  const { report, end } = await openReporter(options, bar);
  return { report, [Symbol.dispose]: end };
};

const openReporter = async (
  { json = false, verbose = false, quiet = false }: CommonOptions,
  bar: boolean,
): Promise<Reporter> => {
  if (json) {
    const { createJsonReporter } = await import('../reporters/json-reporter.ts');
    const sink = new LogSink({
      stream: process.stdout,
      describeLoss: (lines, reason) =>
        `${JSON.stringify({ type: 'note', level: 'warning', message: lossMessage(lines, reason) })}\n`,
      onLoss: noteUnprinted,
    });
    return endingWith(sink, createJsonReporter({ write: (text) => sink.write(text) }));
  }
  const { createTextReporter } = await import('../reporters/text-reporter.ts');
  const openText = (write: (text: string) => void): Reporter => createTextReporter({ verbose, quiet, write });
  if (!bar || quiet || !canRedraw(process.stderr, process.env.TERM)) {
    const sink = new LogSink({
      stream: process.stderr,
      describeLoss: (lines, reason) => `${new Date().toISOString()} warning: ${lossMessage(lines, reason)}\n`,
    });
    return endingWith(
      sink,
      openText((text) => sink.write(text)),
    );
  }
  const { createProgressReporter } = await import('../reporters/progress-reporter.ts');
  return createProgressReporter({ terminal: process.stderr, openText });
};

const lossMessage = (lines: number, reason: string): string =>
  `${counted(lines, 'line')} of this log could not be written and ${lines === 1 ? 'is' : 'are'} lost: ${reason}`;

const endingWith = (sink: LogSink, reporter: Reporter): Reporter => ({
  report: reporter.report,
  end: () => {
    reporter.end();
    sink.end();
  },
});
