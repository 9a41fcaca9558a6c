import { idleActivity, type Activity } from '../../instance/activity.ts';
import { Daemon } from '../../daemon/daemon.ts';
import type { Report } from '../../core/events.ts';
import { errorMessage } from '../../errors.ts';
import type { Name } from '../../name.ts';
import { partialBytesAt, underWayAt } from '../../delivery/under-way.ts';
import type { CommonOptions } from '../options.ts';
import { connectServiceManager, type ServiceManager } from '../service-manager.ts';
import { listenForShutdown, type Shutdown } from '../shutdown.ts';
import { warnOfNewInodes } from '../../source/unreliable-mount.ts';
import { removeDaemonLife, writeDaemonLife } from '../../status/daemon-life.ts';
import { FailureLog } from '../../status/last-failures.ts';
import { chooseSource, describeSource } from '../../watcher/choose-source.ts';
import { findWatcherFacts, openWatcher } from '../../watcher/watcher.ts';
import { Notifier } from '../../status/notify/notifier.ts';
import { ByteFlow } from '../../status/live/byte-flow.ts';
import { Throughput } from '../../status/live/throughput.ts';
import { Ping } from '../../status/notify/ping.ts';
import { SiteWatch, type SiteWatchOptions } from '../../status/notify/site-watch.ts';
import { createIsExcluded } from '../../source/exclude.ts';
import { loopBestEffort, openBestEffort } from './best-effort.ts';
import { rememberConfig } from './config-since.ts';
import type { OpenSite } from './open-site.ts';
import { openWhenThere } from './open-when-there.ts';
import { openOutput, useLog, type Output } from './output.ts';
import { startedEvent } from './started.ts';
import type { Listeners } from './tell-status.ts';

/** What an earlier daemon found is not over before all was tried once. */
const GRACE_MS = 60_000;
/** At the end a command that runs may go on for so long. */
const HOOKS_END_MS = 2000;

/** What the process says of itself over the lock, as far as it has got. */
interface Told {
  watcher?: string;
  daemon?: Daemon;
  readonly throughput: Throughput;
}

/** `isocket daemon`: works on the site until SIGTERM or SIGINT. Resolves with the exit code. */
export const daemon = async (options: CommonOptions): Promise<number> => {
  using shutdown = listenForShutdown();
  using output = await openOutput(options, { isEndless: true });
  const { report } = output;
  const told: Told = { throughput: new Throughput() };
  const idle = { ...idleActivity(new Date()), kind: 'daemon' as const };
  const activity = (): Activity => ({
    ...idle,
    watcher: told.watcher ?? null,
    throughput: told.throughput.at(),
    ...told.daemon?.activity(),
  });
  const started = performance.now();
  const end = (reason: string, isError: boolean): void => {
    const { sent, bytes, finished } = told.daemon?.counters ?? { sent: 0, bytes: 0, finished: 0 };
    report({ type: 'stopped', reason, isError, sent, bytes, finished, seconds: (performance.now() - started) / 1000 });
  };
  await using manager = connectServiceManager({ env: process.env, reportFailure: troubleTeller(report) });
  const start = { report, manager, shutdown };
  await using site = await openWhenThere(options, start, { activity, onConfig: useLog(output) });
  if (site === undefined) return shutdown.exitCode ?? 0;
  output.follow(() => partialBytesAt(site.destinations));
  report(startedEvent('daemon', site));
  const statePath = site.state.path;
  const life = { pid: process.pid, since: idle.since ?? '', reason: null };
  writeDaemonLife(statePath, life);
  try {
    await work(options, site, { output, manager, shutdown, told, activity });
  } catch (error) {
    // The log may be read by somebody who does not see what the command prints.
    const [reason = ''] = errorMessage(error).split('\n', 1);
    writeDaemonLife(statePath, { ...life, reason });
    end(reason, true);
    throw error;
  }
  removeDaemonLife(statePath);
  end(shutdown.signalName ?? 'request', false);
  return shutdown.exitCode ?? 0;
};

interface Surroundings {
  readonly output: Output;
  readonly manager: ServiceManager;
  readonly shutdown: Shutdown;
  readonly told: Told;
  readonly activity: () => Activity;
}

const work = async (options: CommonOptions, site: OpenSite, around: Surroundings): Promise<void> => {
  const { output, manager, shutdown, told, activity } = around;
  const { report } = output;
  const tellTrouble = troubleTeller(report);
  const facts = await findWatcherFacts();
  const choice = chooseSource(site.config.source.watcher, facts);
  const watching = describeSource(choice, facts, site.config.source);
  report({ type: 'watching', message: watching });
  warnOfNewInodes(site.config.source.root, report);
  await using watcher = openWatcher(choice, { reportFailure: tellTrouble });
  const { config, configPath, state } = site;
  using ping = config.hooks.ping === null ? undefined : new Ping(config.hooks.ping, report);
  const graceMs = GRACE_MS + config.send.retry.mostMs;
  await using notifier = new Notifier({ config, configPath, statePath: state.path, report, ping, graceMs });
  void ping?.send('start');
  using failures = new FailureLog(state.path, notifier.report, 'none');
  const signal = AbortSignal.any([shutdown.signal, site.refused]);
  const listeners: Listeners = {
    events: [failures.report, (event) => told.throughput.note(event), (event) => flow.note(event)],
    closes: [],
    moves: [(bytes) => told.throughput.moved(bytes)],
  };
  using flow = new ByteFlow({
    underWay: () => underWayAt(site.destinations),
    moved: (bytes) => listeners.moves.forEach((tell) => tell(bytes)),
  });
  const tellAll: Report = (event) => listeners.events.forEach((tell) => tell(event));
  const bestEffort = openBestEffort(site, { isBeside: true, report: tellAll, signal });
  const closed = (path: Name): void => listeners.closes.forEach((tell) => tell(path));
  const running = new Daemon({ ...site, watcher, closed, report: tellAll, signal });
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
      output.reopenLog();
      running.rescan();
      void tellChange();
      manager.ready(watching);
    }),
  );
  if (Notifier.isWanted(config)) stack.use(watchSite(running, { config, notifier, ping }));
  if (config.status.listen !== null || config.status.textfile !== null) {
    // Loaded where it is wanted: a daemon without it begins as fast as before.
    const { tellStatus } = await import('./tell-status.ts');
    stack.use(await tellStatus(site, { running, activity, failures, listeners, report, signal }));
  }
  await using beside =
    bestEffort && loopBestEffort(bestEffort, { everyMs: config.source.rescanMs, defect: running.fail });
  listeners.events.push((event) => {
    bestEffort?.note(event);
    if (event.type === 'finished') beside?.request();
  });
  manager.ready(watching);
  manager.feedWatchdog(() => running.isAlive);
  await running.run();
  manager.stopping();
  stack.dispose();
  await notifier.end(HOOKS_END_MS, new AbortController().signal);
  site.refused.throwIfAborted();
};

const watchSite = (running: Daemon, parts: Pick<SiteWatchOptions, 'config' | 'notifier' | 'ping'>): SiteWatch =>
  new SiteWatch({
    ...parts,
    isExcluded: createIsExcluded(parts.config.source.exclude),
    overview: () => running.overview(),
    isAlive: () => running.isAlive,
  });

const troubleTeller =
  (report: Report) =>
  (message: string, hint: string): void =>
    report({ type: 'note', level: 'warning', message: `${message}; ${hint}` });

const onHangUp = (act: () => void): Disposable => {
  process.on('SIGHUP', act);
  return { [Symbol.dispose]: () => process.off('SIGHUP', act) };
};
