import type { Activity } from '../../instance/activity.ts';
import { Daemon } from '../../daemon/daemon.ts';
import type { Report } from '../../core/events.ts';
import type { CommonOptions } from '../options.ts';
import { connectServiceManager } from '../service-manager.ts';
import { listenForShutdown } from '../shutdown.ts';
import { FailureLog } from '../../status/last-failures.ts';
import { chooseSource, describeSource } from '../../watcher/choose-source.ts';
import { findWatcherFacts, openWatcher } from '../../watcher/watcher.ts';
import { rememberConfig } from './config-since.ts';
import { openSite } from './open-site.ts';
import { openOutput } from './output.ts';

/** `isocket daemon`: works on the site until SIGTERM or SIGINT. Resolves with the exit code. */
export const daemon = async (options: CommonOptions): Promise<number> => {
  using shutdown = listenForShutdown();
  using output = await openOutput(options, { bar: false });
  const { report } = output;
  const tellTrouble = troubleTeller(report);
  const told: { watcher?: string; daemon?: Daemon } = {};
  const activity = (): Partial<Activity> => ({
    kind: 'daemon',
    watcher: told.watcher ?? null,
    ...told.daemon?.activity(),
  });

  await using manager = connectServiceManager({ env: process.env, reportFailure: tellTrouble });
  await using site = await openSite(options, report, { activity });
  const facts = await findWatcherFacts();
  const choice = chooseSource(site.config.source.watcher, facts);
  const watching = describeSource(choice, facts, site.config.source);
  report({ type: 'watching', message: watching });
  await using watcher = openWatcher(choice, { reportFailure: tellTrouble });
  using failures = new FailureLog(site.state.path, report, 'none');
  const signal = AbortSignal.any([shutdown.signal, site.refused]);
  const running = new Daemon({ ...site, watcher, report: failures.report, signal });
  Object.assign(told, { watcher: watching, daemon: running });
  const changeSince = await rememberConfig(options);
  const tellChange = async (): Promise<void> => {
    const message = await changeSince();
    if (message !== undefined) report({ type: 'note', level: 'warning', message });
  };
  using stack = new DisposableStack();
  stack.use(
    onHangUp(() => {
      manager.reloading();
      running.rescan();
      void tellChange();
      manager.ready(watching);
    }),
  );
  manager.ready(watching);
  manager.feedWatchdog(() => running.isAlive);
  await running.run();
  manager.stopping();
  site.refused.throwIfAborted();
  return shutdown.exitCode ?? 0;
};

const troubleTeller =
  (report: Report) =>
  (message: string, hint: string): void =>
    report({ type: 'note', level: 'warning', message: `${message}; ${hint}` });

const onHangUp = (act: () => void): Disposable => {
  process.on('SIGHUP', act);
  return { [Symbol.dispose]: () => process.off('SIGHUP', act) };
};
