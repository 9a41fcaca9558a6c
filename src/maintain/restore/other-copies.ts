import { TransportError } from '../../errors.ts';
import { showName, type Name } from '../../name.ts';
import type { StoredEntry, Transport } from '../../transport.ts';
import { showTime } from './compare-stored.ts';
import { sortOut, type Stored } from './directory-plan.ts';
import type { Wanted } from './batch.ts';
import type { Place } from './place.ts';
import type { Tally } from './tally.ts';

/** What another destination has of a directory that is to be brought back. */
export interface OtherCopy {
  readonly transport: Transport;
  /** By path below the directory: how the file there is another one. */
  readonly different: ReadonlyMap<Name, string>;
  /** Files that the destination from which it comes does not have. */
  readonly more: readonly Name[];
  /** It could not be asked: why. */
  readonly failure?: TransportError;
}

export interface CompareOptions {
  readonly from: Transport;
  readonly directory: Name;
  /** The site writes `SHA256SUMS`. */
  readonly manifest: boolean;
  /** Is it a file that the site sends? */
  readonly isSent: (path: Name) => boolean;
  readonly signal: AbortSignal;
}

/**
 * Compares what is to be brought back with what another destination has, before anything is: a copy that is damaged must not be sent over a good one.
 * @param asked those of them that may be sent there later
 */
export const compareCopy = async (
  transport: Transport,
  asked: Stored['files'],
  all: Stored['files'],
  options: CompareOptions,
): Promise<OtherCopy> => {
  const { directory, signal } = options;
  const nothing = { transport, different: new Map<Name, string>(), more: [] };
  if (transport.listTree === undefined) return nothing;
  const entries: StoredEntry[] = [];
  try {
    await transport.listTree(directory, { deep: true, visit: (entry) => entries.push(entry) }, signal);
    const there = sortOut(directory, entries, options).files;
    const more = [...there.keys()].filter((path) => options.isSent(path) && !all.has(path));
    return { transport, more, different: await compare(transport, asked, there, options) };
  } catch (failure) {
    signal.throwIfAborted();
    if (failure instanceof TransportError) return { ...nothing, failure };
    throw failure;
  }
};

/** What a file system makes of a time (FAT) is not more than that. */
const SAME_TIME_SECONDS = 2;

const compare = async (
  transport: Transport,
  files: Stored['files'],
  there: Stored['files'],
  { from, isSent, signal }: CompareOptions,
): Promise<Map<Name, string>> => {
  const different = new Map<Name, string>();
  const ofOtherTime = new Map<Name, StoredEntry>();
  for (const [path, { size, mtimeSeconds }] of files) {
    const other = isSent(path) ? there.get(path) : undefined;
    if (other === undefined) continue;
    if (other.size !== size) different.set(path, `it has ${size} bytes there, and ${other.size} at ${transport.label}`);
    else if (Math.abs(other.mtimeSeconds - mtimeSeconds) > SAME_TIME_SECONDS) ofOtherTime.set(path, other);
  }
  const same = await ofSameContent([from, transport], [...ofOtherTime.values()], signal);
  for (const [path, other] of ofOtherTime) {
    const time = files.get(path)?.mtimeSeconds ?? 0;
    if (!same.has(other.path))
      different.set(
        path,
        `it is of ${showTime(time)} there, and of ${showTime(other.mtimeSeconds)} at ${transport.label}`,
      );
  }
  return different;
};

/** As far as both compute sums. */
const ofSameContent = async (
  [one, other]: readonly [Transport, Transport],
  entries: readonly StoredEntry[],
  signal: AbortSignal,
): Promise<ReadonlySet<Name>> => {
  if (entries.length === 0 || one.sums === undefined || other.sums === undefined) return new Set();
  const [sums, others] = await Promise.all([one.sums(entries, signal), other.sums(entries, signal)]);
  return new Set(
    entries.map(({ path }) => path).filter((path) => sums.has(path) && sums.get(path) === others.get(path)),
  );
};

const CURE =
  'see which one is right: --from takes the one of another destination; with --overwrite it comes back, and the next scan sends it over the other one';

/** Tells which files are disputed between destinations, and returns the others. What `--overwrite` names right is. */
export const withoutDisputed = async (
  wanted: readonly Wanted[],
  { files }: Stored,
  { place, overwrite }: { readonly place: Place; readonly overwrite: boolean },
  tally: Pick<Tally, 'differs'>,
): Promise<readonly Wanted[]> => {
  const disputed = await place.askOthers?.(files, new Set(wanted.map(({ path }) => path)));
  if (disputed === undefined || overwrite) return wanted;
  for (const [path, reason] of disputed) tally.differs(path, reason, CURE);
  return wanted.filter(({ path }) => !disputed.has(path));
};

/** Tells what is not compared, and what does not come. */
export const describeCopy = (
  { transport, more: [first, ...others], failure }: OtherCopy,
  { directory, from, number }: { readonly directory: Name; readonly from: Transport; readonly number: number },
): string | undefined => {
  const [shown, label] = [showName(directory), showName(transport.label)];
  if (failure !== undefined)
    return `${label} cannot be asked for ${shown}: ${failure.message}. What comes back is not compared with it: the next scan asks it, and sends there what it does not have`;
  if (first === undefined) return undefined;
  const more = others.length === 0 ? ' is' : ` and ${others.length} more are`;
  return `"${showName(`${directory}/${first}`)}"${more} at ${label}, and not at ${showName(from.label)}: restored with --from ${number} ${others.length === 0 ? 'it comes' : 'they come'} back too`;
};
