import { execa } from 'execa';
import type { RecordEnd } from './inotify-records.ts';

/** What the `inotifywait` of this host can do: judged by trying it, since distributions differ. */
export interface InotifywaitProgram {
  readonly version: string;
  readonly recordEnd: RecordEnd;
  /** `setpriv` can have the kernel end it when we die, however that happens. */
  readonly diesWithUs: boolean;
}

/** undefined where it is not installed. */
export const findInotifywait = async (): Promise<InotifywaitProgram | undefined> => {
  const [guard, ...rest] = DIES_WITH_US;
  return (await tryHelp(guard, [...rest, PROGRAM], true)) ?? (await tryHelp(PROGRAM, [], false));
};

const PROGRAM = 'inotifywait';
const DIES_WITH_US = ['setpriv', '--pdeathsig', 'TERM', '--'] as const;

const tryHelp = async (
  file: string,
  before: readonly string[],
  diesWithUs: boolean,
): Promise<InotifywaitProgram | undefined> => {
  // Old ones end with 1 after their help.
  const { all } = await execa(file, [...before, '--help'], { ...OPTIONS, all: true, timeout: 10_000 });
  const version = /^inotifywait (\S+)/m.exec(all)?.[1];
  if (version === undefined) return undefined;
  return { version, recordEnd: all.includes('--no-newline') ? '\0' : '\n', diesWithUs };
};

const OPTIONS = { reject: false, stdin: 'ignore', env: { LC_ALL: 'C' } } as const;

/**
 * Overflow is told only where it is asked for; `-q` would hide that the watch stands; `-r` loses what is written right after
 * a `mkdir`. A folder that goes is told by the `_self` events alone.
 */
const EVENTS = ['close_write', 'moved_to', 'create', 'delete_self', 'move_self', 'unmount', 'q_overflow'];

export const inotifywaitArguments = (folder: string, recordEnd: RecordEnd): string[] => [
  '-m',
  ...(recordEnd === '\0' ? ['--no-newline', '--format', '%e\t%f%0'] : ['--format', '%e\t%f']),
  ...EVENTS.flatMap((event) => ['-e', event]),
  '--',
  folder,
];

/** Starts to watch a folder, named as the program can take it. */
export const spawnInotifywait = (folder: string, { recordEnd, diesWithUs }: InotifywaitProgram) => {
  const [file = '', ...rest] = [...(diesWithUs ? DIES_WITH_US : []), PROGRAM];
  return execa(file, [...rest, ...inotifywaitArguments(folder, recordEnd)], {
    ...OPTIONS,
    stdout: 'pipe',
    stderr: 'pipe',
    buffer: false,
    encoding: 'buffer',
  });
};

export type InotifywaitProcess = ReturnType<typeof spawnInotifywait>;
