import { THROUGH_MASTER_HOST, throughMasterArguments } from '../../ssh/program/ssh-arguments.ts';
import type { Capabilities, OptionalOption } from './capabilities.ts';

/** What every run needs: where from, where to, through which connection. */
export interface RunTarget {
  /** The master's socket; a path without spaces. */
  readonly socket: string;
  /** The staging tree's path. */
  readonly tree: string;
  /** destination.path */
  readonly path: string;
  readonly capabilities: Capabilities;
}

export interface SendRun extends RunTarget {
  readonly durable: boolean;
  /** Bytes a second; null: no limit. */
  readonly bandwidth: number | null;
  /** At most 10 to 50 files in flight: see lockstep.ts. */
  readonly lockstep: boolean;
  /** Where partial files are kept, in each file's folder; undefined: they are not kept. */
  readonly partialFolder: string | undefined;
}

// A run fails after this long without a byte. Both ends send keep-alives, so slow work does not reach it, nor a run that stands still:
// see progress.ts.
export const TIMEOUT_S = 120;

/**
 * Arguments of a run that sends the listed files. `-I`: an unsent file is sent whatever size and time the destination has. Never
 * `--inplace`, `--append` or a bare `--partial`: they write under the final name. Never `-W`: it prevents resuming.
 * `--remove-source-files` removes the staging tree's links only.
 */
export const sendArguments = (run: SendRun): string[] => [
  '-tLI',
  ...optional(run, 'perms', '-p', '--chmod=Fg-w,Fug-s,F-t'),
  ...['--no-o', '--no-g'],
  ...LIST_ARGUMENTS,
  '--out-format=%i|%n',
  ...OUTPUT,
  ...(run.durable ? optional(run, 'fsync', '--fsync') : []),
  ...(run.lockstep ? optional(run, 'remove-source-files', '--remove-source-files') : []),
  ...optional(run, 'mkpath', '--mkpath'),
  ...(run.partialFolder === undefined ? [] : optional(run, 'partial-dir', ...partialArguments(run, run.partialFolder))),
  ...(run.bandwidth === null ? [] : [`--bwlimit=${Math.max(1, Math.round(run.bandwidth / 1024))}`]),
  `--timeout=${TIMEOUT_S}`,
  ...targetArguments(run),
];

/**
 * From 3.2.0 a receiver continues in the partial file itself. It must build a new file from it instead: another receiver, which learns
 * hours later that its connection was lost, would move its own incomplete file to that name, and it would be renamed as complete.
 * rsync has no option for this, but a receiver reads the sender's capabilities as letters: these are a sender's without the `I`
 * (in-place partial files), and without those that matter only to links and owners.
 */
const partialArguments = ({ capabilities }: RunTarget, folder: string): string[] => [
  `--partial-dir=${folder}`,
  ...(capabilities.resumesInPlace ? ['--remote-option=-e.fxCv'] : []),
];

/**
 * `content`, `listed`: the files in the list, by content, or by size and time. `walked`: every file of the staging tree, by size and
 * time, without a list: rsync reads a list byte by byte, which takes longer than the comparison. The receiver follows no link to a
 * folder then. `--no-inc-recursive` sends all folders at once: one after the other costs a round trip each.
 */
export type Comparing = 'content' | 'listed' | 'walked';

/** Arguments of a dry run that prints for each file what a send would change. */
export const compareArguments = (run: RunTarget, how: Comparing): string[] => [
  '-tn',
  ...['--no-p', '--no-o', '--no-g'],
  ...(how === 'content' ? ['-c'] : []),
  ...['-ii', '--out-format=%i|%n'],
  ...(how === 'walked' ? ['-r', '--no-inc-recursive'] : ['-L', ...LIST_ARGUMENTS]),
  ...OUTPUT,
  ...optional(run, 'mkpath', '--mkpath'),
  // Reading big files at both ends is silent for longer than the timeout.
  ...(how === 'content' ? [] : [`--timeout=${TIMEOUT_S}`]),
  ...targetArguments(run),
];

/**
 * Arguments of a run that removes the files and folders that fit these patterns, in those folders of the staging tree that exist at the
 * destination; nothing else.
 */
export const tidyArguments = (run: RunTarget, ...patterns: readonly string[]): string[] => [
  '-r',
  ...['--existing', '--ignore-existing', '--delete'],
  ...patterns.flatMap((pattern) => [`--filter=R ${pattern}`, `--filter=R ${pattern}/**`]),
  '--filter=P *',
  `--timeout=${TIMEOUT_S}`,
  ...targetArguments(run),
];

/**
 * Arguments of a run that removes these folders below the destination, each below the one before, where there is nothing else in them;
 * nothing else.
 */
export const removeFoldersArguments = (run: RunTarget, names: readonly string[]): string[] => [
  '-r',
  ...['--existing', '--ignore-existing', '--delete'],
  ...names.map((_, index) => `--filter=R ${asPattern(`/${names.slice(0, index + 1).join('/')}/`)}`),
  '--filter=P *',
  `--timeout=${TIMEOUT_S}`,
  ...targetArguments(run),
];

/** In a pattern without a wildcard a backslash is one. */
const asPattern = (path: string): string => (/[*?[]/.test(path) ? path.replace(/[*?[\\]/g, '\\$&') : path);

// Names are NUL-separated on stdin: nothing in them is read as an option, a line end or a pattern.
export const LIST_ARGUMENTS = ['--from0', '--files-from=-', '--no-implied-dirs'];

// `--debug=proto` (3.1.0): a line once the far end has answered. It is not passed on to it.
export const OUTPUT = ['--outbuf=L', '-8', '--debug=proto'];

export const optional = (
  { capabilities }: RunTarget,
  option: OptionalOption,
  ...args: readonly string[]
): readonly string[] => (capabilities.optional.has(option) ? args : []);

const targetArguments = (run: RunTarget): string[] => {
  const [remoteShell, remote] = [remoteArguments(run).slice(0, -1), remoteArguments(run).slice(-1)];
  return [...remoteShell, `${run.tree}/`, ...remote];
};

/** How to get there, and destination.path, the last one. */
export const remoteArguments = ({ socket, path, capabilities: { escapesPaths } }: RunTarget): string[] => {
  const target = `${path}/`;
  return [
    '-e',
    ['ssh', ...throughMasterArguments(socket)].join(' '),
    '--',
    `${THROUGH_MASTER_HOST}:${escapesPaths ? target : escapeForShell(target)}`,
  ];
};

/** rsync before 3.2.4 passes the path to the remote shell unescaped. */
const escapeForShell = (path: string): string => path.replace(/[^\w./@%+=:,\u0080-\uffff-]/g, '\\$&');
