import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Report } from '../core/events.ts';
import type { DirectorySnapshot } from '../core/lifecycle.ts';
import { counted } from '../core/units.ts';
import { systemErrorCode } from '../errors.ts';
import { ownCommand } from '../host/own-command.ts';
import { showName, type Name } from '../name.ts';

/** Directories named one by one in a pass; the rest are counted. */
const MOST_NAMED = 10;

/**
 * Reports finished directories that were changed since, each state of each once: under cron a warning must not come back every minute. What was
 * reported is kept in the state folder, and read only where there is such a directory.
 */
export class LateDirectories {
  readonly #file: string;
  readonly #report: Report;
  /** The mtime with which each was reported. */
  #reported: Map<Name, string> | undefined;
  #current: readonly Name[] = [];

  constructor(statePath: string, report: Report) {
    this.#file = join(statePath, 'late.json');
    this.#report = report;
  }

  /** As they were noted last. */
  get current(): readonly Name[] {
    return this.#current;
  }

  note(directories: readonly DirectorySnapshot[]): void {
    const late = directories.filter((one) => one.late === true);
    this.#current = late.map(({ name }) => name);
    if (late.length === 0) return;
    const before = (this.#reported ??= readReported(this.#file));
    const added = late.filter(({ name, mtimeNs }) => before.get(name) !== String(mtimeNs));
    if (added.length === 0) return;
    for (const directory of added.slice(0, MOST_NAMED)) this.#warn(lateWarning(directory));
    const more = added.length - MOST_NAMED;
    if (more > 0)
      this.#warn(
        `${counted(more, 'more directory was changed after it was', 'more directories were changed after they were')} finished: ${ownCommand('status')} names them`,
      );
    this.#reported = new Map(late.map(({ name, mtimeNs }) => [name, String(mtimeNs)]));
    writeReported(this.#file, this.#reported);
  }

  #warn(message: string): void {
    this.#report({ type: 'note', level: 'warning', message });
  }
}

const lateWarning = ({ name, finishedAs }: DirectorySnapshot): string => {
  const shown = showName(name);
  if (finishedAs !== undefined)
    return `${shown} was finished under the name ${showName(finishedAs)}: its files are at the destination under that name, and not sent under this one; to send it: ${ownCommand('reset', name)}`;
  return `${shown} was changed after it was finished: what came since is not sent; to send it: ${ownCommand('reset', name)}`;
};

const readReported = (file: string): Map<Name, string> => {
  try {
    return new Map(Object.entries(JSON.parse(readFileSync(file, 'utf8')) as Record<Name, string>));
  } catch (error) {
    if (error instanceof SyntaxError || systemErrorCode(error) !== undefined) return new Map();
    throw error;
  }
};

const writeReported = (file: string, reported: ReadonlyMap<Name, string>): void => {
  try {
    writeFileSync(`${file}.new`, JSON.stringify(Object.fromEntries(reported)), { mode: 0o600 });
    renameSync(`${file}.new`, file);
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error; // It is reported again: no reason to end a pass.
  }
};
