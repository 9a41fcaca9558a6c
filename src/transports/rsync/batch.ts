import { formatBytes } from '../../core/units.ts';
import { errorMessage, TransportError } from '../../errors.ts';
import { showName, wholeSeconds, type ExpectedFile, type Name, type OutgoingFile } from '../../transport.ts';
import { compareArguments, sendArguments } from './arguments.ts';
import {
  connectionError,
  fileProblem,
  isWhole,
  judgeRun,
  mayLackPermissions,
  showEnd,
  type ConnectionVerdict,
  type RunEnd,
  type Verdict,
} from './judge.ts';
import type { HeldSource } from './outgoing.ts';
import { comparisonOf } from './output.ts';
import type { PendingSend } from './pending-send.ts';
import type { RunIo } from './run-rsync.ts';
import { RESUME_MIN_BYTES, type RunStop } from './run-stop.ts';
import type { Session } from './session.ts';
import { StagedBatch } from './staged-batch.ts';
import { folderOf } from './target-path.ts';
import { removePartials } from './tidy.ts';

/** What became of a batch. */
export interface BatchEnd {
  /** Not tried and not settled: for a later run. */
  readonly unsent: readonly PendingSend[];
  readonly connectionLost: boolean;
  /** The run stood still, and was ended. */
  readonly stalled: boolean;
}

type Stop = Pick<RunStop, 'signal' | 'isAsked'>;

/** Sends a batch in one run of rsync and settles each send by itself. Of a run that was interrupted only confirmed files are settled. */
export const sendBatch = async (
  session: Session,
  batch: readonly PendingSend[],
  { lockstep }: { readonly lockstep: boolean },
  stop: Stop,
): Promise<BatchEnd> => {
  using staged = new StagedBatch(session.stagingFolder, batch);
  const { unsent } = staged;
  if (staged.names.length === 0) return { unsent, connectionLost: false, stalled: false };

  const end = await runSend(session, staged, lockstep, stop);
  const { confirmed, verdict } = await findConfirmed(session, staged, end, stop);
  const stalled = end.stalledMs !== undefined;
  if (isFull(verdict)) await makeRoom(session, staged, stop);
  staged.confirm(confirmed);
  if (stop.signal.aborted) {
    if (stop.isAsked) tellStopped(session, staged);
    staged.settleRest(() => undefined);
    return { unsent, connectionLost: false, stalled };
  }
  if (verdict.kind === 'refused') session.refuse(verdict.options);
  staged.settleRest((file, source) => failureOf(file, source, verdict, end, session.label));
  // rsync gave up at a file that it did not name: sending the same batch again would never end.
  if (verdict.kind === 'stopped' && unsent.length === batch.length)
    for (const send of unsent.splice(0)) send.reject(notConfirmed(send.file, end, session.label));
  return { unsent, connectionLost: verdict.kind === 'connection' && verdict.class === 'network', stalled };
};

const tellStopped = ({ context, label, capabilities }: Session, { largest, names }: StagedBatch): void => {
  if (largest === undefined || largest.identity.size < RESUME_MIN_BYTES) return;
  const others = names.length > 1 ? ` and ${names.length - 1} others` : '';
  const next = capabilities.optional.has('partial-dir')
    ? 'rsync keeps what is there, and a later run goes on with it'
    : 'a later run sends it from its start';
  context.log(
    'info',
    `stopped sending "${showName(largest.targetPath)}" to ${label}, a file of ${formatBytes(Number(largest.identity.size))}${others}: ${next}`,
  );
};

const runSend = async (session: Session, staged: StagedBatch, lockstep: boolean, stop: Stop): Promise<RunEnd> => {
  const { durable, bandwidth } = session.context;
  const { largest, largestBytes } = staged;
  const partialFolder = largestBytes >= RESUME_MIN_BYTES ? session.partialFolder : undefined;
  const args = sendArguments({ ...session.target(staged.tree), durable, bandwidth, lockstep, partialFolder });
  // Each byte of it is read once and written once.
  const onMoved = (bytes: number): void => {
    if (largest === undefined || largestBytes < RESUME_MIN_BYTES) return;
    session.underWay.set(largest.targetPath, Math.min(largestBytes, Math.floor(bytes / 2)));
  };
  try {
    return await session.runs.run(args, { ...ioOf(staged, stop), onMoved }, stop.signal);
  } finally {
    if (largest !== undefined) session.underWay.delete(largest.targetPath);
  }
};

const ioOf = (staged: StagedBatch, stop: Stop): RunIo => ({
  list: staged.tree.list,
  largestBytes: staged.largestBytes,
  mustEnd: () => stop.isAsked,
});

/**
 * Which files the destination has under their final names, their names on stable storage where possible, and the verdict on the
 * others. After exit code 0 it has all. Otherwise a second run compares by content: a file of the same size and time may be an older one.
 */
const findConfirmed = async (
  session: Session,
  staged: StagedBatch,
  end: RunEnd,
  stop: Stop,
): Promise<{ readonly confirmed: readonly Name[]; readonly verdict: Verdict }> => {
  const verdict = judgeRun(end);
  let confirmed: readonly Name[] = [];
  if (isWhole(end)) confirmed = staged.names;
  else if (await lacksPermissions(session, staged, end, stop))
    return { confirmed, verdict: { kind: 'refused', options: ['perms'] } };
  else if (triedSomeFiles(verdict)) {
    const comparison = await compareContent(session, staged, stop);
    if (comparison.verdict.kind === 'connection') return { confirmed: [], verdict: comparison.verdict };
    confirmed = comparison.same;
  }
  try {
    await session.names.sync(new Set(confirmed.map(folderOf)), () => stop.isAsked);
  } catch (error) {
    return { confirmed: [], verdict: namesNotSynced(error) };
  }
  return { confirmed, verdict };
};

const lacksPermissions = async (
  session: Session,
  { names }: StagedBatch,
  end: RunEnd,
  { signal }: Stop,
): Promise<boolean> => {
  const [first] = names;
  if (first === undefined || signal.aborted || !mayLackPermissions(end)) return false;
  const { worksWithoutPermissions } = await import('./without-permissions.ts');
  return worksWithoutPermissions(session, folderOf(first), signal);
};

const compareContent = async (
  session: Session,
  staged: StagedBatch,
  stop: Stop,
): Promise<{ readonly same: readonly Name[]; readonly verdict: Verdict }> => {
  const same: Name[] = [];
  const ofOtherTime = new Map<ExpectedFile, 'time'>();
  const onLine = (line: Buffer): void => {
    const found = comparisonOf(line);
    if (found?.verdict === 'same') same.push(found.name);
    const file = found?.verdict === 'time' ? staged.fileOf(found.name) : undefined;
    if (file !== undefined) ofOtherTime.set(expected(file), 'time');
  };
  staged.relink();
  const args = compareArguments(session.target(staged.tree), 'content');
  const end = await session.runs.run(args, { ...ioOf(staged, stop), onLine }, stop.signal);
  const { heldThere } = await import('./held-times.ts');
  const held = stop.signal.aborted ? [] : await heldThere(session, ofOtherTime, stop.signal);
  return { same: [...same, ...held.map(({ targetPath }) => targetPath)], verdict: judgeRun(end) };
};

const expected = ({ sourcePath, targetPath, identity }: OutgoingFile): ExpectedFile => ({
  sourcePath,
  targetPath,
  size: identity.size,
  mtimeSeconds: wholeSeconds(identity.mtimeNs),
});

const isFull = (verdict: Verdict): boolean => verdict.kind === 'connection' && verdict.class === 'destination-full';

/** What rsync keeps of a file that does not fit would keep the destination full for every other one. */
const makeRoom = async (session: Session, staged: StagedBatch, { signal }: Stop): Promise<void> => {
  if (staged.largestBytes < RESUME_MIN_BYTES || !session.capabilities.optional.has('partial-dir')) return;
  try {
    await removePartials(session, [...new Set(staged.names.map(folderOf))], signal);
  } catch (error) {
    if (!(error instanceof TransportError) && !signal.aborted) throw error;
    session.context.log('info', `partial files stay at ${session.label}: ${errorMessage(error)}`);
  }
};

/** Whether rsync tried at least some of the files. */
const triedSomeFiles = (verdict: Verdict): boolean =>
  verdict.kind === 'files' || verdict.kind === 'stopped' || isFull(verdict);

const namesNotSynced = (error: unknown): ConnectionVerdict => ({
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
  label: string,
): TransportError | undefined => {
  try {
    source.checkUnchanged();
  } catch (error) {
    if (error instanceof TransportError) return error;
  }
  if (verdict.kind === 'refused') return undefined;
  // The others may find room where this one did not.
  if (isFull(verdict) && file.identity.size >= RESUME_MIN_BYTES) {
    const tooBig = fileProblem(end.stderr, file.targetPath, label);
    if (tooBig !== undefined) return tooBig;
  }
  if (verdict.kind === 'connection') return connectionError(`send "${showName(file.targetPath)}" to ${label}`, verdict);
  const own = fileProblem(end.stderr, file.targetPath, label);
  return own ?? (verdict.kind === 'stopped' ? undefined : notConfirmed(file, end, label));
};

const notConfirmed = (file: OutgoingFile, end: RunEnd, label: string): TransportError =>
  new TransportError('file', `Cannot send "${showName(file.targetPath)}" to ${label}: ${showEnd(end)}`, {
    hint: 'look for the reason at the destination',
  });
