import { execa } from 'execa';
import { errorMessage } from '../errors.ts';

/**
 * Tells systemd (`Type=notify`, `NotifyAccess=all`) how the service is. Harmless where no manager asked for it. Node knows no
 * datagram sockets of the unix kind, so `systemd-notify`, a part of systemd, carries the words: some ten milliseconds of processor time each.
 */
export interface ServiceManager extends AsyncDisposable {
  /** It is up, or up again after `reloading`. */
  ready(status: string): void;
  /** One line for `systemctl status`. */
  status(text: string): void;
  /** A SIGHUP is being worked on; `ready` ends it. */
  reloading(): void;
  stopping(): void;
  /** Feeds the watchdog twice in its time, as long as it is alive: no timer that ticks on its own proves that. */
  feedWatchdog(isAlive: () => boolean): void;
  /** Resolves when all that was said so far has been handed over, or could not be. */
  told(): Promise<void>;
}

export interface ServiceManagerOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Told once: the service works all the same, but for its manager it never becomes ready. */
  readonly tellTrouble: (message: string, hint: string) => void;
}

const TIMEOUT_MS = 10_000;

export const connectServiceManager = ({ env, tellTrouble }: ServiceManagerOptions): ServiceManager => {
  const socket = env.NOTIFY_SOCKET;
  const watchdogMs = watchdogInterval(env);
  const waiting: (readonly string[])[] = [];
  let telling: Promise<void> | undefined;
  let isTroubled = false;
  let timer: NodeJS.Timeout | undefined;

  const tellAll = async (): Promise<void> => {
    for (let words = waiting.shift(); words !== undefined; words = waiting.shift()) {
      try {
        await execa('systemd-notify', words, { timeout: TIMEOUT_MS, stdin: 'ignore' });
      } catch (error) {
        if (!isTroubled) {
          tellTrouble(
            `Cannot tell the service manager: ${firstLine(error)}`,
            'install systemd-notify (package systemd), or use Type=exec in the unit',
          );
        }
        isTroubled = true;
      }
    }
    telling = undefined;
  };
  const tell = (...words: readonly string[]): void => {
    if (socket === undefined || socket === '') return;
    // Of the same kind in a row the last word counts: a slow manager must not be told of the past.
    if (kindOf(waiting.at(-1)) === kindOf(words)) waiting.pop();
    waiting.push(words);
    telling ??= tellAll();
  };
  const statusWord = (text: string): string => `STATUS=${text.replace(/[\p{Cc}]+/gu, ' ')}`;

  return {
    ready: (status) => tell('READY=1', statusWord(status)),
    status: (text) => tell(statusWord(text)),
    reloading: () => tell('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`),
    stopping: () => tell('STOPPING=1'),
    feedWatchdog: (isAlive) => {
      clearInterval(timer);
      if (watchdogMs === undefined) return;
      const feed = (): void => {
        if (isAlive()) tell('WATCHDOG=1');
      };
      feed();
      timer = setInterval(feed, watchdogMs / 2);
      timer.unref();
    },
    told: async () => {
      await telling;
    },
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      await telling;
    },
  };
};

/** undefined: no watchdog, or not for this process. */
const watchdogInterval = (env: ServiceManagerOptions['env']): number | undefined => {
  const usec = Number(env.WATCHDOG_USEC ?? '');
  const isOurs = env.WATCHDOG_PID === undefined || Number(env.WATCHDOG_PID) === process.pid;
  return isOurs && Number.isFinite(usec) && usec > 0 ? usec / 1000 : undefined;
};

/** The first variable of a message. */
const kindOf = (words: readonly string[] | undefined): string | undefined => words?.[0]?.split('=')[0];

const firstLine = (error: unknown): string => errorMessage(error).split('\n')[0] ?? '';
