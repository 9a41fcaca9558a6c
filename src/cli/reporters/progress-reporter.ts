import { MultiBar, Presets, type SingleBar } from 'cli-progress';
import { formatBytes } from '../../core/units.ts';
import type { Reporter } from './reporter.ts';

export interface ProgressReporterOptions {
  /** A terminal. */
  readonly stream: NodeJS.WriteStream;
  /** Makes the reporter for the lines above the bar. */
  readonly openText: (write: (text: string) => void) => Reporter;
}

interface Amount {
  readonly files: number;
  readonly bytes: number;
}

/** A bar for who looks on: files and bytes done of what was found so far. It appears with the first file that is found. */
export const createProgressReporter = ({ stream, openText }: ProgressReporterOptions): Reporter => {
  let screen: Screen | undefined;
  let found: Amount = { files: 0, bytes: 0 };
  let done: Amount = { files: 0, bytes: 0 };
  // Through the bar where there is one: a line of its own must not tear it.
  const text = openText((line) => {
    if (screen === undefined) stream.write(line);
    else screen.log(line);
  });
  const stop = (): void => {
    process.off('exit', stop);
    screen?.close();
    screen = undefined;
  };
  const redraw = (): void => {
    if (found.files + done.files === 0) return;
    if (screen === undefined) {
      screen = openScreen(stream);
      // A second signal ends the process at once: the cursor comes back all the same.
      process.once('exit', stop);
    }
    // Of files that are named to `send` nobody says that they were found.
    screen.show(done, { files: Math.max(found.files, done.files), bytes: Math.max(found.bytes, done.bytes) });
  };
  return {
    report: (event) => {
      if (event.type === 'found') found = plus(found, event);
      if (event.type === 'sent') done = plus(done, { files: 1, bytes: event.bytes });
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

const plus = (a: Amount, b: Amount): Amount => ({ files: a.files + b.files, bytes: a.bytes + b.bytes });

/** The terminal while a bar is on it. */
interface Screen {
  readonly show: (done: Amount, all: Amount) => void;
  /** A line above the bar, with its newline. */
  readonly log: (line: string) => void;
  readonly close: () => void;
}

const openScreen = (stream: NodeJS.WriteStream): Screen => {
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
  bars.on('update-post', () => letProcessEnd(bars));
  return {
    show: (done, all) => {
      const words = { done: formatBytes(done.bytes), all: formatBytes(all.bytes) };
      if (bar === undefined) {
        bar = bars.create(all.files, done.files, words);
        letProcessEnd(bars);
      }
      bar.setTotal(all.files);
      bar.update(done.files, words);
    },
    log: (line) => bars.log(line),
    close: () => {
      // stop() forgets the lines that wait for the next redraw.
      bars.update();
      bars.stop();
    },
  };
};

/** Its timer, set anew with each redraw, is no reason to go on: cli-progress has no option for that. */
const letProcessEnd = (bars: MultiBar): void => {
  (Reflect.get(bars, 'timer') as NodeJS.Timeout | null | undefined)?.unref();
};
