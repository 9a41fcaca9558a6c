import { execa } from 'execa';
import { CHILD_OPTIONS } from '../host/child-options.ts';
import type { RecordTerminator } from './inotify-records.ts';

/** What the `inotifywait` of this host can do, found by running it: distributions differ. */
export interface InotifywaitProgram {
  readonly version: string;
  readonly recordTerminator: RecordTerminator;
  /** `setpriv --pdeathsig` is there: the kernel ends the program whenever this process dies. */
  readonly diesWithParent: boolean;
}

/** undefined where it is not installed. */
export const findInotifywait = async (): Promise<InotifywaitProgram | undefined> => {
  const [guard, ...rest] = DIES_WITH_PARENT;
  return (await tryHelp(guard, [...rest, PROGRAM], true)) ?? (await tryHelp(PROGRAM, [], false));
};

const PROGRAM = 'inotifywait';
const DIES_WITH_PARENT = ['setpriv', '--pdeathsig', 'TERM', '--'] as const;

const tryHelp = async (
  file: string,
  before: readonly string[],
  diesWithParent: boolean,
): Promise<InotifywaitProgram | undefined> => {
  // Old versions exit with 1 after --help.
  const { all } = await execa(file, [...before, '--help'], { ...OPTIONS, all: true, timeout: 10_000 });
  const version = /^inotifywait (\S+)/m.exec(all)?.[1];
  if (version === undefined) return undefined;
  return { version, recordTerminator: all.includes('--no-newline') ? '\0' : '\n', diesWithParent };
};

const OPTIONS = { ...CHILD_OPTIONS, reject: false, stdin: 'ignore', env: { LC_ALL: 'C' } } as const;

/**
 * Overflow is reported only on request; `-q` would hide that the watch is established; `-r` loses files written right after
 * a `mkdir`. Only the `_self` events report that the folder is gone.
 */
const EVENTS = ['close_write', 'moved_to', 'create', 'delete_self', 'move_self', 'unmount', 'q_overflow'];

export const inotifywaitArguments = (folder: string, recordTerminator: RecordTerminator): string[] => [
  '-m',
  ...(recordTerminator === '\0' ? ['--no-newline', '--format', '%e\t%f%0'] : ['--format', '%e\t%f']),
  ...EVENTS.flatMap((event) => ['-e', event]),
  '--',
  folder,
];

/** Starts watching a folder. `folder` must be well-formed UTF-8. */
export const spawnInotifywait = (folder: string, { recordTerminator, diesWithParent }: InotifywaitProgram) => {
  const [file = '', ...rest] = [...(diesWithParent ? DIES_WITH_PARENT : []), PROGRAM];
  return execa(file, [...rest, ...inotifywaitArguments(folder, recordTerminator)], {
    ...OPTIONS,
    stdout: 'pipe',
    stderr: 'pipe',
    buffer: false,
    encoding: 'buffer',
  });
};

export type InotifywaitProcess = ReturnType<typeof spawnInotifywait>;
