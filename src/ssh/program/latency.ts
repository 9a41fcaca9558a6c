import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { systemErrorCode } from '../../errors.ts';

/** What is known of a connection's round-trip time without sending anything. */
export interface Latency {
  /** From the start of ssh to the end of the login: some six round trips, and the processing at both ends. */
  readonly loginMs: number;
  /** The kernel's TCP retransmission timeout: 200 ms plus the round trip. undefined: ssh has no TCP connection of its own (a proxy command). */
  readonly retransmitMs: number | undefined;
}

/** Retransmission timeout of a process with one TCP connection (proc_pid_net(5)), in milliseconds; undefined: it has none. */
export const retransmitMs = (pid: number): number | undefined => {
  const descriptors = readIfThere(() => readdirSync(`/proc/${pid}/fd`)) ?? [];
  const sockets = new Set(
    descriptors.map((descriptor) => readIfThere(() => readlinkSync(`/proc/${pid}/fd/${descriptor}`))),
  );
  const [ticks] = ['tcp', 'tcp6']
    .flatMap((family) => (readIfThere(() => readFileSync(`/proc/${pid}/net/${family}`, 'latin1')) ?? '').split('\n'))
    .map((row) => row.trim().split(/\s+/))
    .flatMap((fields) =>
      fields[STATE] === ESTABLISHED && sockets.has(`socket:[${fields[INODE]}]`) ? [Number(fields[TIMEOUT_TICKS])] : [],
    );
  return ticks === undefined ? undefined : ticks * TICK_MS;
};

// Columns of /proc/PID/net/tcp.
const STATE = 3;
const ESTABLISHED = '01';
const INODE = 9;
const TIMEOUT_TICKS = 12;
const TICK_MS = 10;

/** undefined: the process has ended, or the table does not exist (tcp6 where IPv6 is disabled). */
const readIfThere = <T>(read: () => T): T | undefined => {
  try {
    return read();
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return undefined;
  }
};
