import { setTimeout as delay } from 'node:timers/promises';
import { showName, TransportError, type Name, type OutgoingFile } from '../../transport.ts';
import type { HeldSource } from '../rsync/outgoing.ts';
import type { PendingSend } from '../rsync/pending-send.ts';
import { StagedBatch } from '../rsync/staged-batch.ts';
import { classify, explain } from './failures.ts';
import { fromRemotePath } from './names.ts';
import { DESTINATION, sourceFolder } from './rclone-process.ts';
import { noteSent } from './send-file.ts';
import type { Session } from './session.ts';

/** What rclone says of files may come after its answer to the call. */
const SAID_WITHIN_MS = 2_000;
const LOOK_EVERY_MS = 5;

/**
 * Sends files in one call, from a folder of links to what this process holds open. A send resolves as soon as rclone says that its file is copied,
 * which it says when it has compared size and sum. Those of which it said nothing are returned.
 */
export const sendBatch = async (session: Session, sends: readonly PendingSend[]): Promise<readonly PendingSend[]> => {
  const { transfers } = session.shared.options;
  using stack = new DisposableStack();
  const staged = stack.use(new StagedBatch(session.stagingFolder, sends));
  await session.transfers.acquire(transfers); // The one before it runs, meanwhile this one is made ready.
  stack.defer(() => session.transfers.release(transfers));
  const left = new Set(staged.names);
  const failed = new Map<Name, string>();
  stack.use(
    session.log.listen((line) => {
      const name = line.object === undefined ? undefined : fromRemotePath(line.object);
      if (name === undefined || !left.has(name)) return;
      if (line.level === 'error') failed.set(name, line.text.replace(/^Failed to copy: /, ''));
      else if (COPIED.test(line.text) && left.delete(name)) {
        const file = staged.fileOf(name);
        if (file !== undefined) noteSent(session, file);
        staged.confirm([name]);
      }
    }),
  );
  const stop = stack.use(stopWithAll(sends));
  const error = await copyAll(session, staged, stop.signal);
  const untilMs = performance.now() + SAID_WITHIN_MS;
  const isSaid = (): boolean => session.closed || stop.signal.aborted || [...left].every((name) => failed.has(name));
  while (!isSaid() && performance.now() < untilMs) await delay(LOOK_EVERY_MS);
  staged.settleRest((file, source) => failureOf(session, file, source, failed.get(file.targetPath) ?? error));
  return staged.unsent;
};

const COPIED = /^(?:Multi-thread )?Copied/;

/** Resolves with what the call as a whole ended with. */
const copyAll = async (session: Session, staged: StagedBatch, signal: AbortSignal): Promise<unknown> => {
  const isOurs = (name: string): boolean => staged.fileOf(fromRemotePath(name)) !== undefined;
  try {
    const input = { srcFs: sourceFolder(staged.tree.path), dstFs: DESTINATION };
    await session.transfer('sync/copy', input, isOurs, signal);
    return undefined;
  } catch (error) {
    return error;
  }
};

/** Aborted once every send is. */
const stopWithAll = (sends: readonly PendingSend[]): Disposable & { readonly signal: AbortSignal } => {
  const stop = new AbortController();
  const check = (): void => {
    if (sends.every(({ isSettled, signal }) => isSettled || signal.aborted)) stop.abort();
  };
  for (const { signal } of sends) signal.addEventListener('abort', check, { once: true });
  return {
    signal: stop.signal,
    [Symbol.dispose]: () => {
      for (const { signal } of sends) signal.removeEventListener('abort', check);
    },
  };
};

/** undefined: it is tried again by itself. @param why what rclone said of this file, or what the call ended with */
const failureOf = (
  session: Session,
  { targetPath }: OutgoingFile,
  source: HeldSource,
  why: unknown,
): TransportError | undefined => {
  try {
    source.checkUnchanged();
  } catch (changed) {
    if (changed instanceof TransportError) return changed;
  }
  const action = `send "${showName(targetPath)}" to ${session.shared.label}`;
  if (typeof why === 'string') {
    const { errorClass, hint } = classify(why);
    return new TransportError(errorClass, `Cannot ${action}: ${why}`, { hint });
  }
  const explained = explain(action, why);
  return explained instanceof TransportError && explained.class !== 'file' ? explained : undefined;
};
