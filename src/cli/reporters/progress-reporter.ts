import { formatBytes } from '../../core/units.ts';
import type { Reporter } from './reporter.ts';
import { TerminalLine, type Terminal } from './terminal-line.ts';

export interface ProgressReporterOptions {
  readonly terminal: Terminal;
  /** Creates the reporter for the lines above the progress line. */
  readonly openText: (write: (text: string) => void) => Reporter;
}

export interface Progress {
  doneFiles: number;
  doneBytes: number;
  foundFiles: number;
  foundBytes: number;
}

const MAX_BAR = 40;
/** A shorter bar shows nothing. */
const MIN_BAR = 5;

/** "[####----] 1/2 files, 1 KB of 2 KB", without the bar where so many columns have no room for one. Pure. */
export const progressLine = ({ doneFiles, doneBytes, foundFiles, foundBytes }: Progress, columns: number): string => {
  // Nobody announces the files that are named to `send`.
  const [allFiles, allBytes] = [Math.max(foundFiles, doneFiles), Math.max(foundBytes, doneBytes)];
  const text = `${doneFiles}/${allFiles} files, ${formatBytes(doneBytes)} of ${formatBytes(allBytes)}`;
  const bar = Math.min(MAX_BAR, columns - text.length - '[] '.length);
  if (bar < MIN_BAR) return text;
  const filled = allFiles === 0 ? 0 : Math.floor((bar * doneFiles) / allFiles);
  return `[${'#'.repeat(filled)}${'-'.repeat(bar - filled)}] ${text}`;
};

/** Text as usual, and below it a line that shows files and bytes done of those found. It appears with the first file that is found. */
export const createProgressReporter = ({ terminal, openText }: ProgressReporterOptions): Reporter => {
  const progress: Progress = { doneFiles: 0, doneBytes: 0, foundFiles: 0, foundBytes: 0 };
  const line = new TerminalLine(terminal, (columns) => progressLine(progress, columns));
  const text = openText((printed) => line.print(printed));
  return {
    report: (event) => {
      if (event.type === 'found') {
        progress.foundFiles += event.files;
        progress.foundBytes += event.bytes;
      }
      const isDone = event.type === 'sent' || event.type === 'restored';
      if (isDone) {
        progress.doneFiles += 1;
        progress.doneBytes += event.bytes;
      }
      if ((event.type === 'found' || isDone) && progress.foundFiles + progress.doneFiles > 0) line.update();
      if (event.type === 'summary') line.close();
      text.report(event);
    },
    end: () => {
      line.close();
      text.end();
    },
  };
};
