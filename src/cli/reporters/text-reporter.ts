import { configureSync, getLogger, getTextFormatter, resetSync, type LogRecord } from '@logtape/logtape';
import { showName } from '../../name.ts';
import { describe, type Severity } from './describe.ts';
import type { Reporter } from './reporter.ts';

export interface TextReporterOptions {
  readonly verbose: boolean;
  readonly quiet: boolean;
  readonly write: (text: string) => void;
}

/** The same trouble ten thousand times is told this often, and then counted. */
const TOLD_OF_A_KIND = 10;

/** One line for each event that is worth one, on stderr: time, level, words. */
export const createTextReporter = ({ verbose, quiet, write }: TextReporterOptions): Reporter => {
  const format = getTextFormatter({
    timestamp: 'rfc3339',
    level: 'FULL',
    category: () => 'isocket',
    // As it is: the default writes a string as source code, in quotes and with every backslash doubled.
    value: String,
    format: ({ timestamp, level, message }) => `${timestamp ?? ''} ${level.toLowerCase()}: ${message}`,
  });
  configureSync({
    reset: true,
    sinks: { stderr: (record: LogRecord) => write(format(record)) },
    loggers: [
      { category: 'isocket', sinks: ['stderr'], lowestLevel: quiet ? 'error' : verbose ? 'debug' : 'info' },
      { category: ['logtape', 'meta'], lowestLevel: 'fatal', sinks: [] },
    ],
  });
  const logger = getLogger('isocket');
  let failures = 0;
  const log = (severity: Severity, text: string): void => {
    // As a value, so that braces in a file's name are no placeholders.
    const message = { text: toOneLine(text) };
    if (severity === 'failure') logger.error('{text}', message);
    else if (severity === 'warning') logger.warn('{text}', message);
    else if (severity === 'result') logger.info('{text}', message);
    else logger.debug('{text}', message);
  };
  return {
    report: (event) => {
      // One a file: not worth the words where nobody reads them.
      if (event.type === 'sent' && !verbose) return;
      if (event.type === 'failed' && !verbose && (failures += 1) > TOLD_OF_A_KIND) return;
      const described = describe(event);
      if (described !== undefined) log(described.severity, described.text);
    },
    end: () => {
      if (!verbose && failures > TOLD_OF_A_KIND) {
        log('failure', `${failures - TOLD_OF_A_KIND} more files failed (--verbose names them all)`);
      }
      resetSync();
    },
  };
};

/** A server's words are in some messages: they must neither begin a line nor move the cursor. Names are escaped already, so a backslash stays. */
const toOneLine = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, showName);
