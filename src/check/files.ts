import { accessSync, constants, existsSync } from 'node:fs';
import { openDirectoryRecord } from '../marks/claims.ts';
import type { Config } from '../config/config.ts';
import { cannotWork } from '../source/directory-failures.ts';
import { createIsExcluded } from '../source/exclude.ts';
import { plan } from '../core/lifecycle.ts';
import type { DirectorySnapshot } from '../core/lifecycle.ts';
import { isMarked, mayMark } from '../marks/mark.ts';
import { fsPath, showName } from '../name.ts';
import { walk } from '../source/scanner.ts';
import { openState } from '../marks/state.ts';
import type { ProbeResult } from '../transport.ts';

/** So many files of a directory tell how the parser writes. */
const SAMPLE = 2_000;
/** Directories looked into: those at which isocket will work first. */
const DIRECTORIES = 5;

/** What the parser's files are like: whose, who may write beside them, and are they born with the mark? */
export function* checkFiles(
  source: Config['source'],
  directories: readonly DirectorySnapshot[],
  statePath: string,
  signal: AbortSignal,
): Generator<ProbeResult> {
  const unfinished = plan(directories, source.newest)
    .filter(({ phase }) => phase !== 'finished')
    .map(({ directory }) => directory)
    .slice(-DIRECTORIES);
  const samples: Sample[] = [];
  for (const directory of unfinished) {
    signal.throwIfAborted();
    try {
      samples.push(takeSample(source, directory, statePath));
    } catch (error) {
      const { message, hint = '' } = cannotWork(directory.name, error);
      yield { what: 'directory', state: 'failure', message, hint };
    }
  }
  yield ownerLine(source.root, samples);
  yield* markedLines(samples);
}

interface Sample {
  readonly name: string;
  readonly files: number;
  /** Owners whose files this process may not mark. */
  readonly strangers: ReadonlySet<bigint>;
  readonly mayWrite: boolean;
  /** Marked, and not by us: born so. */
  readonly bornMarked: number;
  /** Marked, and taken for sent though no record says so. */
  readonly trusted: number;
}

const takeSample = ({ root, exclude }: Config['source'], directory: DirectorySnapshot, statePath: string): Sample => {
  const isExcluded = createIsExcluded(exclude);
  const path = `${root}/${directory.name}`;
  // A first run begins with the marks that it finds; afterwards only a directory of before it may.
  const state = existsSync(statePath) ? openState(statePath) : undefined;
  let trusted = 0;
  const record =
    state &&
    openDirectoryRecord(directory, {
      root,
      state,
      isExcluded,
      report: (event) => {
        if (event.type === 'adopted') trusted = event.files;
      },
      dry: true,
    });
  const strangers = new Set<bigint>();
  let files = 0;
  let bornMarked = 0;
  for (const entry of walk(path, isExcluded)) {
    if (entry.kind !== 'file') continue;
    files += 1;
    if (!mayMark(entry.stats)) strangers.add(entry.stats.uid);
    if (isMarked(entry.stats)) {
      const isSent =
        record === undefined ? entry.stats.ctimeNs !== entry.stats.mtimeNs : record.has(entry.stats, entry.path);
      if (!isSent) bornMarked += 1;
      else if (record === undefined) trusted += 1;
    }
    if (files >= SAMPLE) break;
  }
  record?.[Symbol.dispose]();
  return { name: showName(directory.name), files, strangers, mayWrite: mayWrite(path), bornMarked, trusted };
};

const mayWrite = (path: string): boolean => {
  try {
    accessSync(fsPath(path), constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

const ownerLine = (root: string, samples: readonly Sample[]): ProbeResult => {
  const what = 'owner';
  const user = process.geteuid?.() ?? -1;
  const strangers = new Set(samples.flatMap(({ strangers }) => [...strangers]));
  const closed = samples.filter((sample) => !sample.mayWrite).map(({ name }) => name);
  if (strangers.size > 0) {
    const owners = [...strangers].join(', ');
    return {
      what,
      state: 'failure',
      message: `Cannot mark files below "${showName(root)}": they belong to user ${owners}, isocket runs as user ${user}`,
      hint: `only the owner of a file may chmod it: run isocket as user ${owners} (User= of the service, the user of the cron line), or give it CAP_FOWNER`,
    };
  }
  if (closed.length > 0) {
    return {
      what,
      state: 'failure',
      message: `Cannot write finished.watch into ${closed.join(', ')}: this user may not write there`,
      hint: 'run isocket as the parser’s user, or let it write those directories',
    };
  }
  const files = samples.reduce((sum, sample) => sum + sample.files, 0);
  return {
    what,
    state: 'ok',
    message:
      files === 0 ? 'no unsent directory to look into' : `the files looked at (${files}) may be marked by user ${user}`,
  };
};

function* markedLines(samples: readonly Sample[]): Generator<ProbeResult> {
  const what = 'umask';
  const born = samples.filter(({ bornMarked }) => bornMarked > 0);
  if (born.length > 0) {
    yield {
      what,
      state: 'warning',
      message: `files bear g+w that isocket did not set: ${born.map(({ name, bornMarked }) => `${bornMarked} in ${name}`).join(', ')}`,
      hint: 'isocket sends them all the same, but "find -perm -g+w" lies until then: give the parser umask 022, and the directories no default ACL',
    };
  } else yield { what, state: 'ok', message: 'no file looked at was born with the mark' };
  const trusted = samples.filter((sample) => sample.trusted > 0);
  if (trusted.length > 0) {
    yield {
      what: 'old marks',
      state: 'warning',
      message: `marked files without a record of ours count as sent: ${trusted.map(({ name, trusted: count }) => `${count} in ${name}`).join(', ')}`,
      hint: 'right where the old tool sent them; else take the marks off before the first scan: chmod g-w',
    };
  }
}
