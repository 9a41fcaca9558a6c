import type { IsocketEvent } from '../../core/events.ts';
import { showName } from '../../name.ts';
import { describe } from './describe.ts';
import type { Severity } from './description.ts';
import { Folding, type Folded } from './folding.ts';
import { isLogged, levelOf, logLine, type LogEntry, type LogLevel, type LogStyle } from './log-line.ts';
import type { Reporter } from './reporter.ts';

export interface LogSettings extends LogStyle {
  readonly level: LogLevel;
}

export interface LogReporterOptions {
  /** Asked for each event: the configuration, which may say so, is read after the first ones. */
  readonly settings: () => LogSettings;
  /** Takes whole lines. */
  readonly write: (text: string) => void;
}

/** One line for each event that is printed: time, level, sentence. Failures of one kind are folded, unless everything is printed. */
export const createLogReporter = ({ settings, write }: LogReporterOptions): Reporter => {
  const folding = new Folding<LogEntry>();
  let timer: NodeJS.Timeout | undefined;
  const print = (entry: LogEntry): void => write(logLine(entry, settings(), new Date()));
  const printFolded = (all: readonly Folded<LogEntry>[]): void => {
    for (const { last, count } of all) print(count === 1 ? last : { ...last, more: count });
  };
  const schedule = (): void => {
    clearTimeout(timer);
    const { nextMs } = folding;
    if (nextMs === undefined) return;
    timer = setTimeout(tellDue, Math.max(0, nextMs - performance.now())).unref();
  };
  const tellDue = (): void => {
    printFolded(folding.due(performance.now()));
    schedule();
  };
  const end = (): void => {
    clearTimeout(timer);
    printFolded(folding.end());
  };
  const report = (event: IsocketEvent): void => {
    const { level: limit } = settings();
    // One event a file: skips describing what is not printed.
    if ((event.type === 'sent' || (event.type === 'restored' && !event.dryRun)) && limit !== 'debug') return;
    const described = describe(event);
    if (event.type === 'summary' || event.type === 'stopped') end();
    if (described === undefined) return;
    const { severity, text } = described;
    const level = levelOf(severity);
    if (!isLogged(level, limit)) return;
    const entry = { level, text, event };
    const isFolded = limit !== 'debug' && (severity === 'failure' || severity === 'warning');
    if (!isFolded || folding.take(kindOf(event, severity, text), entry, performance.now())) print(entry);
    else if (timer === undefined || folding.nextMs === -Infinity) schedule();
  };
  return { report, end };
};

/** Events with the same are of one kind: of failures the names and numbers do not count. Pure. */
const kindOf = (event: IsocketEvent, severity: Severity, text: string): string => {
  if (severity !== 'failure') return text;
  const names = ['path' in event ? event.path : '', 'directory' in event ? event.directory : ''].filter(
    (name) => name !== '',
  );
  const unnamed = names.reduce((rest, name) => rest.replaceAll(showName(name), '*'), text);
  return `${event.type} ${unnamed.replaceAll(/"[^"]*"/g, '"*"').replaceAll(/\d+/g, '#')}`;
};
