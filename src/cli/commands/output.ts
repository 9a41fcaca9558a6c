import type { Report } from '../../core/events.ts';
import type { CommonOptions } from '../options.ts';
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
    return createJsonReporter({ write: (text) => process.stdout.write(text) });
  }
  const { createTextReporter } = await import('../reporters/text-reporter.ts');
  const openText = (write: (text: string) => void): Reporter => createTextReporter({ verbose, quiet, write });
  if (!bar || quiet || !canRedraw(process.stderr, process.env.TERM))
    return openText((text) => process.stderr.write(text));
  const { createProgressReporter } = await import('../reporters/progress-reporter.ts');
  return createProgressReporter({ terminal: process.stderr, openText });
};
