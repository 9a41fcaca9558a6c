import { readdirSync, readFileSync } from 'node:fs';
import { Counter, Gauge, type Registry } from 'prom-client';
import { systemErrorCode } from '../../errors.ts';

type Read = () => number | undefined;

const MICRO = 1e-6;

/** What the ecosystem's exporters say of their process, under the same names. */
// Each is read when somebody asks: what the library adds of its own wakes the process up a hundred times a second, to look at its event loop.
export const addProcessMetrics = (registry: Registry): void => {
  const counter = (name: string, help: string, read: Read): void => {
    const metric: Counter = new Counter({
      name,
      help,
      registers: [registry],
      collect: () => {
        metric.reset();
        metric.inc(read() ?? 0);
      },
    });
  };
  const gauge = (name: string, help: string, read: Read): void => {
    const metric: Gauge = new Gauge({
      name,
      help,
      registers: [registry],
      collect: () => {
        const value = read();
        if (value === undefined) metric.remove();
        else metric.set(value);
      },
    });
  };
  counter('process_cpu_user_seconds_total', 'User CPU time in seconds.', () => process.cpuUsage().user * MICRO);
  counter('process_cpu_system_seconds_total', 'System CPU time in seconds.', () => process.cpuUsage().system * MICRO);
  counter('process_cpu_seconds_total', 'User and system CPU time in seconds.', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) * MICRO;
  });
  const startSeconds = Math.round(Date.now() / 1000 - process.uptime());
  gauge('process_start_time_seconds', 'Start of the process since 1970 in seconds.', () => startSeconds);
  gauge('process_resident_memory_bytes', 'Resident memory in bytes.', () => process.memoryUsage.rss());
  gauge('process_open_fds', 'Open file descriptors.', openDescriptors);
  gauge('process_max_fds', 'File descriptors that may be open.', mostDescriptors);
};

const fromProc = (read: Read): number | undefined => {
  try {
    return read();
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return undefined; // There is no /proc.
  }
};

const openDescriptors: Read = () => fromProc(() => readdirSync('/proc/self/fd').length);

const mostDescriptors: Read = () =>
  fromProc(() => {
    const [, most] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return most === undefined ? undefined : Number(most);
  });
