import { showName, type Name } from '../../name.ts';
import type { Config } from '../../config/config.ts';
import type { Report } from '../../core/events.ts';
import { counted, formatBytes } from '../../core/units.ts';
import { TransportError, UserError } from '../../errors.ts';
import { idleActivity } from '../../instance/activity.ts';
import { lockRoot } from '../../instance/lock.ts';
import { openPlaceElsewhere, viewPlace } from '../../maintain/restore/elsewhere-place.ts';
import { cannotKeep, isOfDisk } from '../../maintain/restore/local-errors.ts';
import type { Place } from '../../maintain/restore/place.ts';
import { DirectoryRestore } from '../../maintain/restore/restore-directory.ts';
import { openRootPlace } from '../../maintain/restore/root-place.ts';
import type { RestoreResult } from '../../maintain/restore/tally.ts';
import { failedDirectory } from '../../source/directory-failures.ts';
import { createIsExcluded } from '../../source/exclude.ts';
import { isSiteName } from '../../source/root.ts';
import type { Transport } from '../../transport.ts';
import { describe } from '../reporters/describe.ts';
import type { CommonOptions } from '../options.ts';
import { listenForShutdown } from '../shutdown.ts';
import { chooseDestination } from './choose-destination.ts';
import { connectForReading, orAnother } from './connect-for-reading.ts';
import { openSite, readConfig, statePathOf, withBestEffort } from './open-site.ts';
import { orStop } from './or-stop.ts';
import { openOutput, useLog, type Output } from './output.ts';
import { namedDirectory, refuseRootIn, targetFolder } from './restore-target.ts';

export interface RestoreCommandOptions extends CommonOptions {
  readonly to?: string;
  readonly from?: string;
  readonly dryRun?: boolean;
  readonly overwrite?: boolean;
}

/** Where directories come from, and where each goes. */
interface Way extends AsyncDisposable {
  readonly config: Config;
  readonly transport: Transport;
  /** The site's destinations: it is one of them. */
  readonly all: readonly Transport[];
  /** In which the directories stand when they are back. */
  readonly folder: Name;
  readonly openPlace: (directory: Name) => Place;
  /** Aborted, with a UserError, where the destination turns out to be the root. */
  readonly refused: AbortSignal;
}

/** `isocket restore`: brings directories back from a destination. Resolves with the exit code. */
export const restore = async (named: readonly string[], options: RestoreCommandOptions): Promise<number> => {
  const { json = false, quiet = false, dryRun = false } = options;
  using shutdown = listenForShutdown();
  using output = await openOutput(options);
  const { signal } = shutdown;
  const tell: Report = (event) => {
    if (json || event.type !== 'restored' || !dryRun) output.report(event);
    else output.print(`${describe(event)?.text ?? ''}\n`);
  };
  await using way = await openWay(options, { report: tell, signal, onConfig: useLog(output) });
  const either = AbortSignal.any([signal, way.refused]);
  const directories = new Set(named.map((argument) => namedDirectory(argument, way.config.source.root)));
  if (options.to === undefined) refuseStrangers(directories, way.config.source);
  const sum = { directories: 0, restored: 0, bytes: 0, equal: 0, different: 0, failed: 0, skipped: 0 };
  const last = [...directories].at(-1);
  for (const directory of directories) {
    if (either.aborted) break;
    const report: Report = (event) => {
      tell(event);
      if (event.type === 'found' && directory === last) tell({ type: 'found-all' });
    };
    const { result, goesOn } = await restoreOne(way, directory, {
      ...options,
      report,
      follow: output.follow,
      signal: either,
    });
    sum.directories += result.failed + result.different === 0 ? 1 : 0;
    for (const key of ['restored', 'bytes', 'equal', 'different', 'failed', 'skipped'] as const)
      sum[key] += result[key];
    if (!goesOn) break;
  }
  way.refused.throwIfAborted();
  if (shutdown.signalName !== undefined)
    tell({ type: 'note', level: 'warning', message: `stopped by ${shutdown.signalName}: ${GOES_ON}` });
  if (json) output.print(`${JSON.stringify({ type: 'summary', ...sum, dryRun })}\n`);
  else if (!quiet) output.print(summaryText(sum, dryRun));
  return shutdown.exitCode ?? (sum.failed + sum.different > 0 ? 3 : 0);
};

const openWay = async (
  options: RestoreCommandOptions,
  {
    report,
    signal,
    onConfig,
  }: { readonly report: Report; readonly signal: AbortSignal; readonly onConfig: (config: Config) => void },
): Promise<Way> => {
  const { to, dryRun = false } = options;
  await using stack = new AsyncDisposableStack();
  if (to === undefined && !dryRun) {
    const opened = stack.use(
      await orStop(openSite(options, report, { onConfig }), '; or restore to another folder with --to'),
    );
    const site = withBestEffort(opened);
    const transport = chooseDestination(site.destinations, options.from);
    const openPlace = (directory: Name): Place =>
      openRootPlace({ ...site, from: transport, directory, report, signal });
    const held = stack.move();
    return {
      config: site.config,
      transport,
      all: site.destinations,
      folder: site.config.source.root,
      openPlace,
      refused: site.refused,
      [Symbol.asyncDispose]: () => held.disposeAsync(),
    };
  }
  // Nothing of the site is changed: its root may be lost, and another isocket at work on it.
  const config = await readConfig(options, report);
  onConfig(config);
  const { root } = config.source;
  const all = connectForReading(config, report, stack);
  const transport = chooseDestination(all, options.from);
  const folder = to === undefined ? root : targetFolder(to, { root, state: statePathOf(config), makes: !dryRun });
  if (!dryRun) {
    const locked = { name: 'restore', root: folder, state: statePathOf(config) };
    stack.use(await lockRoot(locked, () => idleActivity(new Date())));
  }
  const openPlace = (directory: Name): Place => {
    if (to !== undefined) refuseRootIn(folder, directory, root);
    return dryRun ? viewPlace(folder, directory) : openPlaceElsewhere(folder, directory);
  };
  const held = stack.move();
  const refused = new AbortController().signal;
  return { config, transport, all, folder, openPlace, refused, [Symbol.asyncDispose]: () => held.disposeAsync() };
};

const GOES_ON = 'what is here is kept, and the same command goes on with it';

/** What the site does not have as its own would never be looked at again. */
const refuseStrangers = (directories: ReadonlySet<Name>, { tag, exclude }: Config['source']): void => {
  const isExcluded = createIsExcluded(exclude);
  for (const directory of directories) {
    if (isSiteName(directory, { tag, isExcluded })) continue;
    throw new UserError(`Cannot restore "${showName(directory)}" into source.root: it is no directory of the site`, {
      hint: 'its name does not begin with source.tag, or is excluded; restore it to another folder with --to',
    });
  }
};

interface RunOptions extends RestoreCommandOptions {
  readonly follow: Output['follow'];
  readonly report: Report;
  readonly signal: AbortSignal;
}

/** `goesOn`: what ended it is no matter of this directory alone, else. */
const restoreOne = async (
  { config, transport, all, folder, openPlace }: Way,
  directory: Name,
  { from, dryRun = false, overwrite = false, report, follow, signal }: RunOptions,
): Promise<{ readonly result: RestoreResult; readonly goesOn: boolean }> => {
  const nothing = { restored: 0, bytes: 0, equal: 0, different: 0, failed: 0, skipped: 0 };
  let work: DirectoryRestore | undefined;
  const fail = (error: TransportError | UserError, goesOn: boolean) => {
    report(failedDirectory(directory, error));
    if (work !== undefined && !goesOn && !dryRun)
      report({ type: 'note', level: 'warning', message: `${showName(directory)} is not all back: ${GOES_ON}` });
    const result = work?.result ?? nothing;
    return { result: { ...result, failed: result.failed + 1 }, goesOn };
  };
  try {
    using place = openPlace(directory);
    const isExcluded = createIsExcluded(config.source.exclude);
    const { manifest, announce, send } = config;
    const isOnly = all.length === 1;
    const how = { overwrite, dryRun, manifest, announce, isOnly, isExcluded, retry: send.retry, report, signal };
    const running = new DirectoryRestore({ transport, directory, place, ...how });
    work = running;
    follow(() => running.partialBytes);
    await work.run();
    return { result: work.result, goesOn: true };
  } catch (cause) {
    const error = orAnother(cause, transport, { all, from });
    if (signal.aborted) return { result: work?.result ?? nothing, goesOn: false };
    if (error instanceof TransportError) return fail(error, error.class === 'file');
    const failure = error instanceof UserError ? error : cannotKeep(`${folder}/${directory}`, error);
    return fail(failure, !isOfDisk(failure.cause));
  }
};

const summaryText = ({ restored, bytes, equal, different, failed }: RestoreResult, dryRun: boolean): string => {
  const what = `${dryRun ? 'would restore' : 'restored'} ${counted(restored, 'file')}, ${formatBytes(bytes)}`;
  const here = equal > 0 ? `, ${equal} were here already` : '';
  const wrong = [...(different > 0 ? [`${different} DIFFER`] : []), ...(failed > 0 ? [`${failed} FAILED`] : [])];
  return `${what}${here}${wrong.map((one) => `, ${one}`).join('')}\n`;
};
