import type { Config } from '../../config/config.ts';
import type { Report } from '../../core/events.ts';
import { describe } from '../reporters/describe.ts';
import { wrapFor } from '../reporters/wrap-lines.ts';
import { runPass, type PassEnd } from '../../delivery/pass.ts';
import { planPass } from '../../delivery/plan-pass.ts';
import { UserError } from '../../errors.ts';
import { Notifier } from '../../status/notify/notifier.ts';
import { lookForUnsent } from '../../status/notify/look-for-unsent.ts';
import { Ping } from '../../status/notify/ping.ts';
import { createIsExcluded } from '../../source/exclude.ts';
import { listenForShutdown, type Shutdown } from '../shutdown.ts';
import { ownCommand } from '../../host/own-command.ts';
import { showName, type Name } from '../../name.ts';
import { partialBytesAt } from '../../delivery/under-way.ts';
import type { CommonOptions } from '../options.ts';
import { removeDaemonLife } from '../../status/daemon-life.ts';
import { FailureLog } from '../../status/last-failures.ts';
import { warnOfNewInodes } from '../../source/unreliable-mount.ts';
import { unmatchedTag } from '../../source/unmatched-tag.ts';
import { openBestEffort } from './best-effort.ts';
import { namesOf } from './named-directories.ts';
import { openSite, readConfig, statePathOf, type OpenSite } from './open-site.ts';
import { openOutput } from './output.ts';
import type { ScanTextfile } from './scan-textfile.ts';
import { END_MS, tellOfFailure, whyNoOwnRoot, type ToldConfig } from './tell-of-failure.ts';
import { startedEvent } from './started.ts';

/** `isocket scan`: one pass over the site, or over the directories named. Resolves with the exit code. */
export const scan = async (
  options: CommonOptions & { readonly dryRun?: boolean },
  named: readonly string[] = [],
): Promise<number> => {
  using shutdown = listenForShutdown();
  using output = await openOutput(options);
  const { report } = output;
  if (options.dryRun === true) {
    const config = await readConfig(options, report);
    const unmatched = unmatchedTag(config.source);
    if (unmatched !== undefined) report({ type: 'note', level: 'warning', message: unmatched });
    const tell = options.json === true ? report : tellPlan(report);
    const only = namesOf(config.source, named, tellFinished(report));
    const complete = await planPass({ config, report: tell, signal: shutdown.signal, only }, statePathOf(config));
    return shutdown.exitCode ?? (complete ? 0 : 3);
  }
  let ping: Ping | undefined;
  let told: ToldConfig | undefined;
  let textfile: Promise<ScanTextfile> | undefined;
  const onConfig = (config: Config, configPath: string): void => {
    output.useLog(config.log);
    // A pass over some directories does not say how the site is.
    if (named.length > 0) return;
    told = { config, configPath };
    if (config.hooks.ping !== null) ping = new Ping(config.hooks.ping, report);
    if (config.status.textfile !== null) textfile = openTextfile(config.status.textfile, config, report);
  };
  try {
    await using site = await openSite(options, report, { onConfig });
    output.follow(() => partialBytesAt(site.destinations));
    const only = namesOf(site.config.source, named, tellFinished(report));
    return await passOver(site, { only, report, ping, textfile: await textfile, shutdown });
  } catch (error) {
    // Beside another isocket it is that one who says how it goes.
    if (!(error instanceof UserError) || error.exitCode !== 4)
      await Promise.all([
        told && tellOfFailure(told, { report, ping, shutdown }),
        (await textfile)?.failed(told && whyNoOwnRoot(told.config)?.message),
      ]);
    throw error;
  }
};

/** Who names a directory expects something of it. */
const tellFinished =
  (report: Report) =>
  (name: Name): void => {
    const message = `${showName(name)} is finished: nothing of it is sent; to send it again: ${ownCommand('reset', name)}`;
    report({ type: 'note', level: 'warning', message });
  };

/** Loaded where it is wanted: every other scan begins as fast as before. */
const openTextfile = async (path: string, config: Config, report: Report): Promise<ScanTextfile> => {
  const { ScanTextfile } = await import('./scan-textfile.ts');
  return new ScanTextfile(path, config, report);
};

/** The next scan of a cron line must find the lock free: what a best-effort destination still lacks goes then. */
const BEST_EFFORT_MS = 60_000;

interface Surroundings {
  /** undefined: all directories. */
  readonly only: ReadonlySet<Name> | undefined;
  readonly report: Report;
  readonly ping: Ping | undefined;
  readonly textfile: ScanTextfile | undefined;
  readonly shutdown: Shutdown;
}

const passOver = async (site: OpenSite, around: Surroundings): Promise<number> => {
  const { config, configPath, state } = site;
  const { only, report, ping, textfile, shutdown } = around;
  await using notifier = new Notifier({ config, configPath, statePath: state.path, report, ping, graceMs: 0 });
  void ping?.send('start');
  report(startedEvent('scan', site));
  warnOfNewInodes(config.source.root, report);
  using failures = new FailureLog(state.path, notifier.report, 'earlier');
  const signal = AbortSignal.any([shutdown.signal, site.refused]);
  const withinLimit = new AbortController();
  const within = { report, signal: AbortSignal.any([signal, withinLimit.signal]) };
  using bestEffort = openBestEffort(site, { isBeside: false, ...within });
  const tellAll: Report = (event) => {
    bestEffort?.note(event);
    failures.report(event);
    textfile?.note(event);
  };
  const end = await runPass({ ...site, only, report: tellAll, signal });
  const limit = setTimeout(() => withinLimit.abort(), BEST_EFFORT_MS).unref();
  await bestEffort?.run(only);
  clearTimeout(limit);
  site.refused.throwIfAborted();
  if (!shutdown.signal.aborted) {
    failures.ended(only);
    // Whatever became of a daemon, the site is worked on.
    if (only === undefined) removeDaemonLife(state.path);
  }
  report(end.summary);
  const labels = { required: site.destinations.map(labelOf), bestEffort: site.bestEffort.map(labelOf) };
  await textfile?.end(end, labels, shutdown.signal.aborted);
  if (shutdown.exitCode === undefined) {
    if (Notifier.isWanted(config) && only === undefined) await look(notifier, end, config, shutdown.signal);
    void ping?.send(end.complete ? 'success' : 'fail');
  }
  await Promise.all([notifier.end(config.hooks.timeoutMs + END_MS, shutdown.signal), ping?.settled()]);
  return shutdown.exitCode ?? (end.complete ? 0 : 3);
};

const labelOf = ({ label }: { readonly label: string }): string => label;

const look = async (
  notifier: Notifier,
  { unsentIn, late, bornMarked, open, unfinishable, complete }: PassEnd,
  { source }: Config,
  signal: AbortSignal,
): Promise<void> => {
  const isExcluded = createIsExcluded(source.exclude);
  const { down, held } = notifier.facts;
  const { oldest: oldestUnsent } = await lookForUnsent(source.root, unsentIn, isExcluded, signal);
  notifier.look({ down, held, unfinishable, oldestUnsent, late, bornMarked, open, isWhole: complete });
};

/** What a dry run is asked for are results: they go to stdout, without time and level. */
const tellPlan =
  (report: Report): Report =>
  (event) => {
    // What is excluded is what nobody wants: --verbose names it.
    const isSkipped = event.type === 'skipped' && event.kind !== 'excluded';
    if (event.type === 'planned' || event.type === 'held-back' || isSkipped)
      process.stdout.write(wrapFor(process.stdout, `${describe(event)?.text ?? ''}\n`));
    else report(event);
  };
