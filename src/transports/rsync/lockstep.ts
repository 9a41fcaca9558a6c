import type { Latency } from '../../ssh/program/latency.ts';

/**
 * Lockstep: with `--remove-source-files` rsync has at most 10 to 50 files in flight. At low latency nothing idles because of it and
 * the server does half the work: data sent ahead is buffered in its sshd, which copies the whole buffer for every further 32 KiB
 * (OpenSSH 9.2: 2 s of processor time for 40 MB). At high latency it is slow: a round trip for every ten files.
 */

/** The retransmission timeout is 200 ms plus the round trip: a round trip of at most 10 ms. */
const LOW_RETRANSMIT_MS = 210;
/** Behind a proxy the kernel measures the way to the proxy only. A login takes six round trips: at most some 60 ms each, mostly far less. */
const LOW_LOGIN_MS = 400;
/** Start of a run. */
const START_MS = 250;
/** Ten files in flight at a round trip of 12 ms. At higher latency it is faster without lockstep. */
const MAX_MS_PER_FILE = 1.2;

/** Pure. Whether the first run on a connection should use lockstep. */
export const isLowLatency = ({ loginMs, retransmitMs }: Latency): boolean =>
  retransmitMs !== undefined && retransmitMs < LOW_RETRANSMIT_MS && loginMs < LOW_LOGIN_MS;

/** Pure. Whether the next run should use lockstep too, after one with it that took `ms`. */
export const keepsLockstep = (files: number, ms: number): boolean => ms < START_MS + files * MAX_MS_PER_FILE;
