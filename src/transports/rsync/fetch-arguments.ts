import type { Name } from '../../transport.ts';
import { LIST_ARGUMENTS, optional, OUTPUT, remoteArguments, TIMEOUT_S, type RunTarget } from './arguments.ts';

/**
 * Arguments of a dry run that prints every name below the listed folders: what it is, its size and its time (in UTC where TZ says so). Folders are
 * listed and not given as paths: in a path the far end's shell would look for patterns.
 */
export const treeArguments = (run: RunTarget, { deep }: { readonly deep: boolean }): string[] => [
  ...['-n', '-lDt', deep ? '-r' : '--dirs'],
  ...['--no-p', '--no-o', '--no-g'],
  ...LIST_ARGUMENTS,
  `--out-format=%i|%l|%M|%n`,
  ...OUTPUT,
  `--timeout=${TIMEOUT_S}`,
  ...remoteArguments(run),
  `${run.tree}/`,
];

export interface FetchRun extends RunTarget {
  /** Bytes a second; null: no limit. */
  readonly bandwidth: number | null;
  /** Where partial files are kept, in each file's folder; undefined: they are not kept. */
  readonly partialFolder: string | undefined;
}

/** Arguments of a run that brings the listed files into the tree, and prints the name of each before it comes. */
export const fetchArguments = (run: FetchRun): string[] => [
  '-tp',
  ...['--no-o', '--no-g'],
  ...LIST_ARGUMENTS,
  '--out-format=%i|%n',
  ...OUTPUT,
  ...(run.partialFolder === undefined ? [] : optional(run, 'partial-dir', `--partial-dir=${run.partialFolder}`)),
  ...(run.bandwidth === null ? [] : [`--bwlimit=${Math.max(1, Math.round(run.bandwidth / 1024))}`]),
  `--timeout=${TIMEOUT_S}`,
  ...remoteArguments(run),
  `${run.tree}/`,
];

/** A folder itself, "" for the destination's path. */
export const asListed = (folder: Name): Name => (folder === '' ? './' : `${folder}/`);
