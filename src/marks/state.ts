import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { errorMessage, systemErrorCode, UserError } from '../errors.ts';
import { encodeName, type Name } from '../name.ts';

/** Where a site keeps what must survive a restart. Losing it loses nothing: at worst files go twice. */
export interface StateFolder {
  readonly path: string;
  /** When this state began, in nanoseconds since 1970: a directory that is younger was never marked by anybody before us. */
  readonly sinceNs: bigint;
  /** The file with the record of a directory's marks. */
  recordPath(directory: Name): string;
  /** How long that file was when this process first asked: what follows is of this process. 0 while there is none. */
  recordedBefore(directory: Name): number;
  /** Forgets the records of directories that are no longer there. */
  keepRecordsOf(directories: ReadonlySet<Name>): void;
}

/** The state as it is, for looking without leaving a trace. */
export interface StateView {
  /** undefined: there is none yet, or we may not read it. */
  readonly sinceNs: bigint | undefined;
  recordPath(directory: Name): string;
}

export const viewState = (path: string): StateView => {
  const recordPath = (directory: Name): string => join(path, 'records', recordName(directory));
  try {
    return { sinceNs: BigInt(readFileSync(join(path, 'since'), 'utf8')), recordPath };
  } catch (error) {
    if (systemErrorCode(error) === undefined && !(error instanceof SyntaxError)) throw error;
    return { sinceNs: undefined, recordPath };
  }
};

/** contract.md §6: `/var/lib/isocket/SITE`, or `~/.local/state/isocket/SITE` for who may not write there. */
export const defaultStatePath = (site: string): string =>
  process.geteuid?.() === 0
    ? join('/var/lib/isocket', site)
    : join(process.env.XDG_STATE_HOME ?? join(homedir(), '.local/state'), 'isocket', site);

/** @throws UserError where it cannot be made or written */
export const openState = (path: string): StateFolder => {
  const records = join(path, 'records');
  const lengths = new Map<string, number>();
  const recordedBefore = (directory: Name): number => {
    const name = recordName(directory);
    const length = lengths.get(name) ?? statSync(join(records, name), { throwIfNoEntry: false })?.size;
    if (length !== undefined) lengths.set(name, length);
    return length ?? 0;
  };
  try {
    mkdirSync(records, { recursive: true, mode: 0o700 });
    for (const folder of [path, records]) checkIsOurs(folder);
    return {
      path,
      sinceNs: readSince(join(path, 'since')),
      recordPath: (directory) => join(records, recordName(directory)),
      recordedBefore,
      keepRecordsOf: (directories) => {
        const kept = new Set([...directories].map(recordName));
        for (const file of readdirSync(records)) if (!kept.has(file)) rmSync(join(records, file));
        for (const name of lengths.keys()) if (!kept.has(name)) lengths.delete(name);
      },
    };
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`Cannot use the state folder "${path}": ${errorMessage(error)}`, {
      hint: 'let the user that runs isocket write it, or name another one with state in the configuration',
      cause: error,
    });
  }
};

/** Who can write there can have files taken for sent that are not. */
const checkIsOurs = (folder: string): void => {
  const { uid, mode } = statSync(folder);
  const us = process.geteuid?.() ?? uid;
  const [state, hint] =
    uid !== us && uid !== 0
      ? [`it belongs to user ${uid}, isocket runs as user ${us}`, `chown it, or name another one with state`]
      : (mode & 0o022) !== 0
        ? ['others than its owner can write it', `chmod go-w ${folder}`]
        : [];
  if (state !== undefined)
    throw new UserError(`Cannot use the state folder "${folder}": ${state}`, hint === undefined ? {} : { hint });
};

const readSince = (path: string): bigint => {
  try {
    return BigInt(readFileSync(path, 'utf8'));
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT' && !(error instanceof SyntaxError)) throw error;
    // By the clock that stamps files, which is coarser than the clock of the process.
    writeFileSync(path, '', { mode: 0o600 });
    const { ctimeNs } = lstatSync(path, { bigint: true });
    writeFileSync(path, String(ctimeNs));
    return ctimeNs;
  }
};

/** Readable where the name allows it; a hash where it is too long for a file name of ours. */
const recordName = (directory: Name): string => {
  const bytes = encodeName(directory);
  const readable = encodeURIComponent(directory.toWellFormed());
  const isFaithful = directory.isWellFormed() && readable.length <= 200 && !readable.startsWith('.');
  return isFaithful ? readable : `=${createHash('sha256').update(bytes).digest('hex')}`;
};
