import { setTimeout as delay } from 'node:timers/promises';
import { createSemaphore } from '../../core/semaphore.ts';
import type { Master } from '../../ssh/program/master.ts';
import { SESSION_REFUSED } from '../../ssh/program/sftp-channel.ts';
import { isBusy, isExplained, judgeRun, type RunEnd } from './judge.ts';
import { FirstContact, type ContactOptions } from './first-contact.ts';
import { STALL_LIMITS } from './progress.ts';
import { runRsync, type RunIo } from './run-rsync.ts';

/** Runs rsync through one connection, as many at once as the remote end admits. */
export interface Runs {
  run(args: readonly string[], io: RunIo, signal: AbortSignal): Promise<RunEnd>;
  /** The same, without another attempt where rrsync is busy. */
  once(args: readonly string[], io: RunIo, signal: AbortSignal): Promise<RunEnd>;
  /** rrsync was found to admit one at a time, or the server to open one session: do not start a second one. */
  readonly exclusive: boolean;
  /** Uses a session of the connection for something else, as one of those that may run at once. */
  alone<T>(use: () => Promise<T>): Promise<T>;
}

export interface RunsOptions extends ContactOptions {
  /** Gives another session of the connection back. False: there is none. */
  readonly makeWay?: () => Promise<boolean>;
}

const MAX_AT_ONCE = 8; // sshd's default MaxSessions is ten a connection.
const BUSY_RETRY = { firstMs: 25, maxMs: 2_000, attempts: 20 } as const;

/** sshd gives a session free a moment after its channel has closed. */
const CLOSING_MS = 2_000;

/** A run reports a lost connection before its master's exit is seen: wait this long for that, so that the caller reconnects. */
const MASTER_EXIT_MS = 500;

export const createRuns = (
  master: Master,
  limits = STALL_LIMITS,
  { makeWay = () => Promise.resolve(false), ...contactOptions }: RunsOptions = {},
): Runs => {
  let exclusive = false;
  const contact = new FirstContact(master, contactOptions);
  const slots = createSemaphore(() => (exclusive ? 1 : MAX_AT_ONCE));
  let running = 0;
  /** When a session of the connection was used last. */
  let usedMs = -Infinity;
  const inSlot = async <T>(use: () => Promise<T>): Promise<T> => {
    await slots.acquire(1);
    running += 1;
    try {
      return await use();
    } finally {
      running -= 1;
      slots.release(1);
    }
  };
  const runOnce = (args: readonly string[], io: RunIo, signal: AbortSignal): Promise<RunEnd> =>
    inSlot(async () => {
      const end = await runRsync(args, { limits, contact, ...io }, signal);
      if (!isSessionRefused(end)) usedMs = performance.now();
      if (!signal.aborted && isConnectionLost(end)) {
        const exited = new AbortController();
        const timeout = delay(MASTER_EXIT_MS, undefined, { signal: exited.signal }).catch(() => undefined);
        await Promise.race([master.ended, timeout]);
        exited.abort();
      }
      return await withReason(contact, end, signal);
    });
  /** The session that it needs is, or was until now, used by another one. */
  const mayOpenLater = async (end: RunEnd): Promise<boolean> => {
    if (!isSessionRefused(end)) return false;
    const wasUsed = running > 0 || performance.now() - usedMs < CLOSING_MS;
    return (await makeWay()) || wasUsed;
  };
  const run = async (
    args: readonly string[],
    io: RunIo,
    signal: AbortSignal,
    waitsForBusy: boolean,
  ): Promise<RunEnd> => {
    for (let attempt = 1; ; attempt += 1) {
      const end = await runOnce(args, io, signal);
      if (attempt === BUSY_RETRY.attempts || signal.aborted) return end;
      if (!(waitsForBusy && isBusy(end)) && !(await mayOpenLater(end))) return end;
      // Another run of ours, or an earlier one that has not ended at the remote end yet.
      exclusive = true;
      const ms = Math.min(BUSY_RETRY.maxMs, BUSY_RETRY.firstMs * 2 ** attempt);
      await delay(ms, undefined, { signal }).catch(() => undefined);
    }
  };
  return {
    get exclusive() {
      return exclusive;
    },
    once: (args, io, signal) => run(args, io, signal, false),
    alone: (use) =>
      inSlot(use).finally(() => {
        usedMs = performance.now();
      }),
    run: (args, io, signal) => run(args, io, signal, true),
  };
};

const isSessionRefused = ({ exitCode, stderr }: RunEnd): boolean => exitCode !== 0 && SESSION_REFUSED.test(stderr);

/** An rsync that got no answer says that it got none, or what stood in its place. */
const withReason = async (contact: FirstContact, end: RunEnd, signal: AbortSignal): Promise<RunEnd> => {
  const isUnexplained = end.exitCode !== 0 && !contact.isMade && !signal.aborted && !isExplained(end);
  return isUnexplained && (await contact.isSftpOnly()) ? { ...end, sftpOnly: true } : end;
};

const isConnectionLost = (end: RunEnd): boolean => {
  const verdict = judgeRun(end);
  return verdict.kind === 'connection' && verdict.class === 'network' && !isBusy(end);
};
