import type { Report } from '../../core/events.ts';
import type { DirectoryPlan } from '../../core/lifecycle.ts';
import { counted, countedDirectories, formatBytes } from '../../core/units.ts';
import { UserError } from '../../errors.ts';
import { endsIn, fill, type FillResult, type SiteEnd } from '../../maintain/fill/fill.ts';
import { namedIn } from '../../marks/finished-elsewhere.ts';
import { showName } from '../../name.ts';
import { cannotWork, failedDirectory } from '../../source/directory-failures.ts';
import { readProof } from '../../source/read-proof.ts';
import { partialBytesAt } from '../../delivery/under-way.ts';
import { describe } from '../reporters/describe.ts';
import type { CommonOptions } from '../options.ts';
import { listenForShutdown } from '../shutdown.ts';
import { findDestination } from './choose-destination.ts';
import { namedDirectories } from './named-directories.ts';
import { openSite, withBestEffort, type OpenSite } from './open-site.ts';
import { orStop } from './or-stop.ts';
import { openOutput, useLog } from './output.ts';

export interface FillCommandOptions extends CommonOptions {
  readonly checksum?: boolean;
  readonly dryRun?: boolean;
}

/** `isocket fill`: brings to one destination what the others have and it lacks. Resolves with the exit code. */
export const runFill = async (
  [wanted = '', ...named]: readonly string[],
  options: FillCommandOptions,
): Promise<number> => {
  const { json = false, quiet = false, dryRun = false, checksum = false } = options;
  using shutdown = listenForShutdown();
  using output = await openOutput(options);
  const report: Report = (event) => {
    if (json || event.type !== 'planned') output.report(event);
    else output.print(`${describe(event)?.text ?? ''}\n`);
  };
  await using site = await orStop(openSite(options, report, { unlocked: dryRun, onConfig: useLog(output) }));
  const { to, from } = endsOf(site, wanted);
  output.follow(() => partialBytesAt([to.transport]));
  const { plans, unreadable } = namedDirectories(site.config.source, named);
  for (const { name, error } of unreadable) report(failedDirectory(name, cannotWork(name, error)));
  const chosen = named.length > 0 || checksum ? plans : plans.filter((one) => mayLack(one, site, to));
  const signal = AbortSignal.any([shutdown.signal, site.refused]);
  const { config, state } = site;
  const result = await fill({ config, state, to, from, plans: chosen, checksum, dryRun, report, signal });
  site.refused.throwIfAborted();
  const failed = result.failed + unreadable.length;
  const { label: destination } = to.transport;
  if (json) output.print(`${JSON.stringify({ type: 'summary', destination, ...result, failed, dryRun })}\n`);
  else if (!quiet) output.print(summaryText({ ...result, failed }, destination, dryRun));
  return shutdown.exitCode ?? (failed > 0 ? 3 : 0);
};

/** @throws UserError where there is no such destination, or no other one */
const endsOf = (
  site: Pick<OpenSite, 'config' | 'destinations' | 'bestEffort'>,
  wanted: string,
): { readonly to: SiteEnd; readonly from: readonly SiteEnd[] } => {
  const { config, destinations } = withBestEffort(site);
  const chosen = findDestination(destinations, wanted, '');
  const to = endsIn(config.destinations, destinations).find(({ transport }) => transport === chosen);
  // What a best-effort destination has proves nothing.
  const from = endsIn(site.config.destinations, site.destinations).filter(({ transport }) => transport !== chosen);
  if (to !== undefined && from.length > 0) return { to, from };
  throw new UserError(`Cannot fill ${showName(chosen.label)}: the site has no other destination that is required`, {
    hint: 'fill brings to one destination what the others have: name both in the configuration (destination: a list)',
  });
};

/** A directory whose proof names the destination is there; one that had no file is everywhere, but for its `finished.parse`. */
const mayLack = ({ phase, directory }: DirectoryPlan, { config }: Pick<OpenSite, 'config'>, to: SiteEnd): boolean => {
  if (phase !== 'finished') return true;
  const proof = readProof(`${config.source.root}/${directory.name}`);
  const { files } = (proof ?? {}) as { readonly files?: unknown };
  return (files !== 0 || config.announce) && !namedIn(proof).has(to.transport.label);
};

const summaryText = (
  { directories, there, sent, bytes, failed }: FillResult,
  destination: string,
  dryRun: boolean,
): string => {
  const what = `${dryRun ? 'would send' : 'sent'} ${counted(sent, 'file')}, ${formatBytes(bytes)}, to ${showName(destination)}`;
  const before = there > 0 ? `; ${counted(there, 'was', 'were')} there already` : '';
  const whole = dryRun ? '' : `; filled ${countedDirectories(directories)}`;
  return `${what}${before}${whole}${failed > 0 ? `, ${failed} NOT FILLED` : ''}\n`;
};
