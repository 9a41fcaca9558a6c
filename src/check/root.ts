import { statfsSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { errorMessage, UserError } from '../errors.ts';
import { createIsExcluded } from '../source/exclude.ts';
import { fsPath, showName, type Name } from '../name.ts';
import { unmatchedTag } from '../source/unmatched-tag.ts';
import { cannotWork } from '../source/directory-failures.ts';
import { LINKED_CURE, linkedDirectories } from '../source/linked-directories.ts';
import { readRoot, type RootListing } from '../source/root.ts';
import { unreliable } from '../source/unreliable-mount.ts';
import type { ProbeResult } from '../transport.ts';

/** A directory of which the disk does not say what it is. */
export function* unreadableLines({ unreadable }: RootListing): Generator<ProbeResult> {
  for (const { name, error } of unreadable) {
    const { message, hint = '' } = cannotWork(name, error);
    yield { what: 'directory', state: 'failure', message, hint };
  }
}

/** Links that stand where directories of the site would be. */
export function* linkLines(root: Name, { links }: RootListing): Generator<ProbeResult> {
  const message = linkedDirectories(root, links);
  if (message !== undefined) yield { what: 'directory', state: 'warning', message, hint: LINKED_CURE };
}

/** The root and what it shows; `listing` is undefined if it cannot be read. */
export const checkRoot = ({ root, tag, exclude }: Config['source']): { line: ProbeResult; listing?: RootListing } => {
  const what = 'root';
  let listing: RootListing;
  try {
    listing = readRoot(root, tag, createIsExcluded(exclude));
  } catch (error) {
    const hint = (error instanceof UserError ? error.hint : undefined) ?? 'let the user that runs isocket read it';
    return { line: { what, state: 'failure', message: errorMessage(error), hint } };
  }
  const { directories } = listing;
  const named = tag === '' ? '' : ` named ${showName(tag)}…`;
  const message = `${showName(root)}: ${directories.length} ${directories.length === 1 ? 'directory' : 'directories'}${named}`;
  const told = unreliable(statfsSync(fsPath(root)).type);
  if (told !== undefined)
    return { line: { what, state: 'warning', message: `${message}; ${told.state}`, hint: told.hint }, listing };
  if (directories.length > 0) return { line: { what, state: 'ok', message }, listing };
  const others = unmatchedTag({ root, tag, exclude });
  const hint =
    'expected if the parser has not started yet; otherwise correct source.root or source.tag, the prefix of its directories’ names';
  return { line: { what, state: 'warning', message: others ?? message, hint }, listing };
};
