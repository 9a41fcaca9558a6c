import { mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatBytes } from '../../core/units.ts';
import { TransportError, type OutgoingFile, type ProbeResult } from '../../transport.ts';
import { explain, isMissing } from './failures.ts';
import { toRemotePath } from './names.ts';
import { showRemote } from './options.ts';
import { DESTINATION } from './rclone-process.ts';
import { createTemporaryNames, sendFile } from './send-file.ts';
import type { Session } from './session.ts';
import { statStored, type StoredFile } from './stored-files.ts';

const CONTENT = 'isocket check\n';
/** Of an odd second, which FAT does not have. */
const ODD_TIME_S = 1_000_000_007;

/** The lines of `isocket check`. */
export async function* probeDestination(
  connected: () => Session | Promise<Session>,
  signal: AbortSignal,
): AsyncGenerator<ProbeResult> {
  let session: Session;
  try {
    signal.throwIfAborted();
    session = await connected();
  } catch (error) {
    yield failure('remote', error, signal);
    return;
  }
  signal.throwIfAborted();
  const { traits, shared } = session;
  yield { what: 'rclone here', state: 'ok', message: session.program.version };
  const way = traits.isAtomic
    ? 'a file appears when it is whole'
    : 'files get their name by a move when they are whole';
  if (session.refusal !== undefined) {
    const { reason, hint } = session.refusal;
    yield { what: 'remote', state: 'failure', message: `nothing is sent to ${shared.label}: ${reason}`, hint };
    return;
  }
  yield { what: 'remote', state: 'ok', message: `${shared.label} is ${traits.description}: ${way}` };

  const missing = await missingFolder(session, signal);
  if (missing !== undefined) yield missing;

  // The same name in every run: where it cannot be removed, at most one is left.
  const name = `.isocket-${shared.context.owner}-check.part`;
  try {
    yield* tryFile(session, name, signal);
  } catch (error) {
    yield failure('write', error, signal);
  } finally {
    await remove(session, name).catch(() => undefined);
  }
  signal.throwIfAborted();
  if ((await statStored(session, name, {}, signal).catch(() => undefined)) === undefined) return;
  yield {
    what: 'clean up',
    state: 'warning',
    message: `"${name}" stays at the destination: the account may not remove files`,
    hint: 'nothing needs to be done: there is never more than this one file',
  };
}

/** A bucket too: rclone makes it with the first file, where the account may. A path within a bucket is never missing. */
const missingFolder = async (session: Session, signal: AbortSignal): Promise<ProbeResult | undefined> => {
  try {
    const opt = { noModTime: true, noMimeType: true };
    await session.call('operations/list', { fs: DESTINATION, remote: '', opt }, signal);
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (!isMissing(error)) return undefined; // What writes a file says more.
    const { label, options } = session.shared;
    return {
      what: 'folder',
      state: session.traits.isAtomic ? 'warning' : 'ok',
      message: `there is no ${label} yet: rclone makes it with the first file, if it may`,
      hint: `see that destination.remote is right, or make it: rclone mkdir ${showRemote(options.remote)}`,
    };
  }
};

async function* tryFile(session: Session, name: string, signal: AbortSignal): AsyncGenerator<ProbeResult> {
  using file = makeFile(name);
  const names = createTemporaryNames(session.shared.context.owner);
  await sendFile(session, file.outgoing, names, signal);
  const found = await statStored(session, name, { hash: session.traits.hash }, signal);
  if (found?.size !== CONTENT.length) {
    const state = found === undefined ? 'is not there' : `has ${found.size} bytes, not ${CONTENT.length}`;
    throw new TransportError('file', `Cannot trust ${session.shared.label}: a file that rclone has written ${state}`, {
      hint: 'see what the remote makes of files that are written to it',
    });
  }
  const moved = session.traits.isAtomic ? '' : ' and renamed';
  yield { what: 'write', state: 'ok', message: `a file was written${moved} there` };
  signal.throwIfAborted();
  yield await replace(session, file.outgoing, signal);
  yield comparison(session, found);
  const space = await freeSpace(session, signal);
  if (space !== undefined) yield space;
}

const replace = async (session: Session, file: OutgoingFile, signal: AbortSignal): Promise<ProbeResult> => {
  const what = 'replace';
  try {
    await sendFile(session, file, createTemporaryNames(session.shared.context.owner), signal);
    const { isAtomic } = session.traits;
    const how =
      isAtomic || !session.shared.options.allowDeleteFirst ? '' : ', if need be by deleting the older one first';
    return { what, state: 'ok', message: `an older file is replaced${how}` };
  } catch (error) {
    return { ...failure(what, error, signal), state: 'warning' };
  }
};

const failure = (what: string, error: unknown, signal: AbortSignal): ProbeResult => {
  signal.throwIfAborted();
  if (!(error instanceof TransportError)) throw error;
  return { what, state: 'failure', message: error.message, hint: error.hint ?? 'try again later' };
};

const makeFile = (targetPath: string): Disposable & { readonly outgoing: OutgoingFile } => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-check-'));
  const sourcePath = join(folder, 'file');
  writeFileSync(sourcePath, CONTENT);
  utimesSync(sourcePath, ODD_TIME_S, ODD_TIME_S);
  return {
    outgoing: { sourcePath, targetPath, mode: 0o600, identity: statSync(sourcePath, { bigint: true }) },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
};

/** What a file is compared by, and what is not kept. */
const comparison = ({ traits: { timesWithin, hash } }: Session, found: StoredFile): ProbeResult => {
  const what = 'compared';
  const sum = hash === undefined || found.hashes[hash] === undefined ? undefined : hash;
  const content = sum === undefined ? 'content is compared by reading it' : `content by the store’s ${sum}`;
  const isKept = timesWithin !== undefined && Math.abs(found.mtimeSeconds - ODD_TIME_S) < timesWithin;
  if (isKept) return { what, state: 'ok', message: `size and mtime; ${content}. Permission bits are not kept there` };
  if (timesWithin !== undefined)
    return {
      what,
      state: 'failure',
      message: `the remote says that it keeps times, and made ${found.mtimeSeconds} of ${ODD_TIME_S}`,
      hint: 'see what it does with the times of files: verify compares them',
    };
  if (sum !== undefined)
    return { what, state: 'ok', message: `size and the store’s ${sum}: times are not kept there, nor are permission bits` }; // prettier-ignore
  return {
    what,
    state: 'warning',
    message: 'size alone: the remote keeps neither times nor sums. What a record does not know is sent again',
    hint: 'set verify: checksum to have each file read back once, or use a remote that keeps times or sums',
  };
};

const freeSpace = async (session: Session, signal: AbortSignal): Promise<ProbeResult | undefined> => {
  try {
    const { free } = await session.call('operations/about', { fs: DESTINATION }, signal);
    if (typeof free !== 'number') return undefined;
    return { what: 'free space', state: 'ok', message: formatBytes(free) };
  } catch {
    signal.throwIfAborted();
    return undefined; // Most object stores have no end that they would tell.
  }
};

const remove = async (session: Session, name: string): Promise<void> => {
  try {
    await session.call('operations/deletefile', { fs: DESTINATION, remote: toRemotePath(name) });
  } catch (error) {
    if (!isMissing(error)) throw explain(`remove a file at ${session.shared.label}`, error);
  }
};
