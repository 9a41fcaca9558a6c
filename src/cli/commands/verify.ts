import { createIsExcluded } from '../../source/exclude.ts';
import { cannotWork } from '../../source/directory-failures.ts';
import { plainMessage, TransportError } from '../../errors.ts';
import type { Report } from '../../core/events.ts';
import { plan, type DirectoryPlan } from '../../core/lifecycle.ts';
import { showName } from '../../name.ts';
import type { CommonOptions } from '../options.ts';
import { createRepair, type Repair } from '../../maintain/repair.ts';
import { readRoot } from '../../source/scanner.ts';
import { listenForShutdown } from '../shutdown.ts';
import { runPass } from '../../delivery/pass.ts';
import { verifyDirectory } from '../../verify/verify-directory.ts';
import { createOpenFilesView } from '../../source/open-files.ts';
import { namedDirectories } from './named-directories.ts';
import { openSite, type OpenSite } from './open-site.ts';
import { openOutput } from './output.ts';

export interface VerifyCommandOptions extends CommonOptions {
  readonly checksum?: boolean;
  readonly repair?: boolean;
}

const DIRECTORIES_AT_ONCE = 4;

/** `isocket verify`: compares source and destination. Resolves with the exit code. */
export const verify = async (named: readonly string[], options: VerifyCommandOptions): Promise<number> => {
  const { json = false, quiet = false, checksum = false } = options;
  using shutdown = listenForShutdown();
  const { signal } = shutdown;
  using output = await openOutput(options);
  const { report } = output;
  await using site = await openSite(options, report, { unlocked: options.repair !== true });
  const { root, tag, newest, exclude } = site.config.source;
  const plans = namedDirectories(plan(readRoot(root, tag, createIsExcluded(exclude)), newest), named, root);
  const repair = options.repair === true ? createRepair(root, report) : undefined;
  // What a verification is asked for are its findings: they go to stdout, without time and level.
  const tell: Report = (event) => {
    if (event.type !== 'discrepancy' || json) report(event);
    else process.stdout.write(`${event.kind} ${showName(event.path)} at ${event.destination}: ${event.detail}\n`);
  };
  const first = await compare(plans, site, { checksum, repair, report: tell, signal });
  let isWell = first.missing + first.different + first.failed === 0;
  if (!isWell && first.failed === 0 && repair !== undefined && !signal.aborted) {
    const only = repair.directories;
    const { complete } = await runPass({ ...site, only, report: json ? report : quietly(report), signal });
    const again = await compare(
      plans.filter(({ directory }) => only.has(directory.name)),
      site,
      { checksum, repair: undefined, report: tell, signal },
    );
    isWell = complete && again.missing + again.different + again.failed === 0;
  }
  const { checked, missing, different } = first;
  if (json) process.stdout.write(`${JSON.stringify({ type: 'summary', checked, missing, different })}\n`);
  else if (!quiet || !isWell) {
    const repaired = repair !== undefined && isWell && missing + different > 0 ? ', sent again' : '';
    process.stdout.write(`${checked} files: ${missing} missing, ${different} different${repaired}\n`);
  }
  return shutdown.exitCode ?? (isWell ? 0 : 3);
};

interface CompareOptions {
  readonly checksum: boolean;
  readonly repair: Repair | undefined;
  readonly report: Report;
  readonly signal: AbortSignal;
}

const compare = async (
  plans: readonly DirectoryPlan[],
  { config, destinations }: OpenSite,
  { checksum, repair, report, signal }: CompareOptions,
): Promise<{ checked: number; missing: number; different: number; failed: number }> => {
  const result = { checked: 0, missing: 0, different: 0, failed: 0 };
  const writers = createOpenFilesView();
  const isStopped = (): boolean => signal.aborted;
  const left = [...plans];
  const work = async (): Promise<void> => {
    for (let one = left.shift(); one !== undefined && !isStopped(); one = left.shift()) {
      const { directory } = one;
      try {
        const checked = await verifyDirectory(one, {
          config,
          destinations,
          writers,
          checksum,
          found: ({ file, kind, detail }, destination) => {
            result[kind] += 1;
            report({ type: 'discrepancy', path: file.targetPath, destination, kind, detail });
            repair?.takeBack(directory, file.targetPath);
          },
          signal,
        });
        result.checked += checked;
      } catch (error) {
        if (isStopped()) return;
        const { hint } = error instanceof TransportError ? error : cannotWork(directory.name, error);
        result.failed += 1;
        report({
          type: 'note',
          level: 'warning',
          message: `Cannot verify ${showName(directory.name)}: ${plainMessage(error)}${hint === undefined ? '' : `; ${hint}`}`,
        });
        if (error instanceof TransportError) left.length = 0; // The line is down: the others would say the same.
      }
    }
  };
  await Promise.all(Array.from({ length: DIRECTORIES_AT_ONCE }, work));
  return result;
};

/** The pass that sends again tells its failures only: the figures are the verification's. */
const quietly =
  (report: Report): Report =>
  (event) => {
    if (event.type !== 'finished') report(event);
  };
