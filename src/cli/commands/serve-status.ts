import type { Report } from '../../core/events.ts';
import type { ListenAddress } from '../../core/listen-address.ts';
import type { Daemon } from '../../daemon/daemon.ts';
import { errorMessage } from '../../errors.ts';
import type { Activity } from '../../instance/activity.ts';
import { createIsExcluded } from '../../source/exclude.ts';
import type { FailureLog } from '../../status/last-failures.ts';
import { LiveStatus } from '../../status/live/live-status.ts';
import { StatusServer } from '../../status/serve/status-server.ts';
import { readVersion } from '../version.ts';
import type { OpenSite } from './open-site.ts';

export interface ServeOptions {
  readonly running: Daemon;
  readonly activity: () => Activity;
  readonly failures: FailureLog;
  /** Who is told of what happens. */
  readonly listeners: Report[];
  readonly report: Report;
  /** From then on nothing is answered. */
  readonly signal: AbortSignal;
}

/** Answers at `status.listen` for as long as the daemon runs. */
export const serveStatus = (
  listen: ListenAddress,
  { config, destinations }: Pick<OpenSite, 'config' | 'destinations'>,
  { running, activity, failures, listeners, report, signal }: ServeOptions,
): Disposable => {
  const failed = onceEach((message) =>
    report({ type: 'note', level: 'warning', message: `Cannot say how it goes: ${message}` }),
  );
  using stack = new DisposableStack();
  const live = stack.use(
    new LiveStatus({
      config,
      labels: destinations.map(({ label }) => label),
      version: readVersion(),
      isExcluded: createIsExcluded(config.source.exclude),
      survey: () => running.survey(),
      overview: () => running.overview(),
      activity,
      isAlive: () => running.isAlive,
      failures: () => failures.current,
      failed,
    }),
  );
  listeners.push((event) => live.note(event));
  stack.use(new StatusServer({ listen, live, report, failed }));
  const held = stack.move();
  const end = (): void => held.dispose();
  signal.addEventListener('abort', end, { once: true });
  return { [Symbol.dispose]: end };
};

/** Whatever is wrong here, files go on: it is told once. */
const onceEach = (tell: (message: string) => void): ((error: unknown) => void) => {
  const told = new Set<string>();
  return (error) => {
    const message = errorMessage(error);
    if (told.has(message)) return;
    told.add(message);
    tell(message);
  };
};
