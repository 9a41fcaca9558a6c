import type { LineLength } from '../../ssh/program/latency.ts';

/**
 * Shall rsync go in step with the receiver? With `--remove-source-files` it lets no more than 10 to 50 files be under way. On a short
 * line nothing stands idle for that, and the server works half as much: what is sent ahead piles up in its sshd, which copies all
 * that it holds when the next 32 KiB come (OpenSSH 9.2: 2 s of processor time for 40 MB). On a long line ten files take a round trip.
 */

/** The kernel waits 200 ms and the round trip: at most 10 ms. */
const SHORT_RESEND_MS = 210;
/** Where a proxy is between, the kernel knows the way to it. A login takes six round trips: at most 60 ms, mostly far less. */
const SHORT_LOGIN_MS = 400;
/** What a run takes to start. */
const START_MS = 250;
/** Of each run ten files are under way: a round trip of 12 ms. Further apart it is quicker to run ahead. */
const MOST_MS_A_FILE = 1.2;

/** Worth a try. Pure. */
export const isShortLine = ({ loginMs, resendMs }: LineLength): boolean =>
  resendMs !== undefined && resendMs < SHORT_RESEND_MS && loginMs < SHORT_LOGIN_MS;

/** After a run in step that took so long: may the next one go in step too? Pure. */
export const keepsStep = (files: number, ms: number): boolean => ms < START_MS + files * MOST_MS_A_FILE;
