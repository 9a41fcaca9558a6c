import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Report } from '../core/events.ts';
import type { DirectorySnapshot } from '../core/lifecycle.ts';
import { counted } from '../core/units.ts';
import { systemErrorCode } from '../errors.ts';
import { ownCommand } from '../host/own-command.ts';
import { showName, type Name } from '../name.ts';
import { readProof } from '../source/read-proof.ts';

/** The part of `finished.watch` that says where everything is. */
interface NamedDestinations {
  readonly destinations?: readonly ({ readonly label?: unknown } | null)[];
}

/** Directories named one by one; the rest are counted. */
const MOST_NAMED = 10;

/**
 * Which of these destinations a proof does not name: the configuration was changed since. None where it names no destination at all (an
 * empty file of the old tool, trusted marks, no files). Pure.
 */
export const unnamedIn = (proof: unknown, labels: readonly string[]): string[] => {
  const { destinations } = (proof ?? {}) as NamedDestinations;
  if (!Array.isArray(destinations) || destinations.length === 0) return [];
  // Who writes markers of his own may write anything.
  const named = new Set((destinations as NonNullable<NamedDestinations['destinations']>).map((one) => one?.label));
  return labels.filter((label) => !named.has(label));
};

/** A site as its directories' proofs name it. */
export interface OwnSite {
  readonly site: string;
  /** Its destinations, as messages name them. */
  readonly labels: readonly string[];
}

export interface FinishedElsewhere {
  readonly name: Name;
  readonly lacks: readonly string[];
  /** The other site that finished it, if another did: it works on the same root, or this one had that name. */
  readonly by: string | undefined;
}

/** Finished directories whose proof does not name every destination, with those that it lacks. Reads a small file of each. */
export const finishedElsewhere = (
  root: Name,
  directories: readonly DirectorySnapshot[],
  { site, labels }: OwnSite,
): FinishedElsewhere[] =>
  directories
    .filter(({ finishedWatch }) => finishedWatch)
    .map(({ name }) => {
      const proof = readProof(`${root}/${name}`);
      const { site: by } = (proof ?? {}) as { readonly site?: unknown };
      return { name, lacks: unnamedIn(proof, labels), by: typeof by === 'string' && by !== site ? by : undefined };
    })
    .filter(({ lacks }) => lacks.length > 0);

/** Why a reset is no way where another site works on the same root: that one would send it again in its turn. */
export const ONE_ROOT_ONE_SITE =
  'if both sites work on this root, each reset takes the other’s finished.watch away: name all destinations in one configuration (destination: a list) instead';

/**
 * Warns, once for each change of the destinations, of directories that were finished before it: nothing of them is sent to the new ones,
 * since a finished directory is not looked into. Nothing is told of one that cannot be
 * reached: false. What the destinations were is kept in the state folder; while they are the same nothing is read.
 */
export const noteFinishedElsewhere = async (
  statePath: string,
  root: Name,
  directories: readonly DirectorySnapshot[],
  own: OwnSite,
  { report, isReached }: { readonly report: Report; readonly isReached: () => Promise<boolean> },
): Promise<boolean> => {
  const file = join(statePath, 'destinations.json');
  const now = JSON.stringify(own.labels.toSorted());
  if (attempt(() => readFileSync(file, 'utf8')) === now) return true;
  const found = finishedElsewhere(root, directories, own);
  // A mistyped destination is told as that: nothing is to be sent to it anew.
  if (found.length > 0 && !(await isReached())) return false;
  const warn = (message: string): void => report({ type: 'note', level: 'warning', message });
  for (const one of found.slice(0, MOST_NAMED)) warn(elsewhereWarning(one));
  const more = found.length - MOST_NAMED;
  if (more > 0)
    warn(
      `${counted(more, 'more directory was', 'more directories were')} finished for other destinations: ${ownCommand('status')} names them`,
    );
  attempt(() => {
    writeFileSync(`${file}.new`, now, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  });
  return true;
};

const elsewhereWarning = ({ name, lacks, by }: FinishedElsewhere): string => {
  const shown = showName(name);
  if (by !== undefined)
    return `${shown} was finished by the site "${showName(by)}", and is not sent to ${lacks.map(showName).join(', ')}; to send it there: ${ownCommand('reset', name)}; ${ONE_ROOT_ONE_SITE}`;
  return `${shown} was finished before ${lacks.map(showName).join(', ')} was a destination, and is not sent there; to send it: ${ownCommand('reset', name)}`;
};

/** Undefined where the disk refuses, or holds something else: then it is found, and told, once more. */
const attempt = <T>(act: () => T): T | undefined => {
  try {
    return act();
  } catch (error) {
    if (error instanceof SyntaxError || systemErrorCode(error) !== undefined) return undefined;
    throw error;
  }
};
