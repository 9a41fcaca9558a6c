import { createCipheriv, createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';

// The invariant of the fault suite: a marked file is complete at the destination; finished.watch means that every file is there;
// no partial file ever has a final name. A file's content follows from its path and size, so that it can be checked anywhere.

const MARK = 0o020;
const MARKERS = new Set(['finished.parse', 'finished.watch', '.isocket-finished.watch']);

/**
 * The content of a file of this path and size. No block of it equals another, so that misplaced data is detected and rsync finds
 * no matching block that it never sent.
 */
export const contentOf = (path: string, bytes: number): Buffer => {
  const key = createHash('sha256').update(path).digest();
  const content = createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(bytes));
  if (bytes >= 8) content.writeBigUInt64LE(BigInt(bytes), bytes - 8);
  return content;
};

/** Produces a file as a parser that renames into place does. */
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
        // rsync keeps partial files under their own names in our `.isocket-` folder.
        if (entry.isDirectory()) return entry.name.startsWith('.isocket-') ? [] : filesBelow(folder, `${path}/`);
        return MARKERS.has(entry.name) || entry.name.startsWith('.') ? [] : [path];
      });

export interface Verdict {
  readonly files: number;
  /** Files whose content was compared; where the source is gone, those at the destination. */
  readonly compared: number;
  readonly marked: number;
  readonly finished: number;
  /** Marked or in a finished directory but not complete at the destination, or finished without a mark. */
  readonly wronglyMarked: readonly string[];
  /** Found under the final name with content that does not match path and size. */
  readonly half: readonly string[];
  /** Not at the destination as it is at the source, whether sent or not. */
  readonly notThere: readonly string[];
}

/** Compares both ends byte for byte, whatever state they are in. */
export const judge = (root: string, destination: string): Verdict => {
  // The source first: what is marked now must already be at the destination.
  const finishedDirectories = new Set(
    existsSync(root) ? readdirSync(root).filter((directory) => existsSync(`${root}/${directory}/finished.watch`)) : [],
  );
  const files = filesBelow(root).map((path) => ({
    path,
    stats: lstatSync(`${root}/${path}`),
    inFinished: finishedDirectories.has(path.split('/')[0] ?? ''),
  }));
  const { whole, half } = readFinalNames(destination);
  const wronglyMarked: string[] = [];
  const notThere: string[] = [];
  let marked = 0;
  for (const { path, stats, inFinished } of files) {
    const isMarked = (stats.mode & MARK) !== 0;
    // Path and size determine the content, so the size is enough to compare.
    const isWhole = whole.get(path) === stats.size;
    if (isMarked) marked += 1;
    if (!isWhole) notThere.push(path);
    if ((isMarked || inFinished) && !isWhole) wronglyMarked.push(`${path} is marked or finished, and not there whole`);
    if (inFinished && !isMarked) wronglyMarked.push(`${path} is not marked in a finished directory`);
  }
  const compared = Math.max(files.length, whole.size + half.length);
  return { files: files.length, compared, marked, finished: finishedDirectories.size, wronglyMarked, half, notThere };
};

/** Reads the files under final names. Skips a file that is unchanged since it was noted in `seen`. */
const readFinalNames = (
  destination: string,
  seen = new Map<string, string>(),
): { readonly whole: ReadonlyMap<string, number>; readonly half: readonly string[] } => {
  const whole = new Map<string, number>();
  const half: string[] = [];
  for (const path of filesBelow(destination)) {
    try {
      const { ino, size, mtimeMs } = lstatSync(`${destination}/${path}`);
      const state = `${ino}/${size}/${mtimeMs}`;
      if (seen.get(path) === state) continue;
      const content = readFileSync(`${destination}/${path}`);
      seen.set(path, state);
      if (content.equals(contentOf(path, size))) whole.set(path, size);
      else half.push(`${path} was seen half under its final name`);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
  }
  return { whole, half };
};

/** What all checks of one test have found. */
interface Findings {
  compared: number;
  readonly lost: Set<string>;
  readonly wronglyMarked: Set<string>;
  readonly half: Set<string>;
}

const byTest = new Map<string, Findings>();

const findings = (): Findings => {
  const test = expect.getState().currentTestName ?? '';
  const known = byTest.get(test) ?? { compared: 0, lost: new Set(), wronglyMarked: new Set(), half: new Set() };
  byTest.set(test, known);
  return known;
};

const note = (verdict: Verdict): Verdict => {
  const { wronglyMarked, half } = findings();
  findings().compared += verdict.compared;
  for (const problem of verdict.wronglyMarked) wronglyMarked.add(problem);
  for (const problem of verdict.half) half.add(problem);
  // A soft failure: the test continues, so that its row of figures reports how much was wrong.
  expect.soft([...verdict.wronglyMarked, ...verdict.half]).toEqual([]);
  return verdict;
};

/** Checks the final names continuously while faults are injected. */
export const watchFinalNames = (destination: string) => {
  const seen = new Map<string, string>();
  const found = new Set<string>();
  let checks = 0;
  const over = new AbortController();
  const watching = (async () => {
    while (!over.signal.aborted) {
      for (const half of readFinalNames(destination, seen).half) found.add(half);
      checks += 1;
      await delay(20);
    }
  })();
  return {
    /** Resolves with the number of checks. */
    end: async (): Promise<number> => {
      over.abort();
      await watching;
      for (const half of found) findings().half.add(half);
      expect.soft([...found]).toEqual([]);
      return checks;
    },
  };
};

/** The invariant holds, and everything is sent, marked and finished. */
export const expectAllThere = (root: string, destination: string, directories: number): Verdict => {
  const verdict = note(judge(root, destination));
  for (const path of verdict.notThere) findings().lost.add(path);
  expect.soft(verdict).toMatchObject({ notThere: [], marked: verdict.files, finished: directories });
  return verdict;
};

/** The invariant holds. */
export const expectNothingWrong = (root: string, destination: string): Verdict => note(judge(root, destination));

/** `FAULT=full`: the number of rounds that docs/faults.md reports; otherwise few, for every run of the tests. */
export const rounds = (few: number, full: number): number => (process.env.FAULT === 'full' ? full : few);

/** Prints one row of docs/faults.md: what was done, and what the checks of this test found. */
export const reportFigures = (fault: string, figures: Figures): void => {
  const { compared, lost, wronglyMarked, half } = findings();
  expect(compared).toBeGreaterThan(0);
  reportRow(
    fault,
    { ...figures, comparisons: compared },
    { lost: lost.size, 'wrongly marked': wronglyMarked.size, half: half.size },
  );
};

type Figures = Readonly<Record<string, number>>;

export const reportRow = (fault: string, figures: Figures, found: Figures): void => {
  const cells = (values: Figures): string =>
    Object.entries(values)
      .map(([name, value]) => `${value} ${name}`)
      .join(', ');
  console.log(`| ${fault} | ${cells(figures)} | ${cells(found)} |`);
};
