import type { Report } from '../core/events.ts';
import { UserError } from '../errors.ts';
import { showName, type Name } from '../name.ts';
import { createIsExcluded } from './exclude.ts';
import { readRoot } from './root.ts';

const MOST_NAMED = 5;
/** What a file system has in its root by itself. */
const SYSTEM = new Set(['lost+found']);

export interface TaggedRoot {
  readonly root: Name;
  readonly tag: string;
  readonly exclude: readonly string[];
}

/** A sentence if the root has directories and none of them carries the tag: nothing would ever be sent. */
export const unmatchedTag = ({ root, tag, exclude }: TaggedRoot): string | undefined => {
  if (tag === '') return undefined;
  const all = readAll(root, exclude);
  if (all.length === 0 || all.some((name) => name.startsWith(tag))) return undefined;
  const named = all.slice(0, MOST_NAMED).map(showName).join(', ');
  const more = all.length > MOST_NAMED ? ` and ${all.length - MOST_NAMED} more` : '';
  return `no directory in ${showName(root)} begins with "${showName(tag)}" (source.tag); there are: ${named}${more}`;
};

const readAll = (root: Name, exclude: readonly string[]): Name[] => {
  try {
    const { directories, unreadable } = readRoot(root, '', createIsExcluded(exclude));
    return [...directories, ...unreadable].map(({ name }) => name).filter((name) => !SYSTEM.has(name));
  } catch (error) {
    if (error instanceof UserError) return []; // Reported where it is read for its directories.
    throw error;
  }
};

/** Nothing would ever be sent, and nothing else would be said. */
export const warnOfUnmatchedTag = (source: TaggedRoot, report: Report): void => {
  const unmatched = unmatchedTag(source);
  if (unmatched !== undefined) report({ type: 'note', level: 'warning', message: unmatched });
};
