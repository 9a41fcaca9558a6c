import { accessSync, constants } from 'node:fs';
import { readRecord } from '../marks/record.ts';
import { destinationKeys } from '../marks/record-hash.ts';
import type { Config } from '../config/config.ts';
import { cannotWork } from '../source/directory-failures.ts';
import { createIsExcluded } from '../source/exclude.ts';
import { plan } from '../core/lifecycle.ts';
import type { DirectorySnapshot } from '../core/lifecycle.ts';
import { isMarked, mayMark } from '../marks/mark.ts';
import { fsPath, showName } from '../name.ts';
import { walk } from '../source/scanner.ts';
import { viewState } from '../marks/state.ts';
import type { ProbeResult } from '../transport.ts';

/** So many files of a directory tell how the parser writes. */
const SAMPLE = 2_000;
/** Directories looked into: those at which isocket will work first. */
const DIRECTORIES = 5;

/** What the parser's files are like: whose, who may write beside them, and are they born with the mark? */
export function* checkFiles(
  config: Config,
  directories: readonly DirectorySnapshot[],
  statePath: string,
  signal: AbortSignal,
): Generator<ProbeResult> {
  const unfinished = plan(directories, config.source.newest)
    .filter(({ phase }) => phase !== 'finished')
    .map(({ directory }) => directory)
    .slice(-DIRECTORIES);
  const samples: Sample[] = [];
  for (const directory of unfinished) {
    signal.throwIfAborted();
    try {
      samples.push(takeSample(config, directory, statePath));
    } catch (error) {
      const { message, hint = '' } = cannotWork(directory.name, error);
      yield { what: 'directory', state: 'failure', message, hint };
    }
  }
  yield ownerLine(config.source.root, samples);
  yield* markedLines(samples, config.source.trustMarks);
}

interface Sample {
  readonly name: string;
  readonly files: number;
  /** Owners whose files this process may not mark. */
  readonly strangers: ReadonlySet<bigint>;
  readonly mayWrite: boolean;
  /** Marked, and touched since a chmod: born so. */
  readonly bornMarked: number;
  /** Marked, and no record says why: the destination is asked for them, or they are trusted. */
  readonly claims: number;
}

const takeSample = ({ source, destinations }: Config, directory: DirectorySnapshot, statePath: string): Sample => {
  const { root, exclude } = source;
  const path = `${root}/${directory.name}`;
  const state = viewState(statePath, root);
  const record = readRecord(state.recordPath(directory.name), destinationKeys(destinations));
  const strangers = new Set<bigint>();
  let [files, bornMarked, claims] = [0, 0, 0];
  for (const entry of walk(path, createIsExcluded(exclude))) {
    if (entry.kind !== 'file') continue;
    const { stats } = entry;
    files += 1;
    if (!mayMark(stats)) strangers.add(stats.uid);
    if (isMarked(stats)) {
      const knowledge = record?.lookUp(entry.path, stats) ?? 'unknown';
      // A chmod after the last write leaves a ctime behind the mtime; a file that was born so has them equal.
      if (stats.ctimeNs === stats.mtimeNs) bornMarked += 1;
      else if (knowledge === 'unknown') claims += 1;
    }
    if (files >= SAMPLE) break;
  }
  return { name: showName(directory.name), files, strangers, mayWrite: mayWrite(path), bornMarked, claims };
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

function* markedLines(samples: readonly Sample[], trustMarks: boolean): Generator<ProbeResult> {
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
  const claimed = samples.filter(({ claims }) => claims > 0);
  if (claimed.length === 0) return;
  const where = claimed.map(({ name, claims }) => `${claims} in ${name}`).join(', ');
  yield trustMarks
    ? {
        what: 'marks',
        state: 'warning',
        message: `marked files without a record count as sent, unasked (source.trustMarks): ${where}`,
        hint: 'right for a destination that cannot be listed; else set source.trustMarks: false',
      }
    : {
        what: 'marks',
        state: 'ok',
        message: `marked files without a record: the destination is asked for them: ${where}`,
      };
}
