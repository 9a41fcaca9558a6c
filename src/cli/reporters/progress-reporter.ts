import { Progress, progressLine } from './progress.ts';
import type { Reporter } from './reporter.ts';
import { TerminalLine, type Terminal } from './terminal-line.ts';

export interface ProgressReporterOptions {
  readonly terminal: Terminal;
  /** Creates the reporter for the lines above the progress line. */
  readonly openText: (write: (text: string) => void) => Reporter;
  /** Bytes so far of files that are under way. Asked when the line is drawn. */
  readonly partialBytes?: () => number;
  readonly isEndless?: boolean;
}

/** The line moves though no file is done. */
const REDRAW_EVERY_MS = 500;

/** Text as usual, and below it a line that shows what is done of what was found. It appears with the first file that is found. */
export const createProgressReporter = (options: ProgressReporterOptions): Reporter => {
  const { terminal, openText, partialBytes = () => 0, isEndless = false } = options;
  const progress = new Progress(isEndless);
  const line = new TerminalLine(
    terminal,
    (columns) => progressLine(progress.state(partialBytes(), performance.now()), columns),
    REDRAW_EVERY_MS,
  );
  const text = openText((printed) => line.print(printed));
  return {
    report: (event) => {
      if (progress.note(event)) line.update();
      if (event.type === 'summary' || event.type === 'stopped') line.close();
      text.report(event);
    },
    beside: (write) => line.beside(write),
    end: () => {
      line.close();
      text.end();
    },
  };
};
