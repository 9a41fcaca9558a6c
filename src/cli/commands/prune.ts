import { UserError } from '../../errors.ts';
import type { CommonOptions } from '../options.ts';
import { prune } from '../../maintain/prune.ts';
import { describe } from '../reporters/describe.ts';
import { listenForShutdown } from '../shutdown.ts';
import { counted, countedDirectories, formatBytes, parseDurationMs } from '../../core/units.ts';
import type { Report } from '../../core/events.ts';
import { showName } from '../../name.ts';
import { ownCommand } from '../../host/own-command.ts';
import { openSite } from './open-site.ts';
import { orStop } from './or-stop.ts';
import { openOutput, useLog } from './output.ts';

export interface PruneCommandOptions extends CommonOptions {
  readonly olderThan: string;
  readonly untilFree?: string;
  readonly dryRun?: boolean;
  readonly quick?: boolean;
}

/** `isocket prune`: deletes finished directories that every destination has. Resolves with the exit code. */
export const runPrune = async (options: PruneCommandOptions): Promise<number> => {
  const { json = false, quiet = false, dryRun = false, quick = false } = options;
  const olderThanMs = parseDurationMs(options.olderThan);
  if (olderThanMs === undefined) {
    throw new UserError(`Cannot use --older-than "${options.olderThan}": it is no duration`, {
      hint: 'write a number with its unit, such as 30d or 12h',
    });
  }
  const untilFree = options.untilFree === undefined ? undefined : parseShare(options.untilFree);
  using shutdown = listenForShutdown();
  using output = await openOutput(options);
  const tell: Report = (event) => {
    if (json || (event.type !== 'pruned' && event.type !== 'kept')) output.report(event);
    else output.print(`${describe(event)?.text ?? ''}\n`);
  };
  await using site = await orStop(openSite(options, output.report, { unlocked: dryRun, onConfig: useLog(output) }));
  const signal = shutdown.signal;
  const bestEffort = site.bestEffort.map(({ label }) => label);
  const result = await prune({ ...site, bestEffort, olderThanMs, untilFree, dryRun, quick, report: tell, signal });
  site.refused.throwIfAborted();
  if (json) output.print(`${JSON.stringify({ type: 'summary', ...result, dryRun })}\n`);
  else if (!quiet && (dryRun || result.pruned + result.kept > 0)) {
    const what = dryRun ? 'would delete' : 'deleted';
    const next = dryRun && result.pruned > 0 ? `; to delete: ${ownCommand(...withoutDryRun(options))}` : '';
    const younger = result.younger === 0 ? '' : `, ${result.younger} finished less than ${options.olderThan} ago`;
    const newest = result.newest === '' ? '' : `, and ${showName(result.newest)} as the newest`;
    const kept = `kept ${result.kept} because of a doubt${younger}${newest}`;
    output.print(
      `${what} ${countedDirectories(result.pruned)}, ${counted(result.files, 'file')}, ${formatBytes(result.bytes)}; ${kept}${next}\n`,
    );
  }
  return shutdown.exitCode ?? (result.kept > 0 ? 3 : 0);
};

const withoutDryRun = ({ olderThan, untilFree, quick = false }: PruneCommandOptions): string[] => [
  'prune',
  '--older-than',
  olderThan,
  ...(untilFree === undefined ? [] : ['--until-free', untilFree]),
  ...(quick ? ['--quick'] : []),
];

const parseShare = (text: string): number => {
  const percent = /^\s*(\d+(?:\.\d+)?)\s*%\s*$/.exec(text)?.[1];
  if (percent !== undefined && Number(percent) <= 100) return Number(percent) / 100;
  throw new UserError(`Cannot use --until-free "${text}": it is no share of the disk`, {
    hint: 'write a percentage, such as 20%',
  });
};
