import { showName } from '../../name.ts';
import { describe, type Severity } from './describe.ts';
import type { Reporter } from './reporter.ts';

export interface TextReporterOptions {
  readonly verbose: boolean;
  readonly quiet: boolean;
  /** Takes whole lines. */
  readonly write: (text: string) => void;
}

/** Failures of files are printed up to this many, and counted after that. */
const MAX_FAILURES = 10;

const LEVELS: Readonly<Record<Severity, string>> = {
  failure: 'error',
  warning: 'warning',
  result: 'info',
  detail: 'debug',
};

/** One line for each event that is printed: time, level, sentence. */
export const createTextReporter = ({ verbose, quiet, write }: TextReporterOptions): Reporter => {
  let failures = 0;
  const log = (severity: Severity, text: string): void => {
    if (quiet ? severity !== 'failure' : severity === 'detail' && !verbose) return;
    write(`${new Date().toISOString()} ${LEVELS[severity]}: ${toOneLine(text)}\n`);
  };
  return {
    report: (event) => {
      // One event a file: skips describing what is not printed.
      if ((event.type === 'sent' || (event.type === 'restored' && !event.dryRun)) && !verbose) return;
      if (event.type === 'failed' && !verbose && (failures += 1) > MAX_FAILURES) return;
      const described = describe(event);
      if (described !== undefined) log(described.severity, described.text);
    },
    end: () => {
      if (verbose || failures <= MAX_FAILURES) return;
      log('failure', `${failures - MAX_FAILURES} more files failed (--verbose names them all)`);
    },
  };
};

/** Escapes what would begin a line or move the cursor: messages hold a server's text. Names are escaped already, so a backslash stays. */
const toOneLine = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, showName);
