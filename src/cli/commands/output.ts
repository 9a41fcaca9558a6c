import type { LogConfig } from '../../config/config.ts';
import type { Report } from '../../core/events.ts';
import { counted } from '../../core/units.ts';
import { plainMessage } from '../../errors.ts';
import { ownUserName } from '../../host/home.ts';
import { isJournal } from '../log/journal.ts';
import { LogFile } from '../log/log-file.ts';
import { LogSink, streamOutput, type LogOutput } from '../log/log-sink.ts';
import type { CommonOptions } from '../options.ts';
import { logLine } from '../reporters/log-line.ts';
import { createLogReporter, type LogSettings } from '../reporters/log-reporter.ts';
import type { ProgressReporterOptions } from '../reporters/progress-reporter.ts';
import type { Reporter } from '../reporters/reporter.ts';
import { canRedraw, showsColours } from '../reporters/terminal-line.ts';
import { wrapFor } from '../reporters/wrap-lines.ts';
import { noteUnprinted } from '../unprinted.ts';

/** Where a command's events go, as its options say. */
export interface Output extends Disposable {
  readonly report: Report;
  /** From here on as the configuration says. */
  useLog(log: LogConfig): void;
  /** Writes a result to stdout: the line of progress, which may be on the same terminal, is not in its way. */
  readonly print: (text: string) => void;
  /** For the line of progress: bytes so far of files that are under way. */
  readonly follow: (partialBytes: () => number) => void;
  /** A log file that was moved away is left. */
  reopenLog(): void;
}

/** `--json`: every event on stdout. Else lines on stderr, with a progress line where stderr is a terminal. */
export const openOutput = async (options: CommonOptions, { isEndless = false } = {}): Promise<Output> => {
  const settings = consoleSettings(options);
  let followed = (): number => 0;
  const screen = await openScreen(options, settings, { isEndless, partialBytes: () => followed() });
  let file: FileLog | undefined;
  return {
    report: (event) => {
      screen.report(event);
      file?.reporter.report(event);
    },
    useLog: (log) => {
      const isNamed = options.quiet === true || options.verbose === true;
      Object.assign(settings, { format: log.format, ...(isNamed ? {} : { level: log.level }) });
      file ??= openFileLog(log, (message) => screen.report({ type: 'note', level: 'warning', message }));
    },
    print: (text) => {
      const shown = options.json === true ? text : wrapFor(process.stdout, text);
      const write = (): void => void process.stdout.write(shown);
      if (screen.beside === undefined) write();
      else screen.beside(write);
    },
    follow: (partialBytes) => {
      followed = partialBytes;
    },
    reopenLog: () => file?.log.reopen(),
    [Symbol.dispose]: () => {
      file?.reporter.end();
      file?.log.close();
      screen.end();
    },
  };
};

/** For `openSite`. */
export const useLog =
  (output: Output) =>
  ({ log }: { readonly log: LogConfig }): void =>
    output.useLog(log);

type MutableSettings = { -readonly [Key in keyof LogSettings]: LogSettings[Key] };

const consoleSettings = ({ verbose = false, quiet = false }: CommonOptions): MutableSettings => ({
  level: quiet ? 'error' : verbose ? 'debug' : 'info',
  format: 'text',
  journal: isJournal(process.stderr.fd, process.env.JOURNAL_STREAM),
  colour: showsColours(process.stderr, process.env),
});

const openScreen = async (
  { json = false, quiet = false }: CommonOptions,
  settings: LogSettings,
  how: Pick<ProgressReporterOptions, 'isEndless' | 'partialBytes'>,
): Promise<Reporter> => {
  if (json) {
    const { createJsonReporter } = await import('../reporters/json-reporter.ts');
    const sink = new LogSink({
      output: streamOutput(process.stdout),
      describeLoss: (lines, reason) =>
        `${JSON.stringify({ type: 'note', level: 'warning', message: lossMessage(lines, reason) })}\n`,
      onLoss: noteUnprinted,
    });
    return endingWith(sink, createJsonReporter({ write: (text) => sink.write(text) }));
  }
  if (quiet || !canRedraw(process.stderr, process.env.TERM))
    return openLog(wrapped(streamOutput(process.stderr)), () => settings);
  const { createProgressReporter } = await import('../reporters/progress-reporter.ts');
  return createProgressReporter({
    ...how,
    terminal: process.stderr,
    openText: (write) => createLogReporter({ settings: () => settings, write }),
  });
};

const wrapped = (output: LogOutput): LogOutput => ({ print: (text) => output.print(wrapFor(process.stderr, text)) });

const openLog = (
  output: LogOutput,
  settings: () => LogSettings,
  onLoss: (error: unknown, lost: number) => void = () => undefined,
): Reporter => {
  const describeLoss = (lines: number, reason: string): string =>
    logLine({ level: 'warning', text: lossMessage(lines, reason) }, settings(), new Date());
  const sink = new LogSink({ output, describeLoss, onLoss });
  return endingWith(sink, createLogReporter({ settings, write: (text) => sink.write(text) }));
};

interface FileLog {
  readonly log: LogFile;
  readonly reporter: Reporter;
}

/** @param warn is called when it cannot be written: once, until it can be again */
const openFileLog = ({ file, level, format }: LogConfig, warn: (message: string) => void): FileLog | undefined => {
  if (file === null) return undefined;
  const log = new LogFile(file);
  const cure = `let ${ownUserName() ?? 'the user that runs isocket'} write it, free its disk, or correct log.file`;
  const reporter = openLog(
    log,
    () => ({ level, format, journal: false }),
    (error, lost) => {
      if (lost === 1) warn(`Cannot write the log "${file}": ${plainMessage(error)}; ${cure}. All else goes on`);
    },
  );
  return { log, reporter };
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
