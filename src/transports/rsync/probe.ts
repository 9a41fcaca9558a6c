import { TransportError, type ProbeResult } from '../../transport.ts';
import { missingFolder } from '../missing-folder.ts';
import { compareArguments, removeFoldersArguments, sendArguments, tidyArguments } from './arguments.ts';
import { coarseTimes } from '../coarse-times.ts';
import { noPermissions } from '../no-permissions.ts';
import { compare } from './compare.ts';
import { ODD_TIME_S } from './held-times.ts';
import { worksWithoutPermissions } from './without-permissions.ts';
import { StagingTree } from './staging-tree.ts';
import { fileProblem, isBusy, isWhole, judgeRun, mayLackPermissions, showEnd, type RunEnd } from './judge.ts';
import type { Session } from './session.ts';

/** The lines of `isocket check`: the versions at both ends, and whether a file can be written and removed at the destination. */
export async function* probeDestination(
  connected: () => Session | Promise<Session>,
  signal: AbortSignal,
): AsyncGenerator<ProbeResult> {
  let session;
  try {
    session = await connected();
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    yield { what: 'login', state: 'failure', message: error.message, hint: error.hint ?? 'try again later' };
    return;
  }
  signal.throwIfAborted();
  const { label, version } = session;
  yield { what: 'rsync here', state: 'ok', message: version.join('.') };
  yield { what: 'login', state: 'ok', message: `${label} answers, with its known host key` };

  // The same name in every run: where it cannot be removed, at most one is left.
  const name = `.isocket-${session.context.owner}-check.part`;
  const { result: there, missing } = await startThere(session, name, signal);
  yield there;
  if (there.state === 'failure') return;
  const written = await writeThere(session, name, signal);
  yield written;
  if (written.state === 'ok' && !session.capabilities.optional.has('perms')) yield noPermissions();
  if (written.state === 'ok') yield await timesThere(session, name, signal);
  const removed = written.state === 'ok' ? await removeThere(session, name, signal) : undefined;
  if (removed !== undefined) yield removed;
  if (missing === 0) return;
  const left = await removeMade(session, missing, signal);
  if (removed?.state === 'ok') yield left;
}

/** How many folders of destination.path are missing: a dry run says which it would make. */
const foldersMade = (line: string): number => {
  const made = /^created (?:(\d+) director|directory )/.exec(line);
  return made === null ? 0 : Number(made[1] ?? 1);
};

/** destination.path in two: what exists, and the names of the folders below it that are missing. */
const splitPath = (path: string, missing: number): { readonly existing: string; readonly names: readonly string[] } => {
  const parts = path.split('/');
  return { existing: parts.slice(0, -missing).join('/'), names: parts.slice(-missing) };
};

const startThere = async (
  session: Session,
  name: string,
  signal: AbortSignal,
): Promise<{ readonly result: ProbeResult; readonly missing: number }> => {
  let missing = 0;
  const onLine = (line: Buffer): void => {
    missing = Math.max(missing, foldersMade(line.toString('latin1')));
  };
  using tree = new StagingTree(session.stagingFolder);
  tree.placeholder(name, 0n, 0);
  const run = compareArguments(session.target(tree), 'listed');
  const verdict = judgeRun(await session.runs.once(run, { list: tree.list, onLine }, signal));
  signal.throwIfAborted();
  const what = 'rsync there';
  if (verdict.kind === 'connection')
    return { result: { what, state: 'failure', message: verdict.state, hint: verdict.hint }, missing };
  const { path } = session.options;
  const { existing, names } = splitPath(path, missing);
  const place =
    missing === 0 ? 'destination.path is usable' : missingFolder(path, [existing, ...names.slice(0, 1)].join('/'));
  return { result: { what, state: 'ok', message: `it starts, and ${place}` }, missing };
};

/** Sends a file of one byte with the options of every send. */
const writeThere = async (session: Session, name: string, signal: AbortSignal): Promise<ProbeResult> => {
  const { durable } = session.context;
  const send = async (): Promise<RunEnd> => {
    using tree = new StagingTree(session.stagingFolder);
    tree.placeholder(name, 1n, ODD_TIME_S);
    const how = {
      ...session.target(tree),
      durable,
      bandwidth: null,
      lockstep: true, // As a scan may send: rsync can fail in it where it does not otherwise.
      partialFolder: undefined,
    };
    return await session.runs.once(sendArguments(how), { list: tree.list }, signal);
  };
  let end = await send();
  const first = judgeRun(end);
  const lacksPermissions = mayLackPermissions(end) && (await worksWithoutPermissions(session, '', signal));
  if (first.kind === 'refused' || lacksPermissions) {
    session.refuse(first.kind === 'refused' ? first.options : ['perms']);
    end = await send();
  }
  signal.throwIfAborted();
  const verdict = judgeRun(end);
  const what = 'write';
  if (isWhole(end)) {
    const synced = durable && session.capabilities.optional.has('fsync');
    const message = `a file was written${synced ? ', put on stable storage' : ''} and renamed there`;
    return { what, state: 'ok', message };
  }
  if (isBusy(end)) {
    const message = 'not tried: rrsync admits one rsync at a time, and another one is running';
    return { what, state: 'warning', message, hint: 'try again when it has ended' };
  }
  if (verdict.kind === 'connection') return { what, state: 'failure', message: verdict.state, hint: verdict.hint };
  const problem = fileProblem(end.stderr, name, session.label);
  return {
    what,
    state: 'failure',
    message: problem?.message ?? showEnd(end),
    hint: problem?.hint ?? 'look for the reason at the destination',
  };
};

/** What the file system there makes of the time of a file. */
const timesThere = async (session: Session, name: string, signal: AbortSignal): Promise<ProbeResult> => {
  const what = 'mtime';
  const isOf = async (mtimeSeconds: number): Promise<boolean> => {
    const file = { sourcePath: '', targetPath: name, size: 1n, mtimeSeconds };
    return (await compare(session, [file], 'listed', signal)).size === 0;
  };
  try {
    if (await isOf(ODD_TIME_S)) return { what, state: 'ok', message: 'file times are kept' };
    if (await isOf(ODD_TIME_S - 1)) return coarseTimes(ODD_TIME_S, ODD_TIME_S - 1);
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    return { what, state: 'warning', message: error.message, hint: error.hint ?? 'try again later' };
  }
  const message = 'Cannot keep the time of a file: it is another one than was set';
  return { what, state: 'failure', message, hint: 'let the file system there keep times: verify compares them' };
};

const removeThere = async (session: Session, name: string, signal: AbortSignal): Promise<ProbeResult> => {
  using tree = new StagingTree(session.stagingFolder);
  const run = tidyArguments(session.target(tree), name);
  const { exitCode } = await session.runs.once(run, {}, signal);
  signal.throwIfAborted();
  return exitCode === 0
    ? { what: 'clean up', state: 'ok', message: 'the test file was removed' }
    : {
        what: 'clean up',
        state: 'warning',
        message: `"${name}" stays at the destination: the account may not remove files`,
        hint: 'nothing needs to be done: there is never more than this one file',
      };
};

/** A mistyped destination.path is not to stay. */
const removeMade = async (session: Session, missing: number, signal: AbortSignal): Promise<ProbeResult> => {
  using tree = new StagingTree(session.stagingFolder);
  const { path } = session.options;
  const { existing, names } = splitPath(path, missing);
  const kept: Buffer[] = [];
  const onLine = (line: Buffer): void => {
    if (line.includes('cannot delete')) kept.push(line);
  };
  const run = removeFoldersArguments({ ...session.target(tree), path: existing }, names);
  const { exitCode, stderr } = await session.runs.once(run, { onLine }, signal);
  signal.throwIfAborted();
  const what = 'clean up';
  return exitCode === 0 && kept.length === 0 && stderr === ''
    ? { what, state: 'ok', message: 'the folder that was made to try it is removed' }
    : {
        what,
        state: 'warning',
        message: `Cannot remove "${path}", which was made to try it`,
        hint: 'this is fine if the account may only add files; remove it yourself if destination.path is mistyped',
      };
};
