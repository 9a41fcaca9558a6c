import { counted } from '../../core/units.ts';
import { cannotWork, failedDirectory } from '../../source/directory-failures.ts';
import type { Report } from '../../core/events.ts';
import type { DirectoryPlan } from '../../core/lifecycle.ts';
import { showName, type Name } from '../../name.ts';
import type { CommonOptions } from '../options.ts';
import { createRepair } from '../../maintain/repair.ts';
import { listenForShutdown } from '../shutdown.ts';
import { runPass } from '../../delivery/pass.ts';
import { ownCommand } from '../../host/own-command.ts';
import { openBestEffort } from './best-effort.ts';
import { Comparison, type ComparisonOptions } from './comparison.ts';
import { namedDirectories } from './named-directories.ts';
import { openSite, type OpenSite } from './open-site.ts';
import { openOutput, useLog } from './output.ts';

export interface VerifyCommandOptions extends CommonOptions {
  readonly checksum?: boolean;
  readonly repair?: boolean;
}

/** `isocket verify`: compares source and destination. Resolves with the exit code. */
export const verify = async (named: readonly string[], options: VerifyCommandOptions): Promise<number> => {
  const { json = false, quiet = false, checksum = false } = options;
  using shutdown = listenForShutdown();
  const { signal } = shutdown;
  using output = await openOutput(options);
  const { report } = output;
  await using site = await openSite(options, report, { unlocked: options.repair !== true, onConfig: useLog(output) });
  const { plans, unreadable } = namedDirectories(site.config.source, named);
  for (const { name, error } of unreadable) report(failedDirectory(name, cannotWork(name, error)));
  const repair = options.repair === true ? createRepair(site.config.source.root, report) : undefined;
  // What a verification is asked for are its findings: they go to stdout, without time and level.
  const tell: Report = (event) => {
    if (event.type !== 'discrepancy' || json) report(event);
    else output.print(`${event.kind} ${showName(event.path)} at ${event.destination}: ${event.detail}\n`);
  };
  const first = new Comparison({ ...site, checksum, repair, report: tell, signal });
  await first.run(plans);
  let { isWell } = first;
  if (!isWell && first.isWhole && repair !== undefined && !signal.aborted) {
    const only = repair.directories;
    // To take a mark off changed the file's ctime: that must not hold it back as if its writer had touched it.
    const config = { ...site.config, source: { ...site.config.source, settleMs: 0 } };
    const repaired = { ...site, config };
    using bestEffort = openBestEffort(site, { isBeside: false, report, signal });
    const tellPass = json ? report : quietly(report);
    const noting: Report = (event) => {
      bestEffort?.note(event);
      tellPass(event);
    };
    const { complete } = await runPass({ ...repaired, only, report: noting, signal });
    const again = new Comparison({ ...repaired, checksum, repair: undefined, report: tell, signal });
    await again.run(plans.filter(({ directory }) => only.has(directory.name)));
    isWell = complete && again.isWell;
  }
  const lacking = new Lacking(tell);
  const beside =
    site.bestEffort.length === 0
      ? undefined
      : await verifyBestEffort(site, plans, { checksum, report: lacking.report, signal });
  site.refused.throwIfAborted();
  isWell &&= unreadable.length === 0;
  const isRepaired = repair !== undefined && isWell;
  if (json)
    output.print(`${JSON.stringify({ ...summaryOf(first), ...(beside && { bestEffort: countsOf(beside) }) })}\n`);
  else if (!quiet || !isWell) {
    output.print(summaryText(first, isRepaired));
    if (beside !== undefined) output.print(bestEffortText(beside, lacking.cure({ checksum })));
  }
  return shutdown.exitCode ?? (isWell ? 0 : 3);
};

/** What a best-effort destination lacks is told, and makes nothing of the site wrong. */
const verifyBestEffort = async (
  { config, bestEffort }: OpenSite,
  plans: readonly DirectoryPlan[],
  how: Pick<ComparisonOptions, 'checksum' | 'report' | 'signal'>,
): Promise<Comparison> => {
  const comparison = new Comparison({ config, destinations: bestEffort, repair: undefined, ...how });
  await comparison.run(plans);
  return comparison;
};

/** In which directories a destination lacks something, by its label. */
class Lacking {
  readonly #directories = new Map<string, Set<Name>>();
  readonly #report: Report;

  constructor(report: Report) {
    this.#report = report;
  }

  readonly report: Report = (event) => {
    this.#report(event);
    if (event.type !== 'discrepancy') return;
    const [directory = ''] = event.path.split('/', 1);
    const there = this.#directories.get(event.destination) ?? new Set();
    this.#directories.set(event.destination, there.add(directory));
  };

  /** What brings it there; undefined: nothing is lacking. */
  cure({ checksum }: { readonly checksum: boolean }): string | undefined {
    const how = checksum ? ['--checksum'] : [];
    const commands = [...this.#directories].map(([label, names]) => ownCommand('fill', ...how, label, ...names));
    return commands.length === 0 ? undefined : commands.join(' && ');
  }
}

const bestEffortText = (comparison: Comparison, cure: string | undefined): string =>
  `best effort: ${summaryText(comparison, false)}${cure === undefined ? '' : `to send it there, with the daemon stopped: ${cure}\n`}`;

const summaryOf = (comparison: Comparison): object => ({ type: 'summary', ...countsOf(comparison) });

const countsOf = ({ checked, missing, different, unchecked }: Comparison): object => ({
  checked,
  missing,
  different,
  ...(unchecked.length > 0 ? { unchecked } : {}),
});

const summaryText = ({ checked, missing, different, unchecked }: Comparison, isRepaired: boolean): string => {
  const repaired = isRepaired && missing + different > 0 ? ', sent again' : '';
  const without = unchecked.length > 0 ? `; NOT CHECKED: ${unchecked.join(', ')}` : '';
  return `${counted(checked, 'file')}: ${missing} missing, ${different} different${repaired}${without}\n`;
};

/** The pass that sends again tells its failures only: the figures are the verification's. */
const quietly =
  (report: Report): Report =>
  (event) => {
    if (event.type !== 'finished') report(event);
  };
