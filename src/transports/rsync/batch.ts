import { errorMessage, TransportError } from '../../errors.ts';
import { showName, type Name, type OutgoingFile } from '../../transport.ts';
import { compareArguments, sendArguments, type RunPlace } from './arguments.ts';
import { createFarm, type Farm } from './staging-tree.ts';
import { fileProblem, judgeRun, type RunEnd, type Verdict } from './judge.ts';
import { holdSource, type HeldSource } from './outgoing.ts';
import { comparisonOf } from './output.ts';
import type { Session } from './session.ts';

/** One send that waits for its fate. */
export interface Waiting {
  readonly file: OutgoingFile;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

// A smaller file is sent anew sooner than the rest of it is found.
const RESUMED_FROM_BYTES = 1024 * 1024;

/** Sends a batch in one run of rsync and settles each send on its own. Returns those that had no turn. */
export const sendBatch = async (
  session: Session,
  batch: readonly Waiting[],
  { inStep }: { readonly inStep: boolean },
  signal: AbortSignal,
): Promise<{ readonly again: Waiting[]; readonly lineFailed: boolean }> => {
  using farm = createFarm(session.farms);
  const again: Waiting[] = [];
  const held = new Map<Name, Held>();
  const settle = (name: Name, end: (waiting: Waiting, source: HeldSource) => void): void => {
    const one = held.get(name);
    if (one === undefined) return;
    held.delete(name);
    using source = one.source;
    end(one.waiting, source);
  };
  for (const waiting of batch) {
    const { file } = waiting;
    let source: HeldSource | undefined;
    try {
      // Two sends to one name go one after the other.
      if (held.has(file.targetPath)) again.push(waiting);
      else {
        source = holdSource(file);
        if (farm.link(file.targetPath, source.link)) held.set(file.targetPath, { waiting, source });
        else {
          source[Symbol.dispose]();
          again.push(waiting);
        }
      }
    } catch (error) {
      source?.[Symbol.dispose]();
      waiting.reject(error instanceof TransportError ? error : farmProblem(error, file));
    }
  }
  if (held.size === 0) return { again, lineFailed: false };

  try {
    const { capabilities, options, context, master } = session;
    const place: RunPlace = { socket: master.socket, farm: farm.path, path: options.path, capabilities };
    const isBig = [...held.values()].some(({ waiting }) => waiting.file.identity.size >= RESUMED_FROM_BYTES);
    const end = await session.runs.run(
      sendArguments({
        ...place,
        durable: context.durable,
        bandwidth: context.bandwidth,
        inStep,
        partialFolder: isBig ? session.partialFolder : undefined,
      }),
      { list: farm.list },
      signal,
    );
    const { arrived, verdict } = await whatArrived(session, place, { farm, held }, end, signal);
    for (const name of arrived) {
      settle(name, ({ file, resolve, reject }, source) => {
        try {
          source.checkUnchanged();
          resolve();
        } catch (error) {
          reject(error instanceof TransportError ? error : farmProblem(error, file));
        }
      });
    }
    if (signal.aborted) return { again, lineFailed: false }; // What is held goes again.
    if (verdict.kind === 'refused') session.refuse(verdict.options);
    for (const name of [...held.keys()]) {
      settle(name, (waiting, source) => {
        const error = whyNot(waiting.file, source, verdict, end, session);
        if (error === undefined) again.push(waiting);
        else waiting.reject(error);
      });
    }
    // rsync gave up at a file that it did not name: without an end we would try for ever.
    if (verdict.kind === 'stopped' && again.length === batch.length)
      for (const { file, reject } of again.splice(0)) reject(refused(file, session, end));
    return { again, lineFailed: verdict.kind === 'line' && verdict.class === 'network' };
  } finally {
    for (const name of [...held.keys()]) settle(name, (waiting) => again.push(waiting));
  }
};

interface Held {
  readonly waiting: Waiting;
  readonly source: HeldSource;
}

interface Listed {
  readonly farm: Farm;
  readonly held: ReadonlyMap<Name, Held>;
}

/**
 * Which files the receiver has under their final names, as durably as it can be; and the verdict on the others. After a run that went
 * well all are there. Otherwise a second one looks, by content: of the same size and time a file may have been before, too.
 */
const whatArrived = async (
  session: Session,
  place: RunPlace,
  { farm, held }: Listed,
  end: RunEnd,
  signal: AbortSignal,
): Promise<{ readonly arrived: readonly Name[]; readonly verdict: Verdict }> => {
  const verdict = judgeRun(end);
  let arrived: readonly Name[] = [];
  if (end.exitCode === 0) arrived = [...held.keys()];
  else if (hadTurns(verdict)) {
    const same: Name[] = [];
    farm.mend([...held].map(([name, { source }]) => [name, source.link]));
    const look = await session.runs.run(
      compareArguments(place, 'content'),
      {
        list: farm.list,
        onLine: (line) => {
          const found = comparisonOf(line);
          if (found?.verdict === 'same') same.push(found.name);
        },
      },
      signal,
    );
    const lookVerdict = judgeRun(look);
    if (lookVerdict.kind === 'line') return { arrived: [], verdict: lookVerdict };
    arrived = same;
  }
  try {
    await session.names.sync(new Set(arrived.map(folderOf)));
  } catch (error) {
    return { arrived: [], verdict: lineLost(error) };
  }
  return { arrived, verdict };
};

/** Were some of the files tried? */
const hadTurns = (verdict: Verdict): boolean =>
  verdict.kind === 'files' ||
  verdict.kind === 'stopped' ||
  (verdict.kind === 'line' && verdict.class === 'destination-full');

const lineLost = (error: unknown): Verdict => ({
  kind: 'line',
  class: 'network',
  state: `their names could not be put on stable storage: ${errorMessage(error)}`,
  hint: 'see that the line and the server are well',
});

/** undefined: it had no turn. */
const whyNot = (
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
  if (verdict.kind === 'line') {
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
    { hint: 'look at the destination for the reason' },
  );

const farmProblem = (error: unknown, file: OutgoingFile): TransportError =>
  new TransportError('file', `Cannot make ready "${showName(file.sourcePath)}": ${errorMessage(error)}`, {
    hint: 'see that the state folder can be written and that enough files may be open (ulimit -n)',
    cause: error,
  });

const folderOf = (name: Name): Name => name.slice(0, Math.max(name.lastIndexOf('/'), 0));
