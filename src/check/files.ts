import { accessSync, constants } from 'node:fs';
import { readRecord } from '../marks/record.ts';
import { destinationKeys } from '../marks/record-hash.ts';
import type { Config } from '../config/config.ts';
import { cannotWork, unreadableIn } from '../source/directory-failures.ts';
import { createIsExcluded } from '../source/exclude.ts';
import { plan } from '../core/lifecycle.ts';
import type { DirectorySnapshot } from '../core/lifecycle.ts';
import { isBornMarked, isMarked, mayMark } from '../marks/mark.ts';
import { fsPath, showName } from '../name.ts';
import { walk } from '../source/scanner.ts';
import { userName } from '../host/user-name.ts';
import { viewState } from '../marks/state.ts';
import type { ProbeResult } from '../transport.ts';

/** Files examined in a directory: enough to show how the parser writes. */
const MAX_SAMPLED_FILES = 2_000;
/** Directories examined: the ones that isocket works on first. */
const MAX_SAMPLED_DIRECTORIES = 5;

/** Examines a sample of the parser's files: owner, write access to their directory, marks that isocket did not set. */
export function* checkFiles(
  config: Config,
  directories: readonly DirectorySnapshot[],
  statePath: string | undefined,
  signal: AbortSignal,
): Generator<ProbeResult> {
  const unfinished = plan(directories, config.source.newest)
    .filter(({ phase }) => phase !== 'finished')
    .map(({ directory }) => directory)
    .slice(-MAX_SAMPLED_DIRECTORIES);
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
  yield* markLines(samples, config.source.trustMarks);
}

interface Sample {
  readonly name: string;
  readonly files: number;
  /** Owners whose files this process may not mark. */
  readonly foreignOwners: ReadonlySet<bigint>;
  readonly mayWrite: boolean;
  /** Marked, and touched since a chmod: created with g+w. */
  readonly createdMarked: number;
  /** Marked, and no record says why: the destination is asked for them, or they are trusted. */
  readonly claims: number;
}

const takeSample = (
  { source, destinations }: Config,
  directory: DirectorySnapshot,
  statePath: string | undefined,
): Sample => {
  const { root, exclude } = source;
  const path = `${root}/${directory.name}`;
  const record =
    statePath === undefined
      ? undefined
      : readRecord(viewState(statePath, root).recordPath(directory.name), destinationKeys(destinations));
  const foreignOwners = new Set<bigint>();
  let [files, createdMarked, claims] = [0, 0, 0];
  for (const entry of walk(path, createIsExcluded(exclude))) {
    if (entry.kind === 'unreadable') throw unreadableIn(entry);
    if (entry.kind !== 'file') continue;
    const { stats } = entry;
    files += 1;
    if (!mayMark(stats)) foreignOwners.add(stats.uid);
    if (isMarked(stats)) {
      const knowledge = record?.lookUp(entry.path, stats) ?? 'unknown';
      if (isBornMarked(stats)) createdMarked += 1;
      else if (knowledge === 'unknown') claims += 1;
    }
    if (files >= MAX_SAMPLED_FILES) break;
  }
  return { name: showName(directory.name), files, foreignOwners, mayWrite: mayWrite(path), createdMarked, claims };
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
    const owners = [...foreignOwners].map(userName).join(', ');
    return {
      what,
      state: 'failure',
      message: `Cannot mark files below "${showName(root)}": they belong to user ${owners}, isocket runs as user ${userName(user)}`,
      hint: `only the owner of a file may chmod it: run isocket as user ${owners} (User= of the service, the user of the cron line)`,
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
      files === 0 ? 'no unsent directory to examine' : `user ${userName(user)} may mark the files examined (${files})`,
  };
};

function* markLines(samples: readonly Sample[], trustMarks: boolean): Generator<ProbeResult> {
  const what = 'umask';
  const born = samples.filter(({ createdMarked }) => createdMarked > 0);
  if (born.length > 0) {
    yield {
      what,
      state: 'warning',
      message: `files have g+w that isocket did not set: ${born.map(({ name, createdMarked }) => `${createdMarked} in ${name}`).join(', ')}`,
      hint: 'isocket sends them anyway, but until then "find -type f -perm -g+w" lists them as sent: set umask 022 for the parser, and remove default ACLs from the directories',
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
