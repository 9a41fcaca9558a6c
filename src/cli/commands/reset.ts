import { cannotWork, failedDirectory } from '../../source/directory-failures.ts';
import { createIsExcluded } from '../../source/exclude.ts';
import type { CommonOptions } from '../options.ts';
import { resetDirectory } from '../../maintain/reset.ts';
import { listenForShutdown } from '../shutdown.ts';
import { namedDirectories } from './named-directories.ts';
import { openSite } from './open-site.ts';
import { orStop } from './or-stop.ts';
import { openOutput, useLog } from './output.ts';

/** `isocket reset`: takes the marks and `finished.watch` away, so that the directories are sent again. */
export const reset = async (named: readonly string[], options: CommonOptions): Promise<number> => {
  using shutdown = listenForShutdown();
  using output = await openOutput(options);
  const { report } = output;
  await using site = await orStop(openSite(options, report, { onConfig: useLog(output) }));
  const { bestEffort, source } = site.config;
  const { root, exclude } = source;
  const isExcluded = createIsExcluded(exclude);
  const { plans, unreadable } = namedDirectories(site.config.source, named);
  for (const { name, error } of unreadable) report(failedDirectory(name, cannotWork(name, error)));
  let failed = unreadable.length;
  for (const { directory } of plans) {
    if (shutdown.signal.aborted) break;
    try {
      failed += await resetDirectory(directory, { root, bestEffort, state: site.state, isExcluded, report });
    } catch (error) {
      report(failedDirectory(directory.name, cannotWork(directory.name, error)));
      failed += 1;
    }
  }
  return shutdown.exitCode ?? (failed > 0 ? 3 : 0);
};
