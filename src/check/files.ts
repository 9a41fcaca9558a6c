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

/** Files examined in a directory: enough to show how the parser writes. */
const MAX_SAMPLED_FILES = 2_000;
/** Directories examined: the ones that isocket works on first. */
const MAX_SAMPLED_DIRECTORIES = 5;

/** Examines a sample of the parser's files: owner, write access to their directory, marks that isocket did not set. */
export function* checkFiles(
  source: Config['source'],
  directories: readonly DirectorySnapshot[],
  statePath: string,
  signal: AbortSignal,
): Generator<ProbeResult> {
  const unfinished = plan(directories, source.newest)
    .filter(({ phase }) => phase !== 'finished')
    .map(({ directory }) => directory)
    .slice(-MAX_SAMPLED_DIRECTORIES);
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
  yield* markLines(samples);
}

interface Sample {
  readonly name: string;
  readonly files: number;
  /** Owners whose files this process may not mark. */
  readonly foreignOwners: ReadonlySet<bigint>;
  readonly mayWrite: boolean;
  /** Marked, but not by isocket: created with g+w. */
  readonly createdMarked: number;
  /** Marked, and counted as sent without a record. */
  readonly trusted: number;
}

const takeSample = ({ root, exclude }: Config['source'], directory: DirectorySnapshot, statePath: string): Sample => {
  const isExcluded = createIsExcluded(exclude);
  const path = `${root}/${directory.name}`;
  // A first run claims the marks that it finds; later runs only those of directories older than the state.
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
  const foreignOwners = new Set<bigint>();
  let files = 0;
  let createdMarked = 0;
  for (const entry of walk(path, isExcluded)) {
    if (entry.kind !== 'file') continue;
    files += 1;
    if (!mayMark(entry.stats)) foreignOwners.add(entry.stats.uid);
    if (isMarked(entry.stats)) {
      const isSent =
        record === undefined ? entry.stats.ctimeNs !== entry.stats.mtimeNs : record.has(entry.stats, entry.path);
      if (!isSent) createdMarked += 1;
      else if (record === undefined) trusted += 1;
    }
    if (files >= MAX_SAMPLED_FILES) break;
  }
  record?.[Symbol.dispose]();
  return { name: showName(directory.name), files, foreignOwners, mayWrite: mayWrite(path), createdMarked, trusted };
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
  const foreignOwners = new Set(samples.flatMap(({ foreignOwners }) => [...foreignOwners]));
  const closed = samples.filter((sample) => !sample.mayWrite).map(({ name }) => name);
  if (foreignOwners.size > 0) {
    const owners = [...foreignOwners].join(', ');
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
    message: files === 0 ? 'no unsent directory to examine' : `user ${user} may mark the files examined (${files})`,
  };
};

function* markLines(samples: readonly Sample[]): Generator<ProbeResult> {
  const what = 'umask';
  const born = samples.filter(({ createdMarked }) => createdMarked > 0);
  if (born.length > 0) {
    yield {
      what,
      state: 'warning',
      message: `files have g+w that isocket did not set: ${born.map(({ name, createdMarked }) => `${createdMarked} in ${name}`).join(', ')}`,
      hint: 'isocket sends them anyway, but until then "find -perm -g+w" lists them as sent: set umask 022 for the parser, and remove default ACLs from the directories',
    };
  } else yield { what, state: 'ok', message: 'no file examined was created with the mark' };
  const trusted = samples.filter((sample) => sample.trusted > 0);
  if (trusted.length > 0) {
    yield {
      what: 'old marks',
      state: 'warning',
      message: `marked files without a record count as sent: ${trusted.map(({ name, trusted: count }) => `${count} in ${name}`).join(', ')}`,
      hint: 'correct if the old tool sent them; otherwise remove the marks before the first scan: chmod g-w',
    };
  }
}
