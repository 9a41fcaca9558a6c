import type { DirectorySnapshot } from '../core/lifecycle.ts';
import { ownCommand } from '../host/own-command.ts';
import { showName } from '../name.ts';
import type { ProbeResult } from '../transport.ts';

const MOST_NAMED = 5;

/** Finished directories that were changed since: what came late is not sent. Undefined where there is none. */
export const lateLine = (directories: readonly DirectorySnapshot[]): ProbeResult | undefined => {
  const late = directories.filter((one) => one.late === true).map(({ name }) => name);
  if (late.length === 0) return undefined;
  const named = late.slice(0, MOST_NAMED).map(showName).join(', ');
  const more = late.length > MOST_NAMED ? ` and ${late.length - MOST_NAMED} more` : '';
  return {
    what: 'late files',
    state: 'warning',
    message: `changed after finished.watch was written, and not sent since: ${named}${more}`,
    hint: `to send what came late: ${ownCommand('reset', ...late.slice(0, MOST_NAMED))}`,
  };
};
