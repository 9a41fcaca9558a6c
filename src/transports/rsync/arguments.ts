import { THROUGH_MASTER_HOST, throughMasterArguments } from '../../ssh/program/ssh-arguments.ts';
import type { Capabilities, OptionalOption } from './capabilities.ts';

/** Where a run goes. */
export interface RunPlace {
  /** The master's socket; a path without spaces. */
  readonly socket: string;
  /** The folder whose content is sent. */
  readonly farm: string;
  /** destination.path */
  readonly path: string;
  readonly capabilities: Capabilities;
}

export interface SendRun extends RunPlace {
  readonly durable: boolean;
  /** Bytes a second; null: no limit. */
  readonly bandwidth: number | null;
  /** No more than 10 to 50 files under way: see in-step.ts. */
  readonly inStep: boolean;
  /** Where what was cut off is kept; undefined: nowhere. */
  readonly partialFolder: string | undefined;
}

// Without a byte for so long a run is over. Both ends tell each other that they live, so this is no limit for slow work.
const TIMEOUT_S = 120;

/**
 * Sends. `-I`: what is unsent is sent, whatever size and time there say. Never `--inplace`, `--append` or a bare `--partial`: they
 * write under the final name. Never `-W`: it would keep rsync from resuming. What `--remove-source-files` removes are the farm's links.
 */
export const sendArguments = (run: SendRun): string[] => [
  '-tpLI',
  ...['--no-o', '--no-g', '--chmod=Fg-w'],
  ...listArguments,
  ...OUTPUT,
  ...(run.durable ? optional(run, 'fsync', '--fsync') : []),
  ...(run.inStep ? optional(run, 'remove-source-files', '--remove-source-files') : []),
  ...optional(run, 'mkpath', '--mkpath'),
  ...(run.partialFolder === undefined ? [] : optional(run, 'partial-dir', ...partialArguments(run, run.partialFolder))),
  ...(run.bandwidth === null ? [] : [`--bwlimit=${Math.max(1, Math.round(run.bandwidth / 1024))}`]),
  `--timeout=${TIMEOUT_S}`,
  ...placeArguments(run),
];

/**
 * The receiver may not go on in the file itself that was kept, but makes a new one of it: another receiver, whose line was lost
 * without its knowledge, gives its own half that name when it hears of it, hours later, and the half would be renamed as the whole.
 * rsync has no option for that. Receivers know what a sender can do by letters: these are ours without the `I`, and without those
 * that matter only to links and owners.
 */
const partialArguments = ({ capabilities }: RunPlace, folder: string): string[] => [
  `--partial-dir=${folder}`,
  ...(capabilities.resumesInPlace ? ['--remote-option=-e.fxCv'] : []),
];

/**
 * `content`, `listed`: of the files in the list, by content, or by size and time. `walked`: of all that the farm holds, by size and
 * time: rsync reads a list byte by byte, which takes longer than to compare. No link is followed there. All folders are told of at
 * once: one after the other takes a round trip each.
 */
export type Comparing = 'content' | 'listed' | 'walked';

/** Says of each file what a send would do to it, and does nothing. */
export const compareArguments = (run: RunPlace, how: Comparing): string[] => [
  '-tn',
  ...['--no-p', '--no-o', '--no-g'],
  ...(how === 'content' ? ['-c'] : []),
  ...['-ii', '--out-format=%i|%n'],
  ...(how === 'walked' ? ['-r', '--no-inc-recursive'] : ['-L', ...listArguments]),
  ...OUTPUT,
  ...optional(run, 'mkpath', '--mkpath'),
  // Reading big files at both ends is a long silence.
  ...(how === 'content' ? [] : [`--timeout=${TIMEOUT_S}`]),
  ...placeArguments(run),
];

/** Removes the folders of that name in the folders of the farm that are there too, and nothing else. */
export const tidyArguments = (run: RunPlace, partialFolder: string): string[] => [
  '-r',
  ...['--existing', '--ignore-existing', '--delete'],
  ...[`--filter=R ${partialFolder}`, `--filter=R ${partialFolder}/**`, '--filter=P *'],
  `--timeout=${TIMEOUT_S}`,
  ...placeArguments(run),
];

// Names come NUL-separated on stdin: nothing in them can become an option, a line or a pattern.
const listArguments = ['--from0', '--files-from=-', '--no-implied-dirs'];

const OUTPUT = ['--outbuf=L', '-8'];

const optional = ({ capabilities }: RunPlace, option: OptionalOption, ...args: readonly string[]): readonly string[] =>
  capabilities.optional.has(option) ? args : [];

const placeArguments = ({ socket, farm, path, capabilities: { escapesPaths } }: RunPlace): string[] => {
  const target = `${path}/`;
  return [
    '-e',
    ['ssh', ...throughMasterArguments(socket)].join(' '),
    '--',
    `${farm}/`,
    `${THROUGH_MASTER_HOST}:${escapesPaths ? target : escapeForShell(target)}`,
  ];
};

/** Before 3.2.4 the path goes through the remote shell as it is. */
const escapeForShell = (path: string): string => path.replace(/[^\w./@%+=:,\u0080-\uffff-]/g, '\\$&');
