import type { Report } from '../../core/events.ts';
import type { Daemon } from '../../daemon/daemon.ts';
import type { Activity } from '../../instance/activity.ts';
import type { Name } from '../../name.ts';
import { createIsExcluded } from '../../source/exclude.ts';
import type { FailureLog } from '../../status/last-failures.ts';
import { LiveStatus } from '../../status/live/live-status.ts';
import { DaemonMetrics } from '../../status/metrics/daemon-metrics.ts';
import { readVersion } from '../version.ts';
import { onceEach } from './once-each.ts';
import type { OpenSite } from './open-site.ts';

/** Who is told of what the daemon does. */
export interface Listeners {
  readonly events: Report[];
  /** Called for each file that its writer closed. */
  readonly closes: ((path: Name) => void)[];
  /** Called with how many more bytes have arrived. */
  readonly moves: ((bytes: number) => void)[];
}

export interface TellOptions {
  readonly running: Daemon;
  readonly activity: () => Activity;
  readonly failures: FailureLog;
  readonly listeners: Listeners;
  readonly report: Report;
  /** From then on nothing is told. */
  readonly signal: AbortSignal;
}

const labelOf = ({ label }: { readonly label: string }): string => label;

/** Answers at `status.listen`, and writes `status.textfile`, for as long as the daemon runs. */
export const tellStatus = async (
  { config, state, destinations, bestEffort }: Pick<OpenSite, 'config' | 'state' | 'destinations' | 'bestEffort'>,
  { running, activity, failures, listeners, report, signal }: TellOptions,
): Promise<Disposable> => {
  const failed = onceEach((message) =>
    report({ type: 'note', level: 'warning', message: `Cannot say how it goes: ${message}` }),
  );
  const { listen, textfile } = config.status;
  const version = readVersion();
  using stack = new DisposableStack();
  const live = stack.use(
    new LiveStatus({
      config,
      labels: { required: destinations.map(labelOf), bestEffort: bestEffort.map(labelOf) },
      statePath: state.path,
      version,
      isExcluded: createIsExcluded(config.source.exclude),
      survey: () => running.survey(),
      overview: () => running.overview(),
      activity,
      isAlive: () => running.isAlive,
      failures: () => failures.current,
      failed,
    }),
  );
  const metrics = stack.use(
    new DaemonMetrics({ site: config.site, version, statePath: state.path, live, textfile, report, failed }),
  );
  listeners.events.push(
    (event) => live.note(event),
    (event) => metrics.note(event),
  );
  listeners.moves.push((bytes) => live.moved(bytes));
  listeners.closes.push((path) => metrics.noteClosed(path));
  if (listen !== null) {
    const [{ StatusServer, SITE_WORDS }, { Answers }] = await Promise.all([
      import('../../status/serve/status-server.ts'),
      import('../../status/serve/answers.ts'),
    ]);
    const answers = new Answers({ live, metrics, failed, host: listen.host });
    stack.use(new StatusServer({ listen, answers, words: SITE_WORDS, report }));
  }
  const held = stack.move();
  const end = (): void => held.dispose();
  signal.addEventListener('abort', end, { once: true });
  return { [Symbol.dispose]: end };
};
