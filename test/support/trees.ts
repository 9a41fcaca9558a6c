import { lstatSync, readdirSync, readFileSync } from 'node:fs';

const MARK = 0o020;
const MARKERS = new Set(['finished.parse', 'finished.watch']);

interface FoundFile {
  readonly path: Buffer;
  readonly mode: number;
  readonly mtime: number;
  readonly size: number;
}

/**
 * Compares two trees: every file of the source must be at the destination, byte for byte, with its mtime (whole seconds) and its
 * permission bits without the mark, and nothing else. Names are bytes. Returns the differences in words.
 * @param options `contentOnly`: times and permission bits may differ
 * @throws where one of the folders does not exist
 */
export const differences = (
  source: string,
  destination: string,
  { except = [], contentOnly = false }: { readonly except?: readonly string[]; readonly contentOnly?: boolean } = {},
): string[] => {
  const ours = filesBelow(source, except);
  const theirs = filesBelow(destination, except);
  const missing = [...ours.keys()]
    .filter((path) => !theirs.has(path))
    .map((path) => `missing at the destination: ${path}`);
  const extra = [...theirs.keys()].filter((path) => !ours.has(path)).map((path) => `only at the destination: ${path}`);
  const different = [...ours].flatMap(([path, file]) => {
    const there = theirs.get(path);
    if (there === undefined) return [];
    return contentOnly ? differentContent(path, file, there) : differencesOf(path, file, there);
  });
  return [...missing, ...extra, ...different];
};

const differentContent = (path: string, ours: FoundFile, theirs: FoundFile): string[] =>
  readFileSync(ours.path).equals(readFileSync(theirs.path)) ? [] : [`content differs: ${path}`];

const differencesOf = (path: string, ours: FoundFile, theirs: FoundFile): string[] => [
  ...differentContent(path, ours, theirs),
  ...(ours.mtime === theirs.mtime ? [] : [`mtime differs: ${path}`]),
  ...((ours.mode & ~MARK) === theirs.mode ? [] : [`mode differs: ${path}: ${theirs.mode.toString(8)}`]),
];

/** Paths (bytes in latin1) of the files below that are not marked. */
export const unmarked = (source: string): string[] =>
  [...filesBelow(source, [])].filter(([, { mode }]) => (mode & MARK) === 0).map(([path]) => path);

const filesBelow = (root: string, except: readonly string[]): Map<string, FoundFile> => {
  const found = new Map<string, FoundFile>();
  const visit = (folder: Buffer, below: string): void => {
    for (const name of readdirSync(folder, { encoding: 'buffer' })) {
      const path = Buffer.concat([folder, Buffer.from('/'), name]);
      const shown = below + name.toString('latin1');
      if (MARKERS.has(name.toString('latin1')) || except.includes(shown)) continue;
      const stats = lstatSync(path);
      if (stats.isDirectory()) visit(path, `${shown}/`);
      else if (stats.isFile()) {
        found.set(shown, {
          path,
          mode: stats.mode & 0o7777,
          mtime: Math.floor(stats.mtimeMs / 1000),
          size: stats.size,
        });
      }
    }
  };
  visit(Buffer.from(root), '');
  return found;
};
