import type { BigIntStats } from 'node:fs';
import { TransportError } from '../errors.ts';
import type { Report } from '../core/events.ts';
import { createFilesBeneath } from '../source/open-beneath.ts';
import { createConnectionHealth, type ConnectionHealth, type RetryMode } from './connection-health.ts';
import { checkMayMark, isMarked, mark, modeWithoutMark, unmark } from '../marks/mark.ts';
import type { Name } from '../name.ts';
import type { MarkRecord } from '../marks/record.ts';
import type { RetryOptions } from '../core/retry.ts';
import type { OutgoingFile, Transport } from '../transport.ts';

/** One unsent file. */
export interface UnsentFile {
  readonly directory: Name;
  /** Below the directory: "sub/file". */
  readonly path: Name;
  /** Seen through no link, on whatever part of its path: all that opens the file holds it against this. */
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
  { readonly result: 'sent' | 'changed' | 'stopped' } | { readonly result: 'failed'; readonly error: TransportError };
export type OutcomeKind = Outcome['result'];

/** Carries files to every destination, `inFlight` at a time, and marks those that all of them have. Each file's fate is its own. */
export interface Sender {
  /** Wait for this before the next `send`; undefined: there is room. */
  slot(urgency: Urgency): Promise<void> | undefined;
  /** Never rejects, but for a defect of ours. */
  send(file: UnsentFile, urgency: Urgency): Promise<Outcome>;
  /** Looks at a file below the root ("DC1/sub/file") through no link. undefined where it is not there. */
  stat(targetPath: Name): BigIntStats | undefined;
  /** Delivers without marking. */
  deliver(file: OutgoingFile): Promise<void>;
  /** Why nothing more can be sent in this run. */
  readonly fatal: TransportError | undefined;
  /** One for each destination, in their order. */
  readonly connections: readonly ConnectionHealth[];
}

export interface SenderOptions {
  readonly root: Name;
  readonly destinations: readonly Transport[];
  readonly retry: RetryOptions;
  readonly retryMode: RetryMode;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/** Of all places, the part that live files leave to the backlog, so that it moves however many of them come. */
const BACKLOG_SHARE = 1 / 4;

export const createSender = ({ root, destinations, retry, retryMode, report, signal }: SenderOptions): Sender => {
  const lines = destinations.map(({ label }) =>
    createConnectionHealth({ destination: label, retry, retryMode, report }),
  );
  // A sick destination must not hold the places of files that the others could have.
  const waits = retryMode === 'pass' || destinations.length === 1;
  const active = { live: 0, backlog: 0 };
  const inside = createFilesBeneath(root);
  let settled: PromiseWithResolvers<void> | undefined;

  const isFull = (urgency: Urgency): boolean => {
    let places = Infinity;
    for (const { inFlight } of destinations) places = Math.min(places, inFlight);
    if (urgency === 'live') return active.live >= places;
    return active.backlog >= Math.max(places - active.live, Math.ceil(places * BACKLOG_SHARE));
  };
  const waitForRoom = async (urgency: Urgency): Promise<void> => {
    while (isFull(urgency)) await (settled ??= Promise.withResolvers()).promise;
  };

  /** What one destination has is not sent there again because another one failed. */
  const deliver = (outgoing: OutgoingFile, file?: UnsentFile): Promise<void> => {
    const [only] = destinations;
    return only !== undefined && destinations.length === 1
      ? sendOver(only, lines[0], outgoing)
      : deliverToAll(outgoing, file);
  };
  const deliverToAll = async (outgoing: OutgoingFile, file?: UnsentFile): Promise<void> => {
    const sends = destinations.map(async (transport, index) => {
      if (file?.delivered[index]?.has(file.stats, file.path) === true) return;
      await sendOver(transport, lines[index], outgoing);
      file?.delivered[index]?.add(file.stats, file.path);
    });
    const rejected = (await Promise.allSettled(sends)).find((fate) => fate.status === 'rejected');
    if (rejected !== undefined) throw rejected.reason;
  };

  /** One file over one line, again and again while it is the line that fails. */
  const sendOver = async (
    transport: Transport,
    line: ConnectionHealth | undefined,
    file: OutgoingFile,
  ): Promise<void> => {
    for (;;) {
      const wait = line?.ready();
      if (wait !== undefined) {
        if (!waits && line?.failure !== undefined) throw line.failure;
        await wait;
      }
      signal.throwIfAborted();
      if (line?.fatal !== undefined) throw line.fatal;
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

  /**
   * A mark that is no longer true goes before anything is read: a crash from here on leaves the file unsent. (One that was set
   * under another name of the inode is true, but for what a writer that only now closed it may have changed.)
   */
  const withoutStaleMark = (file: UnsentFile, urgency: Urgency): UnsentFile => {
    const { directory, path, stats, record } = file;
    const isStale = isMarked(stats) && (urgency === 'live' || !record.hasInode(stats));
    return isStale ? { ...file, stats: unmark(root, `${directory}/${path}`) } : file;
  };

  return {
    connections: lines,
    get fatal() {
      return lines.find((line) => line.fatal !== undefined)?.fatal;
    },
    stat: (targetPath) => inside.stat(targetPath),
    slot: (urgency) => (isFull(urgency) ? waitForRoom(urgency) : undefined),
    deliver: (file) => deliver(file),
    send: async (unsent, urgency) => {
      active[urgency] += 1;
      const targetPath = `${unsent.directory}/${unsent.path}`;
      const sourcePath = `${root}/${targetPath}`;
      try {
        checkMayMark(sourcePath, unsent.stats);
        const file = withoutStaleMark(unsent, urgency);
        const identity = file.stats;
        await deliver({ sourcePath, targetPath, mode: modeWithoutMark(identity), identity }, file);
        file.record.add(mark(sourcePath, identity), file.path);
        report({ type: 'sent', path: targetPath, bytes: Number(identity.size) });
        return { result: 'sent' };
      } catch (error) {
        if (signal.aborted) return { result: 'stopped' };
        if (!(error instanceof TransportError)) throw error;
        if (error.class === 'source-changed') return { result: 'changed' };
        return error.class === 'file' ? { result: 'failed', error } : { result: 'stopped' };
      } finally {
        active[urgency] -= 1;
        settled?.resolve();
        settled = undefined;
      }
    },
  };
};
