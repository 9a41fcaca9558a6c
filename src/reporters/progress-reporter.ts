import { MultiBar, Presets, type SingleBar } from 'cli-progress';
import { formatBytes } from '../units.ts';
import type { Reporter } from './reporter.ts';

export interface ProgressReporterOptions {
  /** A terminal. */
  readonly stream: NodeJS.WriteStream;
  /** Makes the reporter for the lines above the bar. */
  readonly openText: (write: (text: string) => void) => Reporter;
}

/** A bar for who looks on: files and bytes done of what was found so far. It appears with the first file that is found. */
export const createProgressReporter = ({ stream, openText }: ProgressReporterOptions): Reporter => {
  const bars = new MultiBar(
    {
      stream,
      clearOnComplete: true,
      hideCursor: true,
      format: '{bar} {value}/{total} files, {done} of {all}',
      gracefulExit: false,
    },
    Presets.shades_classic,
  );
  let bar: SingleBar | undefined;
  let found = { files: 0, bytes: 0 };
  let done = { files: 0, bytes: 0 };
  // Through the bar where there is one: a line of its own must not tear it.
  const text = openText((line) => {
    if (bar === undefined) stream.write(line);
    else bars.log(line);
  });
  const redraw = (): void => {
    bar ??= bars.create(found.files, 0);
    bar.setTotal(found.files);
    bar.update(done.files, { done: formatBytes(done.bytes), all: formatBytes(found.bytes) });
  };
  const stop = (): void => {
    bars.stop();
    bar = undefined;
  };
  return {
    report: (event) => {
      if (event.type === 'found') found = { files: found.files + event.files, bytes: found.bytes + event.bytes };
      if (event.type === 'sent') done = { files: done.files + 1, bytes: done.bytes + event.bytes };
      if (event.type === 'found' || event.type === 'sent') redraw();
      if (event.type === 'summary') stop();
      text.report(event);
    },
    end: () => {
      stop();
      text.end();
    },
  };
};
