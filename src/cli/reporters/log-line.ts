import { styleText } from 'node:util';
import type { IsocketEvent } from '../../core/events.ts';
import { showMessage } from '../../name.ts';
import type { Severity } from './description.ts';

export const LOG_LEVELS = ['error', 'warning', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What a line of the log looks like. */
export interface LogStyle {
  readonly format: 'text' | 'json';
  /** systemd's journal reads it: it has a clock of its own, and takes the level as "<3>". */
  readonly journal: boolean;
  /** On a terminal that shows colours. */
  readonly colour?: boolean;
}

export interface LogEntry {
  readonly level: LogLevel;
  readonly text: string;
  readonly event?: IsocketEvent;
  /** So many more of its kind were not printed. */
  readonly more?: number;
}

const LEVELS: Readonly<Record<Severity, LogLevel>> = {
  failure: 'error',
  warning: 'warning',
  result: 'info',
  detail: 'debug',
};

export const levelOf = (severity: Severity): LogLevel => LEVELS[severity];

/** Does a log of this level have lines of that one? */
export const isLogged = (line: LogLevel, log: LogLevel): boolean => LOG_LEVELS.indexOf(line) <= LOG_LEVELS.indexOf(log);

/** As sd-daemon(3) and syslog(3) have them. */
const PRIORITIES: Readonly<Record<LogLevel, number>> = { error: 3, warning: 4, info: 6, debug: 7 };

/** One line of the log. Pure. */
export const logLine = (entry: LogEntry, { format, journal, colour = false }: LogStyle, now: Date): string => {
  const time = now.toISOString();
  const priority = journal ? `<${PRIORITIES[entry.level]}>` : '';
  if (format === 'json') return `${priority}${JSON.stringify(logObject(entry, journal ? {} : { time }))}\n`;
  const more = entry.more === undefined ? '' : `and ${entry.more.toLocaleString('en')} more like it; the last: `;
  const level = colour ? coloured(entry.level) : entry.level;
  return `${priority || `${time} `}${level}: ${showMessage(more + entry.text)}\n`;
};

const COLOURS = { error: 'red', warning: 'yellow' } as const;

const coloured = (level: LogLevel): string =>
  level === 'error' || level === 'warning' ? styleText(COLOURS[level], level, { validateStream: false }) : level;

const logObject = ({ level, text, event, more }: LogEntry, time: { readonly time?: string }): object => ({
  ...time,
  level,
  message: text,
  ...(more === undefined ? {} : { more }),
  // Its own message and level are parts of ours.
  ...(event === undefined ? {} : { ...event, level, message: text }),
});

/** Text that may be of several lines, each with its level: for what is printed without the log. */
export const withPriority = (text: string, level: LogLevel, journal: boolean): string =>
  journal ? text.replaceAll(/^(?=.)/gm, `<${PRIORITIES[level]}>`) : text;
