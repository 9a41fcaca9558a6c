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
  const named = namedIn(proof);
  return named.size === 0 ? [] : labels.filter((label) => !named.has(label));
};

/** What a proof names as destinations. Pure. */
export const namedIn = (proof: unknown): ReadonlySet<unknown> => {
  const { destinations } = (proof ?? {}) as NamedDestinations;
  // Who writes markers of his own may write anything.
  if (!Array.isArray(destinations)) return new Set();
  return new Set((destinations as NonNullable<NamedDestinations['destinations']>).map((one) => one?.label));
};

/** A site as its directories' proofs name it. */
export interface OwnSite {
  readonly site: string;
  /** The destinations of which something may be missed, as messages name them. */
  readonly labels: readonly string[];
  /** All of its destinations, where there are more. */
  readonly all?: readonly string[];
  /** Those that are not required. */
  readonly bestEffort?: readonly string[];
}

/** What a directory was finished without. */
export interface Lacking {
  readonly lacks: readonly string[];
  /** The other site that finished it, if another did: it works on the same root, or this one had that name. */
  readonly by: string | undefined;
  /** This site finished it, and another of its destinations has it. */
  readonly isFillable: boolean;
}

/** What a proof says of that. Pure. */
export const lackingIn = (proof: unknown, { site, labels, all = labels }: OwnSite): Lacking => {
  const { site: other } = (proof ?? {}) as { readonly site?: unknown };
  const by = typeof other === 'string' && other !== site ? other : undefined;
  const named = namedIn(proof);
  const isFillable = by === undefined && all.some((label) => named.has(label));
  return { lacks: unnamedIn(proof, labels), by, isFillable };
};

/** The command that brings these directories where they are not. Pure. */
export const fillCommand = (found: readonly Pick<FinishedElsewhere, 'name' | 'lacks' | 'isFillable'>[]): string => {
  const resets = found.filter(({ isFillable }) => !isFillable).map(({ name }) => name);
  const fillable = found.filter(({ isFillable }) => isFillable);
  const fills = [...new Set(fillable.flatMap(({ lacks }) => lacks))].map((label) =>
    ownCommand('fill', label, ...fillable.filter(({ lacks }) => lacks.includes(label)).map(({ name }) => name)),
  );
  return [...fills, ...(resets.length === 0 ? [] : [ownCommand('reset', ...resets)])].join(' && ');
};

export interface FinishedElsewhere extends Lacking {
  readonly name: Name;
}

/** Finished directories whose proof does not name every destination, with those that it lacks. Reads a small file of each. */
export const finishedElsewhere = (
  root: Name,
  directories: readonly DirectorySnapshot[],
  own: OwnSite,
): FinishedElsewhere[] =>
  directories
    .filter(({ finishedWatch }) => finishedWatch)
    .map(({ name }) => ({ name, ...lackingIn(readProof(`${root}/${name}`), own) }))
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

const elsewhereWarning = (one: FinishedElsewhere): string => {
  const { name, lacks, by } = one;
  const shown = showName(name);
  if (by !== undefined)
    return `${shown} was finished by the site "${showName(by)}", and is not sent to ${lacks.map(showName).join(', ')}; to send it there: ${ownCommand('reset', name)}; ${ONE_ROOT_ONE_SITE}`;
  return `${shown} was finished before ${lacks.map(showName).join(', ')} was a destination, and is not sent there; to send it: ${fillCommand([one])}`;
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
