import { execa } from 'execa';
import { CHILD_OPTIONS } from '../host/child-options.ts';
import { errorMessage } from '../errors.ts';

/**
 * Reports the state of the service to systemd (`Type=notify`, `NotifyAccess=all`); does nothing without `NOTIFY_SOCKET`. Node has no
 * unix datagram sockets, so the messages go through the program `systemd-notify`: about 10 ms of processor time each.
 */
export interface ServiceManager extends AsyncDisposable {
  /** Started, or running again after `reloading`. */
  ready(status: string): void;
  /** One line for `systemctl status`. */
  status(text: string): void;
  /** A SIGHUP is being handled; `ready` ends it. */
  reloading(): void;
  stopping(): void;
  /** Feeds the watchdog twice per interval while `isAlive` is true: a timer alone would not prove that work goes on. */
  feedWatchdog(isAlive: () => boolean): void;
  /** Resolves when every message so far was delivered or has failed. */
  flushed(): Promise<void>;
}

export interface ServiceManagerOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Called once, for the first failure: the service works, but the manager never sees it become ready. */
  readonly reportFailure: (message: string, hint: string) => void;
}

const TIMEOUT_MS = 10_000;

export const connectServiceManager = ({ env, reportFailure }: ServiceManagerOptions): ServiceManager => {
  const socket = env.NOTIFY_SOCKET;
  const watchdogMs = watchdogInterval(env);
  const pending: (readonly string[])[] = [];
  let sending: Promise<void> | undefined;
  let hasFailed = false;
  let timer: NodeJS.Timeout | undefined;

  const sendAll = async (): Promise<void> => {
    for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
      try {
        await execa('systemd-notify', next, { ...CHILD_OPTIONS, timeout: TIMEOUT_MS, stdin: 'ignore' });
      } catch (error) {
        if (!hasFailed) {
          reportFailure(
            `Cannot notify the service manager: ${firstLine(error)}`,
            'install systemd-notify (package systemd), or use Type=exec in the unit',
          );
        }
        hasFailed = true;
      }
    }
    sending = undefined;
  };
  const notify = (...variables: readonly string[]): void => {
    if (socket === undefined || socket === '') return;
    // Of consecutive messages of one kind only the last is sent: a slow manager must not lag behind.
    if (kindOf(pending.at(-1)) === kindOf(variables)) pending.pop();
    pending.push(variables);
    sending ??= sendAll();
  };
  const statusVariable = (text: string): string => `STATUS=${text.replace(/[\p{Cc}]+/gu, ' ')}`;

  return {
    ready: (status) => notify('READY=1', statusVariable(status)),
    status: (text) => notify(statusVariable(text)),
    reloading: () => notify('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`),
    stopping: () => notify('STOPPING=1'),
    feedWatchdog: (isAlive) => {
      clearInterval(timer);
      if (watchdogMs === undefined) return;
      const feed = (): void => {
        if (isAlive()) notify('WATCHDOG=1');
      };
      feed();
      timer = setInterval(feed, watchdogMs / 2);
      timer.unref();
    },
    flushed: async () => {
      await sending;
    },
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      await sending;
    },
  };
};

/** Milliseconds; undefined where there is no watchdog, or not for this process. */
const watchdogInterval = (env: ServiceManagerOptions['env']): number | undefined => {
  const usec = Number(env.WATCHDOG_USEC ?? '');
  const isOurs = env.WATCHDOG_PID === undefined || Number(env.WATCHDOG_PID) === process.pid;
  return isOurs && Number.isFinite(usec) && usec > 0 ? usec / 1000 : undefined;
};

/** The name of a message’s first variable. */
const kindOf = (variables: readonly string[] | undefined): string | undefined => variables?.[0]?.split('=')[0];

const firstLine = (error: unknown): string => errorMessage(error).split('\n')[0] ?? '';
