import { lstatSync, readFileSync } from 'node:fs';
import { isMarked } from '../../marks/mark.ts';
import { fsPath, type Name } from '../../name.ts';
import { walk } from '../../source/scanner.ts';

/** What a comparison of a directory at both ends found. */
export interface Comparison {
  readonly files: number;
  readonly bytes: number;
  /** In words; empty when both are the same. */
  readonly differences: readonly string[];
}

/** Compares byte for byte, and that every file at the source is marked. Throws where one of the folders is not there. */
export const compareDirectory = (source: Name, destination: Name): Comparison => {
  const differences: string[] = [];
  let files = 0;
  let bytes = 0;
  for (const entry of walk(source, () => false)) {
    if (entry.kind !== 'file') continue;
    files += 1;
    bytes += Number(entry.stats.size);
    const there = lstatSync(fsPath(`${destination}/${entry.path}`), { throwIfNoEntry: false });
    if (there?.isFile() !== true) differences.push(`${entry.path}: not at the destination`);
    else if (
      !readFileSync(fsPath(`${destination}/${entry.path}`)).equals(readFileSync(fsPath(`${source}/${entry.path}`)))
    ) {
      differences.push(`${entry.path}: the content differs`);
    }
    if (!isMarked(entry.stats)) differences.push(`${entry.path}: not marked`);
  }
  const arrived = [...walk(destination, () => false)].filter(({ kind }) => kind === 'file').length;
  if (arrived !== files) differences.push(`${arrived} files at the destination, ${files} at the source`);
  return { files, bytes, differences };
};
