import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { makeFolders } from '../host/make-folders.ts';
import { errorMessage, systemErrorCode, UserError } from '../errors.ts';
import { userName } from '../host/user-name.ts';
import { decodeName, encodeName, fsPath, showName, type Name } from '../name.ts';
import { homeFolder } from '../host/home.ts';
import type { KeptClock } from '../source/file-clock.ts';
import { openKeptClock } from './kept-clock.ts';

/** Where a site keeps what must survive a restart. Losing it loses nothing: destinations are asked for what is marked. */
export interface StateFolder extends StateView {
  readonly path: string;
  /** How long a record's file was when this process first asked: what follows is of this process. 0 while there is none. */
  recordedBefore(directory: Name): number;
  /** The youngest ctime of what this process sent of a directory, before its mark, in milliseconds since 1970. */
  readonly lastChanges: Map<Name, number>;
  readonly clock: KeptClock;
  /** Forgets the records of directories that are no longer there. `directories`: what is there for sure. */
  keepRecordsOf(directories: ReadonlySet<Name>): void;
  /** Was the directory there before this state? Then another one, that was lost, may have been of it. True where nothing tells. */
  isOlder(directory: { readonly birthNs: bigint }): boolean;
}

/** The state as it is, for looking without leaving a trace. */
export interface StateView {
  /** The file with the record of a directory's marks. */
  recordPath(directory: Name): string;
}

/** @throws UserError where the state belongs to another root */
export const viewState = (path: string, root: Name): StateView => {
  checkSameRoot(path, root);
  return { recordPath: (directory) => join(path, 'records', recordName(directory)) };
};

/** contract.md §6: `/var/lib/isocket/SITE`, or `~/.local/state/isocket/SITE` for who may not write there. */
export const defaultStatePath = (site: string): string =>
  process.geteuid?.() === 0
    ? join('/var/lib/isocket', site)
    : join(process.env.XDG_STATE_HOME ?? join(ownHome(), '.local/state'), 'isocket', site);

const ownHome = (): string => {
  const home = homeFolder();
  if (home !== undefined) return home;
  throw new UserError(`Cannot choose a state folder: user ${process.geteuid?.()} has no home`, {
    hint: 'name one with state in the configuration, or set HOME',
  });
};

/**
 * Opens the state folder of a root, and makes it where there is none.
 * @throws UserError where it cannot be made or written, or belongs to another root
 */
export const openState = (path: string, root: Name): StateFolder => {
  const records = join(path, 'records');
  const lengths = new Map<string, number>();
  const recordedBefore = (directory: Name): number => {
    const name = recordName(directory);
    const length = lengths.get(name) ?? statSync(join(records, name), { throwIfNoEntry: false })?.size;
    if (length !== undefined) lengths.set(name, length);
    return length ?? 0;
  };
  try {
    // What is above it is no state of ours: other users have theirs there.
    makeFolders(dirname(path), 0o755);
    // One by one: in a folder that is refused nothing is made.
    for (const folder of [path, records]) {
      makeFolders(folder, 0o700);
      checkOwner(folder);
    }
    checkSameRoot(path, root);
    rememberRoot(path, root);
    const { birthtimeNs: sinceNs } = statSync(records, { bigint: true });
    return {
      path,
      lastChanges: new Map(),
      clock: openKeptClock(path),
      isOlder: ({ birthNs }) => birthNs === 0n || sinceNs === 0n || birthNs < sinceNs,
      recordPath: (directory) => join(records, recordName(directory)),
      recordedBefore,
      keepRecordsOf: (directories) => {
        const kept = new Set([...directories].map(recordName));
        const others = readdirSync(records).filter((file) => !kept.has(recordOf(file)));
        if (others.length === 0) return;
        // Another site on this root may keep its records here: of directories with another tag, or that we exclude.
        for (const name of readdirSync(fsPath(root), { encoding: 'buffer' })) kept.add(recordName(decodeName(name)));
        for (const file of others) if (!kept.has(recordOf(file))) rmSync(join(records, file));
        for (const name of lengths.keys()) if (!kept.has(name)) lengths.delete(name);
      },
    };
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`Cannot use the state folder "${path}": ${errorMessage(error)}`, {
      hint:
        systemErrorCode(error) === 'EACCES'
          ? `as root: chown -R ${userName(process.geteuid?.() ?? 0)} ${path}; or name another one with state in the configuration`
          : 'let the user that runs isocket write it, or name another one with state in the configuration',
      // A full disk is no fault of the configuration.
      ...(systemErrorCode(error) === 'ENOSPC' ? { exitCode: 3 } : {}),
      cause: error,
    });
  }
};

/** Who can write there can have files taken for sent that are not. */
export const checkOwner = (folder: string): void => {
  const { uid, mode } = statSync(folder);
  const us = process.geteuid?.() ?? uid;
  const [state, hint] =
    uid !== us && uid !== 0
      ? [
          `it belongs to user ${userName(uid)}, isocket runs as ${userName(us)}`,
          us === 0
            ? `run isocket as that user, with runuser -u ${userName(uid)} -- isocket …: what root writes there, that user cannot change`
            : 'run isocket as that user, or name another one with state',
        ]
      : (mode & 0o022) !== 0
        ? ['others than its owner can write it', `chmod go-w ${folder}`]
        : [];
  if (state !== undefined)
    throw new UserError(`Cannot use the state folder "${folder}": ${state}`, hint === undefined ? {} : { hint });
};

/** The root that a state folder belongs to. */
interface RememberedRoot {
  readonly path: Name;
  readonly dev: string;
  readonly ino: string;
}

const ROOT_FILE = 'root.json';

/**
 * Two roots with one state folder would delete each other's records for ever (contract.md §3). A root keeps its state when it is
 * mounted under another device number, and when it is renamed or bound to another path.
 * @throws UserError
 */
const checkSameRoot = (state: string, root: Name): void => {
  const remembered = readRoot(state);
  const now = identifyRoot(root);
  if (remembered === undefined || now === undefined || isSameRoot(remembered, now)) return;
  const file = join(state, ROOT_FILE);
  throw remembered.path === now.path
    ? new UserError(`Cannot use source.root "${showName(root)}": it is another folder than the one of "${state}"`, {
        hint: `mount the right one; if this is meant to be the root from now on: rm ${file}`,
      })
    : new UserError(
        `Cannot use the state folder "${state}": it belongs to source.root "${showName(remembered.path)}", not to "${showName(root)}"`,
        { hint: `give each configuration a "site" of its own, or a "state"; if the root was moved: rm ${file}` },
      );
};

const isSameRoot = (a: RememberedRoot, b: RememberedRoot): boolean =>
  a.ino === b.ino && (a.path === b.path || a.dev === b.dev);

/** undefined where the root is not there: what reads it reports that. */
const identifyRoot = (root: Name): RememberedRoot | undefined => {
  const stats = lstatSync(fsPath(root), { bigint: true, throwIfNoEntry: false });
  return stats && { path: root, dev: String(stats.dev), ino: String(stats.ino) };
};

/** The path of the root that a state folder belongs to, as far as it says. */
export const rememberedRoot = (state: string): Name | undefined => readRoot(state)?.path;

const readRoot = (state: string): RememberedRoot | undefined => {
  try {
    return JSON.parse(readFileSync(join(state, ROOT_FILE), 'utf8')) as RememberedRoot;
  } catch (error) {
    if (error instanceof SyntaxError || systemErrorCode(error) !== undefined) return undefined;
    throw error;
  }
};

const rememberRoot = (state: string, root: Name): void => {
  const now = identifyRoot(root);
  const before = readRoot(state);
  if (now === undefined || JSON.stringify(before) === JSON.stringify(now)) return;
  const temporary = join(state, `${ROOT_FILE}.new`);
  writeFileSync(temporary, JSON.stringify(now), { mode: 0o600 });
  renameSync(temporary, join(state, ROOT_FILE));
};

/** "+" is in no record's name: what follows it says which file beside the record this is. */
const recordOf = (file: string): string => file.replace(/\+.*$/, '');

/** Where `SHA256SUMS` are written: the SHA-256 of each file's content, and the file that is just being delivered. */
export const sumsPath = (recordPath: string): string => `${recordPath}+sums`;
export const manifestPath = (recordPath: string): string => `${recordPath}+manifest`;

/** Readable where the name allows it; a hash where it is too long for a file name of ours. */
const recordName = (directory: Name): string => {
  const bytes = encodeName(directory);
  const readable = encodeURIComponent(directory.toWellFormed());
  const isFaithful = directory.isWellFormed() && readable.length <= 200 && !readable.startsWith('.');
  return isFaithful ? readable : `=${createHash('sha256').update(bytes).digest('hex')}`;
};
