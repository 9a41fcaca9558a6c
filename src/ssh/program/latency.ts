import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { systemErrorCode } from '../../errors.ts';

/** What a connection tells of its round trip without being asked. */
export interface LineLength {
  /** From the start of ssh to the end of the login, in milliseconds: some six round trips, and what both ends took to think. */
  readonly loginMs: number;
  /** How long the kernel waits before it sends again, in milliseconds: 200 and the round trip; undefined where TCP is not ssh's own. */
  readonly resendMs: number | undefined;
}

/** Of a process with one TCP connection (proc_pid_net(5)). */
export const resendMs = (pid: number): number | undefined => {
  const descriptors = read(() => readdirSync(`/proc/${pid}/fd`)) ?? [];
  const links = new Set(descriptors.map((descriptor) => read(() => readlinkSync(`/proc/${pid}/fd/${descriptor}`))));
  const [ticks] = ['tcp', 'tcp6']
    .flatMap((family) => (read(() => readFileSync(`/proc/${pid}/net/${family}`, 'latin1')) ?? '').split('\n'))
    .map((row) => row.trim().split(/\s+/))
    .flatMap((fields) =>
      fields[STATE] === ESTABLISHED && links.has(`socket:[${fields[INODE]}]`) ? [Number(fields[RESEND_TICKS])] : [],
    );
  return ticks === undefined ? undefined : ticks * TICK_MS;
};

const STATE = 3;
const ESTABLISHED = '01';
const INODE = 9;
const RESEND_TICKS = 12;
const TICK_MS = 10;

/** undefined: it is gone, or was never there, as the table of IPv6 on many a host. */
const read = <T>(of: () => T): T | undefined => {
  try {
    return of();
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return undefined;
  }
};
