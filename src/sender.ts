import type { BigIntStats } from 'node:fs';
import { errorMessage, TransportError } from './errors.ts';
import type { Report } from './events.ts';
import { isSameFile } from './identity.ts';
import { createInside } from './inside.ts';
import { createLine, type Line, type Patience } from './line.ts';
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
  /** For each destination, in their order, the files that it alone has so far; where there is one destination: none. */
  readonly delivered: readonly MarkRecord[];
}

/** Just closed by its writer, or found by a listing. */
export type Urgency = 'live' | 'backlog';

/**
 * `changed`: it moved on or vanished while it was sent; look again. `stopped`: a line is down or a signal came.
 * `failed`: this file only, and why.
 */
export type Outcome =
  { readonly fate: 'sent' | 'changed' | 'stopped' } | { readonly fate: 'failed'; readonly error: TransportError };
export type Fate = Outcome['fate'];

/** Carries files to every destination, `inFlight` at a time, and marks those that all of them have. Each file's fate is its own. */
export interface Sender {
  /** Wait for this before the next `send`; undefined: there is room. */
  room(urgency: Urgency): Promise<void> | undefined;
  /** Never rejects, but for a defect of ours. */
  send(file: UnsentFile, urgency: Urgency): Promise<Outcome>;
  /** Delivers without marking. */
  deliver(file: OutgoingFile): Promise<void>;
  /** Why nothing more can be sent in this run. */
  readonly over: TransportError | undefined;
  /** One for each destination, in their order. */
  readonly lines: readonly Line[];
}

export interface SenderOptions {
  readonly root: Name;
  readonly destinations: readonly Transport[];
  readonly retry: RetryOptions;
  readonly patience: Patience;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/** Of all places, the part that live files leave to the backlog, so that it moves however many of them come. */
const BACKLOG_SHARE = 1 / 4;

export const createSender = ({ root, destinations, retry, patience, report, signal }: SenderOptions): Sender => {
  const lines = destinations.map(({ label }) => createLine({ destination: label, retry, patience, report }));
  // A sick destination must not hold the places of files that the others could have.
  const waits = patience === 'pass' || destinations.length === 1;
  const active = { live: 0, backlog: 0 };
  const inside = createInside(root);
  let settled: PromiseWithResolvers<void> | undefined;

  const isFull = (urgency: Urgency): boolean => {
    const places = Math.min(...destinations.map(({ inFlight }) => inFlight));
    if (urgency === 'live') return active.live >= places;
    return active.backlog >= Math.max(places - active.live, Math.ceil(places * BACKLOG_SHARE));
  };
  const waitForRoom = async (urgency: Urgency): Promise<void> => {
    while (isFull(urgency)) await (settled ??= Promise.withResolvers()).promise;
  };

  /** What one destination has is not sent there again because another one failed. */
  const deliver = async (
    file: OutgoingFile,
    { has, add }: { readonly has: (index: number) => boolean; readonly add: (index: number) => void },
  ): Promise<void> => {
    const sends = destinations.map(async (transport, index) => {
      if (has(index)) return;
      await sendOver(transport, lines[index], file);
      add(index);
    });
    const rejected = (await Promise.allSettled(sends)).find((fate) => fate.status === 'rejected');
    if (rejected !== undefined) throw rejected.reason;
  };

  /** One file over one line, again and again while it is the line that fails. */
  const sendOver = async (transport: Transport, line: Line | undefined, file: OutgoingFile): Promise<void> => {
    for (;;) {
      const wait = line?.ready();
      if (wait !== undefined) {
        if (!waits && line?.trouble !== undefined) throw line.trouble;
        await wait;
      }
      signal.throwIfAborted();
      if (line?.over !== undefined) throw line.over;
      try {
        await transport.send(file, signal);
        line?.succeeded();
        return;
      } catch (error) {
        if (signal.aborted || !(error instanceof TransportError)) throw error;
        if (error.class === 'file' || error.class === 'source-changed') throw error;
        line?.failed(error, signal);
      }
    }
  };

  const lookAt = (targetPath: Name): BigIntStats | undefined => {
    try {
      return inside.stat(targetPath);
    } catch (error) {
      throw new TransportError('file', `Cannot send "${showName(targetPath)}": ${errorMessage(error)}`, {
        hint: 'let the user that runs isocket enter its folder',
        cause: error,
      });
    }
  };

  /** What the walk saw by its path may have been behind a link. From here on everything that opens the file holds it against this. */
  const stillThere = (targetPath: Name, stats: BigIntStats): BigIntStats => {
    const now = lookAt(targetPath);
    if (now !== undefined && isSameFile(now, stats)) return now;
    throw new TransportError('source-changed', `Did not send "${showName(targetPath)}": it changed before it was sent`);
  };

  const sendAndMark = async (file: UnsentFile, urgency: Urgency): Promise<void> => {
    const { directory, path, stats, record, delivered } = file;
    const targetPath = `${directory}/${path}`;
    const sourcePath = `${root}/${targetPath}`;
    checkMayMark(sourcePath, stats);
    // A mark that is no longer true goes before anything is read: a crash from here on leaves the file unsent. (One that
    // was set under another name of the inode is true, but for what a writer that only now closed it may have changed.)
    const isStale = isMarked(stats) && (urgency === 'live' || !record.hasInode(stats));
    const identity = isStale ? unmark(root, targetPath) : stillThere(targetPath, stats);
    const outgoing = { sourcePath, targetPath, mode: modeWithoutMark(identity), identity };
    await deliver(outgoing, {
      has: (index) => delivered[index]?.has(identity, path) === true,
      add: (index) => delivered[index]?.add(identity, path),
    });
    record.add(mark(sourcePath, identity), path);
  };

  return {
    lines,
    get over() {
      return lines.find((line) => line.over !== undefined)?.over;
    },
    room: (urgency) => (isFull(urgency) ? waitForRoom(urgency) : undefined),
    deliver: (file) => deliver(file, { has: () => false, add: () => undefined }),
    send: async (file, urgency) => {
      active[urgency] += 1;
      try {
        await sendAndMark(file, urgency);
        report({ type: 'sent', path: `${file.directory}/${file.path}`, bytes: Number(file.stats.size) });
        return { fate: 'sent' };
      } catch (error) {
        if (signal.aborted) return { fate: 'stopped' };
        if (!(error instanceof TransportError)) throw error;
        if (error.class === 'source-changed') return { fate: 'changed' };
        return error.class === 'file' ? { fate: 'failed', error } : { fate: 'stopped' };
      } finally {
        active[urgency] -= 1;
        settled?.resolve();
        settled = undefined;
      }
    },
  };
};
