import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';

// The one invariant of the fault suite: a marked file is whole at the destination; finished.watch means that every file is
// there; nothing half is ever seen under a final name. A file's content follows from its path, so that anybody can tell.

const MARK = 0o020;
const MARKERS = new Set(['finished.parse', 'finished.watch', '.isocket-finished.watch']);

/** The only content that a file of this path and size ever has. */
export const contentOf = (path: string, bytes: number): Buffer => {
  const seed = createHash('sha256').update(path).digest();
  const content = Buffer.alloc(bytes, seed);
  if (bytes >= 8) content.writeBigUInt64LE(BigInt(bytes), bytes - 8);
  return content;
};

/** Writes a file of the parser's, as a program that renames into place does. */
export const produce = (root: string, path: string, bytes: number): void => {
  mkdirSync(dirname(`${root}/${path}`), { recursive: true });
  writeFileSync(`${root}/.producing`, contentOf(path, bytes));
  renameSync(`${root}/.producing`, `${root}/${path}`);
};

export const filesBelow = (folder: string, below = ''): string[] =>
  !existsSync(folder)
    ? []
    : readdirSync(`${folder}/${below}`, { withFileTypes: true }).flatMap((entry) => {
        const path = below + entry.name;
        if (entry.isDirectory()) return filesBelow(folder, `${path}/`);
        return MARKERS.has(entry.name) || entry.name.startsWith('.') ? [] : [path];
      });

export interface Verdict {
  readonly files: number;
  readonly marked: number;
  readonly finished: number;
  readonly problems: readonly string[];
}

/** Looks at both ends, whatever state they are in. */
export const judge = (root: string, destination: string): Verdict => {
  const problems: string[] = [];
  let marked = 0;
  const paths = filesBelow(root);
  const isWhole = (path: string): boolean => {
    const size = lstatSync(`${root}/${path}`).size;
    return existsSync(`${destination}/${path}`) && readFileSync(`${destination}/${path}`).equals(contentOf(path, size));
  };
  const finishedDirectories = new Set(
    readdirSync(root).filter((directory) => existsSync(`${root}/${directory}/finished.watch`)),
  );
  for (const path of paths) {
    const isMarked = (lstatSync(`${root}/${path}`).mode & MARK) !== 0;
    const inFinished = finishedDirectories.has(path.split('/')[0] ?? '');
    if (isMarked) marked += 1;
    if ((isMarked || inFinished) && !isWhole(path)) problems.push(`${path} is marked or finished, and not there whole`);
    if (inFinished && !isMarked) problems.push(`${path} is not marked in a finished directory`);
  }
  problems.push(...halfFiles(destination));
  return { files: paths.length, marked, finished: finishedDirectories.size, problems };
};

/** Files under a final name whose content is not what their path and size say. */
const halfFiles = (destination: string, seen = new Map<string, string>()): string[] =>
  filesBelow(destination).flatMap((path) => {
    try {
      const { ino, size, mtimeMs } = lstatSync(`${destination}/${path}`);
      const state = `${ino}/${size}/${mtimeMs}`;
      if (seen.get(path) === state) return [];
      const isWhole = readFileSync(`${destination}/${path}`).equals(contentOf(path, size));
      seen.set(path, state);
      return isWhole ? [] : [`${path} was seen half under its final name`];
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
      throw error;
    }
  });

/** Looks at the final names all the while that faults run. */
export const watchFinalNames = (destination: string) => {
  const seen = new Map<string, string>();
  const half: string[] = [];
  let looks = 0;
  const over = new AbortController();
  const watching = (async () => {
    while (!over.signal.aborted) {
      half.push(...halfFiles(destination, seen));
      looks += 1;
      await delay(20);
    }
  })();
  return {
    end: async (): Promise<number> => {
      over.abort();
      await watching;
      expect(half).toEqual([]);
      return looks;
    },
  };
};

/** The invariant holds, and everything is sent, marked and finished. */
export const expectAllThere = (root: string, destination: string, directories: number): Verdict => {
  const verdict = judge(root, destination);
  expect(verdict.problems).toEqual([]);
  expect(verdict).toMatchObject({ marked: verdict.files, finished: directories });
  return verdict;
};

export const expectNothingWrong = (root: string, destination: string): Verdict => {
  const verdict = judge(root, destination);
  expect(verdict.problems).toEqual([]);
  return verdict;
};

/** `FAULT=full`: as many rounds as the goals ask for. Else few: for every run of the tests. */
export const rounds = (few: number, full: number): number => (process.env.FAULT === 'full' ? full : few);

/** One line of docs/faults.md. */
export const tellFigures = (fault: string, figures: Readonly<Record<string, number>>): void => {
  const cells = Object.entries(figures).map(([name, value]) => `${value} ${name}`);
  console.log(`| ${fault} | ${cells.join(', ')} | 0 lost, 0 wrongly marked, 0 half |`);
};
