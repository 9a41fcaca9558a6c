import { TransportError } from '../../errors.ts';
import { showName, type Name, type OutgoingFile } from '../../transport.ts';
import { compareArguments, sendArguments, type RunPlace } from './arguments.ts';
import { createFarm, type Farm } from './farm.ts';
import { fileProblem, judgeRun, type RunEnd, type Verdict } from './judge.ts';
import { holdSource, type HeldSource } from './outgoing.ts';
import { comparisonOf, confirmedName } from './output.ts';
import { runRsync } from './run-rsync.ts';
import type { Session } from './session.ts';

/** One send that waits for its fate. */
export interface Waiting {
  readonly file: OutgoingFile;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

// A smaller file is sent anew sooner than the rest of it is found.
const RESUMED_FROM_BYTES = 1024 * 1024;

/**
 * Sends a batch in one run of rsync and settles each send on its own, as soon as its fate is known. Returns those that had no turn.
 * @returns `busy`: another run is at the destination, and it lets one in at a time
 */
export const sendBatch = async (
  session: Session,
  batch: readonly Waiting[],
  signal: AbortSignal,
): Promise<{ readonly again: Waiting[]; readonly busy: boolean }> => {
  using farm = createFarm(session.farms);
  const again: Waiting[] = [];
  const held = new Map<Name, { readonly waiting: Waiting; readonly source: HeldSource }>();
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
  if (held.size === 0) return { again, busy: false };

  try {
    const confirmed = confirmations(session, (name) =>
      settle(name, ({ file, resolve, reject }, source) => {
        try {
          source.checkUnchanged();
          resolve();
        } catch (error) {
          reject(error instanceof TransportError ? error : farmProblem(error, file));
        }
      }),
    );
    const { capabilities, options, context, master } = session;
    const place: RunPlace = { socket: master.socket, farm: farm.path, path: options.path, capabilities };
    const isBig = [...held.values()].some(({ waiting }) => waiting.file.identity.size >= RESUMED_FROM_BYTES);
    const end = await runRsync(
      sendArguments({
        ...place,
        durable: context.durable,
        bandwidth: context.bandwidth,
        partialFolder: isBig ? session.partialFolder : undefined,
      }),
      { list: farm.list, onLine: (line) => confirmed.add(confirmedName(line)) },
      signal,
    );
    for (const name of await alsoConfirmed(place, farm, [...held.keys()], end, signal)) confirmed.add(name);
    await confirmed.all();

    const verdict = signal.aborted ? STOPPED : judgeRun(end);
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
    return { again, busy: verdict.kind === 'busy' };
  } finally {
    for (const name of [...held.keys()]) settle(name, (waiting) => again.push(waiting));
  }
};

const STOPPED: Verdict = { kind: 'busy' };

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
  if (verdict.kind === 'refused' || verdict.kind === 'busy') return undefined;
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
  new TransportError(
    'file',
    `Cannot make ready "${showName(file.sourcePath)}": ${error instanceof Error ? error.message : String(error)}`,
    { hint: 'see that the state folder can be written and that enough files may be open (ulimit -n)', cause: error },
  );

/** Settles what the receiver has; where names must be durable, after a sync that serves all that came before it. */
const confirmations = (session: Session, onConfirmed: (name: Name) => void) => {
  let collected: Name[] = [];
  let syncing: Promise<void> | undefined;
  const syncAll = async (): Promise<void> => {
    while (collected.length > 0) {
      const names = collected;
      collected = [];
      try {
        await session.names.sync(new Set(names.map(folderOf)));
      } catch {
        return; // The line was lost: these stay unconfirmed.
      }
      for (const name of names) onConfirmed(name);
    }
  };
  return {
    add: (name: Name | undefined): void => {
      if (name === undefined) return;
      if (!session.context.durable) {
        onConfirmed(name);
        return;
      }
      collected.push(name);
      syncing ??= syncAll().finally(() => {
        syncing = undefined;
      });
    },
    all: async (): Promise<void> => {
      while (syncing !== undefined) await syncing;
    },
  };
};

const folderOf = (name: Name): Name => name.slice(0, Math.max(name.lastIndexOf('/'), 0));

/** What was confirmed without a line of its own: links that are gone, or, before 3.2.0, what a second look finds to be there. */
const alsoConfirmed = async (
  place: RunPlace,
  farm: Farm,
  left: readonly Name[],
  end: RunEnd,
  signal: AbortSignal,
): Promise<Name[]> => {
  if (place.capabilities.confirmsEach) return left.filter((name) => !farm.has(name));
  if (end.exitCode === 0) return [...left];
  if (end.exitCode !== 23 && end.exitCode !== 24) return [];
  const same: Name[] = [];
  await runRsync(
    compareArguments(place, { checksum: false }),
    {
      list: farm.list,
      onLine: (line) => {
        const found = comparisonOf(line);
        if (found?.verdict === 'same') same.push(found.name);
      },
    },
    signal,
  );
  return same;
};
