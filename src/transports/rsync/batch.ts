import { errorMessage, TransportError } from '../../errors.ts';
import { showName, type Name, type OutgoingFile } from '../../transport.ts';
import { compareArguments, sendArguments, type RunTarget } from './arguments.ts';
import { createStagingTree, type StagingTree } from './staging-tree.ts';
import { fileProblem, judgeRun, type RunEnd, type Verdict } from './judge.ts';
import { holdSource, type HeldSource } from './outgoing.ts';
import { comparisonOf } from './output.ts';
import type { Session } from './session.ts';

/** One file's send whose outcome is not known yet. */
export interface PendingSend {
  readonly file: OutgoingFile;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

// A smaller file is resent faster than its partial file is resumed.
const RESUME_MIN_BYTES = 1024 * 1024;

/** Sends a batch in one run of rsync and settles each send by itself. `unsent`: those that were not tried, and are not settled. */
export const sendBatch = async (
  session: Session,
  batch: readonly PendingSend[],
  { lockstep }: { readonly lockstep: boolean },
  signal: AbortSignal,
): Promise<{ readonly unsent: PendingSend[]; readonly connectionLost: boolean }> => {
  using tree = createStagingTree(session.stagingFolder);
  const unsent: PendingSend[] = [];
  const held = new Map<Name, HeldSend>();
  const settle = (name: Name, end: (send: PendingSend, source: HeldSource) => void): void => {
    const one = held.get(name);
    if (one === undefined) return;
    held.delete(name);
    using source = one.source;
    end(one.send, source);
  };
  for (const send of batch) {
    const { file } = send;
    let source: HeldSource | undefined;
    try {
      // Two sends to one name must run one after the other.
      if (held.has(file.targetPath)) unsent.push(send);
      else {
        source = holdSource(file);
        if (tree.link(file.targetPath, source.link)) held.set(file.targetPath, { send, source });
        else {
          source[Symbol.dispose]();
          unsent.push(send);
        }
      }
    } catch (error) {
      source?.[Symbol.dispose]();
      send.reject(error instanceof TransportError ? error : stagingProblem(error, file));
    }
  }
  if (held.size === 0) return { unsent, connectionLost: false };

  try {
    const { capabilities, options, context, master } = session;
    const target: RunTarget = { socket: master.socket, tree: tree.path, path: options.path, capabilities };
    const isBig = [...held.values()].some(({ send }) => send.file.identity.size >= RESUME_MIN_BYTES);
    const end = await session.runs.run(
      sendArguments({
        ...target,
        durable: context.durable,
        bandwidth: context.bandwidth,
        lockstep: lockstep,
        partialFolder: isBig ? session.partialFolder : undefined,
      }),
      { list: tree.list },
      signal,
    );
    const { confirmed, verdict } = await findConfirmed(session, target, { tree, held }, end, signal);
    for (const name of confirmed) {
      settle(name, ({ file, resolve, reject }, source) => {
        try {
          source.checkUnchanged();
          resolve();
        } catch (error) {
          reject(error instanceof TransportError ? error : stagingProblem(error, file));
        }
      });
    }
    if (signal.aborted) return { unsent, connectionLost: false }; // The rest is added to `unsent` below.
    if (verdict.kind === 'refused') session.refuse(verdict.options);
    for (const name of [...held.keys()]) {
      settle(name, (send, source) => {
        const error = failureOf(send.file, source, verdict, end, session);
        if (error === undefined) unsent.push(send);
        else send.reject(error);
      });
    }
    // rsync gave up at a file that it did not name: sending the same batch again would never end.
    if (verdict.kind === 'stopped' && unsent.length === batch.length)
      for (const { file, reject } of unsent.splice(0)) reject(refused(file, session, end));
    return { unsent, connectionLost: verdict.kind === 'connection' && verdict.class === 'network' };
  } finally {
    for (const name of [...held.keys()]) settle(name, (send) => unsent.push(send));
  }
};

interface HeldSend {
  readonly send: PendingSend;
  readonly source: HeldSource;
}

interface StagedBatch {
  readonly tree: StagingTree;
  readonly held: ReadonlyMap<Name, HeldSend>;
}

/**
 * Which files the destination has under their final names, their names on stable storage where possible, and the verdict on the
 * others. After exit code 0 it has all. Otherwise a second run compares by content: a file of the same size and time may be an older one.
 */
const findConfirmed = async (
  session: Session,
  target: RunTarget,
  { tree, held }: StagedBatch,
  end: RunEnd,
  signal: AbortSignal,
): Promise<{ readonly confirmed: readonly Name[]; readonly verdict: Verdict }> => {
  const verdict = judgeRun(end);
  let confirmed: readonly Name[] = [];
  if (end.exitCode === 0) confirmed = [...held.keys()];
  else if (triedSomeFiles(verdict)) {
    const same: Name[] = [];
    tree.relink([...held].map(([name, { source }]) => [name, source.link]));
    const comparison = await session.runs.run(
      compareArguments(target, 'content'),
      {
        list: tree.list,
        onLine: (line) => {
          const found = comparisonOf(line);
          if (found?.verdict === 'same') same.push(found.name);
        },
      },
      signal,
    );
    const comparisonVerdict = judgeRun(comparison);
    if (comparisonVerdict.kind === 'connection') return { confirmed: [], verdict: comparisonVerdict };
    confirmed = same;
  }
  try {
    await session.names.sync(new Set(confirmed.map(folderOf)));
  } catch (error) {
    return { confirmed: [], verdict: namesNotSynced(error) };
  }
  return { confirmed, verdict };
};

/** Whether rsync tried at least some of the files. */
const triedSomeFiles = (verdict: Verdict): boolean =>
  verdict.kind === 'files' ||
  verdict.kind === 'stopped' ||
  (verdict.kind === 'connection' && verdict.class === 'destination-full');

const namesNotSynced = (error: unknown): Verdict => ({
  kind: 'connection',
  class: 'network',
  state: `file names could not be synced to stable storage: ${errorMessage(error)}`,
  hint: 'check the server and the connection',
});

/** Why a file was not confirmed; undefined: it was not tried. */
const failureOf = (
  file: OutgoingFile,
  source: HeldSource,
  verdict: Verdict,
  end: RunEnd,
  session: Session,
): TransportError | undefined => {
  try {
    source.checkUnchanged();
  } catch (error) {
    if (error instanceof TransportError) return error;
  }
  if (verdict.kind === 'refused') return undefined;
  if (verdict.kind === 'connection') {
    return new TransportError(
      verdict.class,
      `Cannot send "${showName(file.targetPath)}" to ${session.label}: ${verdict.state}`,
      { hint: verdict.hint },
    );
  }
  const own = fileProblem(end.stderr, file.targetPath, session.label);
  return own ?? (verdict.kind === 'stopped' ? undefined : refused(file, session, end));
};

const refused = (file: OutgoingFile, { label }: Session, { exitCode, stderr }: RunEnd): TransportError =>
  new TransportError(
    'file',
    `Cannot send "${showName(file.targetPath)}" to ${label}: rsync ended with ${exitCode ?? 'a signal'}${stderr === '' ? '' : `: ${showName(stderr.trim().slice(0, 300))}`}`,
    { hint: 'look for the reason at the destination' },
  );

const stagingProblem = (error: unknown, file: OutgoingFile): TransportError =>
  new TransportError('file', `Cannot prepare "${showName(file.sourcePath)}": ${errorMessage(error)}`, {
    hint: 'check that the state folder is writable and that enough files may be open (ulimit -n)',
    cause: error,
  });

const folderOf = (name: Name): Name => name.slice(0, Math.max(name.lastIndexOf('/'), 0));
