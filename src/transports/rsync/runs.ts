import { setTimeout as delay } from 'node:timers/promises';
import { createSemaphore } from '../../core/semaphore.ts';
import type { Master } from '../../ssh/program/master.ts';
import { isBusy, isExplained, judgeRun, type RunEnd } from './judge.ts';
import { FirstContact, type ContactOptions } from './first-contact.ts';
import { STALL_LIMITS } from './progress.ts';
import { runRsync, type RunIo } from './run-rsync.ts';

/** Runs rsync through one connection, as many at once as the remote end admits. */
export interface Runs {
  run(args: readonly string[], io: RunIo, signal: AbortSignal): Promise<RunEnd>;
  /** The same, without another attempt where the remote end is busy. */
  once(args: readonly string[], io: RunIo, signal: AbortSignal): Promise<RunEnd>;
  /** rrsync was found to admit one at a time: do not start a second one. */
  readonly exclusive: boolean;
}

const MAX_AT_ONCE = 8; // sshd's default MaxSessions is ten a connection.
const BUSY_RETRY = { firstMs: 25, maxMs: 2_000, attempts: 20 } as const;

/** A run reports a lost connection before its master's exit is seen: wait this long for that, so that the caller reconnects. */
const MASTER_EXIT_MS = 500;

export const createRuns = (master: Master, limits = STALL_LIMITS, contactOptions: ContactOptions = {}): Runs => {
  let exclusive = false;
  const contact = new FirstContact(master, contactOptions);
  const slots = createSemaphore(() => (exclusive ? 1 : MAX_AT_ONCE));
  const runOnce = async (args: readonly string[], io: RunIo, signal: AbortSignal): Promise<RunEnd> => {
    await slots.acquire(1);
    try {
      const end = await runRsync(args, { limits, contact, ...io }, signal);
      if (!signal.aborted && isConnectionLost(end)) {
        const exited = new AbortController();
        const timeout = delay(MASTER_EXIT_MS, undefined, { signal: exited.signal }).catch(() => undefined);
        await Promise.race([master.ended, timeout]);
        exited.abort();
      }
      return await withReason(contact, end, signal);
    } finally {
      slots.release(1);
    }
  };
  return {
    get exclusive() {
      return exclusive;
    },
    once: runOnce,
    run: async (args, io, signal) => {
      for (let attempt = 1; ; attempt += 1) {
        const end = await runOnce(args, io, signal);
        if (!isBusy(end) || attempt === BUSY_RETRY.attempts || signal.aborted) return end;
        // Another run of ours, or an earlier one that has not ended at the remote end yet.
        exclusive = true;
        const ms = Math.min(BUSY_RETRY.maxMs, BUSY_RETRY.firstMs * 2 ** attempt);
        await delay(ms, undefined, { signal }).catch(() => undefined);
      }
    },
  };
};

/** An rsync that got no answer says that it got none, or what stood in its place. */
const withReason = async (contact: FirstContact, end: RunEnd, signal: AbortSignal): Promise<RunEnd> => {
  const isUnexplained = end.exitCode !== 0 && !contact.isMade && !signal.aborted && !isExplained(end);
  return isUnexplained && (await contact.isSftpOnly()) ? { ...end, sftpOnly: true } : end;
};

const isConnectionLost = (end: RunEnd): boolean => {
  const verdict = judgeRun(end);
  return verdict.kind === 'connection' && verdict.class === 'network' && !isBusy(end);
};
