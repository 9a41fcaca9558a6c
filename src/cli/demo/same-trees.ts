import { lstatSync, readFileSync } from 'node:fs';
import { isMarked } from '../../marks/mark.ts';
import { fsPath, type Name } from '../../name.ts';
import { walk } from '../../source/scanner.ts';

/** The result of comparing a directory at both ends. */
export interface Comparison {
  readonly files: number;
  readonly bytes: number;
  /** One sentence each; empty when both are equal. */
  readonly differences: readonly string[];
}

/** Compares byte for byte, and checks that every file at the source is marked. @throws Error where one of the folders is missing */
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
