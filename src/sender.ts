import type { BigIntStats } from 'node:fs';
import { TransportError } from './errors.ts';
import type { Report } from './events.ts';
import { isSameFile } from './identity.ts';
import { createInside } from './inside.ts';
import { createLine, type Line } from './line.ts';
import { checkMayMark, isMarked, mark, modeWithoutMark, unmark } from './mark.ts';
import { showName, type Name } from './name.ts';
import type { MarkRecord } from './record.ts';
import type { RetryOptions } from './retry.ts';
import type { OutgoingFile, Transport } from './transport.ts';

/** One unsent file. */
export interface UnsentFile {
  readonly directory: Name;
  /** Below the directory: "sub/file". */
  readonly path: Name;
  readonly stats: BigIntStats;
  readonly record: MarkRecord;
}

/** `changed`: it moved on or vanished while it was sent; look again. `stopped`: the line is down or a signal came. */
export type Fate = 'sent' | 'changed' | 'failed' | 'stopped';

/** Carries files to every destination, `inFlight` at a time, and marks those that all of them have. Each file's fate is its own. */
export interface Sender {
  /** Wait for this before the next `send`; undefined: there is room. */
  room(): Promise<void> | undefined;
  /** Never rejects, but for a defect of ours. */
  send(file: UnsentFile): Promise<Fate>;
  /** Delivers without marking. */
  deliver(file: OutgoingFile): Promise<void>;
  /** Why nothing more can be sent in this run. */
  readonly over: TransportError | undefined;
}

export interface SenderOptions {
  readonly root: Name;
  readonly destinations: readonly Transport[];
  readonly retry: RetryOptions;
  readonly report: Report;
  readonly signal: AbortSignal;
}

export const createSender = ({ root, destinations, retry, report, signal }: SenderOptions): Sender => {
  const routes = destinations.map((transport) => ({
    transport,
    line: createLine({ destination: transport.label, retry, report }),
  }));
  const inside = createInside(root);
  let active = 0;
  let settled: PromiseWithResolvers<void> | undefined;

  const isFull = (): boolean => active >= Math.min(...destinations.map(({ inFlight }) => inFlight));
  const waitForRoom = async (): Promise<void> => {
    while (isFull()) await (settled ??= Promise.withResolvers()).promise;
  };

  const deliver = async (file: OutgoingFile): Promise<void> => {
    const fates = await Promise.allSettled(
      routes.map(({ transport, line }) => sendOver(transport, line, file, signal)),
    );
    const rejected = fates.find((fate) => fate.status === 'rejected');
    if (rejected !== undefined) throw rejected.reason;
  };

  /** What the walk saw by its path may have been behind a link. From here on everything that opens the file holds it against this. */
  const stillThere = (targetPath: Name, stats: BigIntStats): BigIntStats => {
    const now = inside.stat(targetPath);
    if (now !== undefined && isSameFile(now, stats)) return now;
    throw new TransportError('source-changed', `Did not send "${showName(targetPath)}": it changed before it was sent`);
  };

  const sendAndMark = async ({ directory, path, stats, record }: UnsentFile): Promise<void> => {
    const targetPath = `${directory}/${path}`;
    const sourcePath = `${root}/${targetPath}`;
    checkMayMark(sourcePath, stats);
    // A mark that is no longer true goes before anything is read: a crash from here on leaves the file unsent. (One that
    // was set under another name of the inode is true.)
    const identity =
      isMarked(stats) && !record.hasInode(stats) ? unmark(root, targetPath) : stillThere(targetPath, stats);
    await deliver({ sourcePath, targetPath, mode: modeWithoutMark(identity), identity });
    record.add(mark(sourcePath, identity), path);
  };

  return {
    get over() {
      return routes.find(({ line }) => line.over !== undefined)?.line.over;
    },
    room: () => (isFull() ? waitForRoom() : undefined),
    deliver,
    send: async (file) => {
      const path = `${file.directory}/${file.path}`;
      active += 1;
      try {
        await sendAndMark(file);
        report({ type: 'sent', path, bytes: Number(file.stats.size) });
        return 'sent';
      } catch (error) {
        if (signal.aborted) return 'stopped';
        if (!(error instanceof TransportError)) throw error;
        if (error.class === 'source-changed') return 'changed';
        if (error.class !== 'file') return 'stopped';
        const { message, hint } = error;
        report({
          type: 'failed',
          path,
          class: 'file',
          message,
          ...(hint === undefined ? {} : { hint }),
          attempts: 1,
          held: false,
        });
        return 'failed';
      } finally {
        active -= 1;
        settled?.resolve();
        settled = undefined;
      }
    },
  };
};

/** One file over one line, again and again while it is the line that fails. */
const sendOver = async (transport: Transport, line: Line, file: OutgoingFile, signal: AbortSignal): Promise<void> => {
  for (;;) {
    await line.ready();
    signal.throwIfAborted();
    if (line.over !== undefined) throw line.over;
    try {
      await transport.send(file, signal);
      line.succeeded();
      return;
    } catch (error) {
      if (signal.aborted || !(error instanceof TransportError)) throw error;
      if (error.class === 'file' || error.class === 'source-changed') throw error;
      line.failed(error, signal);
    }
  }
};
