import { lstatSync } from 'node:fs';
import { cannotFinish, isGone } from '../source/directory-failures.ts';
import { writeFinishedWatch } from '../marks/finished-watch.ts';
import type { DirectoryPlan } from '../core/lifecycle.ts';
import type { Listing } from './list-directory.ts';
import { modeWithoutMark } from '../marks/mark.ts';
import { FINISHED_PARSE } from '../source/markers.ts';
import { fsPath } from '../name.ts';
import type { SiteContext } from './context.ts';

/**
 * The last steps for a directory of which everything is there: the destination is tidied, told where that is asked for, and
 * `finished.watch` is written.
 * @param isClean no temporary file can be left: there was no trouble, and this run was the first
 */
export const finishDirectory = async (
  { directory, closedBy }: DirectoryPlan,
  { files, bytes, folders, firstMs, lastMs }: Listing,
  { config, destinations, sender, counters, report, signal }: SiteContext,
  { isClean }: { readonly isClean: boolean },
): Promise<void> => {
  const { root } = config.source;
  const { name } = directory;

  const announce = async (): Promise<void> => {
    const targetPath = `${name}/${FINISHED_PARSE}`;
    const sourcePath = `${root}/${targetPath}`;
    const identity = lstatSync(fsPath(sourcePath), { bigint: true });
    await sender.deliver({ sourcePath, targetPath, mode: modeWithoutMark(identity), identity });
  };

  const all = [name, ...folders.map((folder) => `${name}/${folder}`)];
  if (!isClean) await Promise.all(destinations.map((transport) => transport.tidy(all, signal)));
  if (config.announce && closedBy === 'parser') await announce();
  try {
    writeFinishedWatch(root, directory, {
      files,
      bytes,
      first: files > 0 ? new Date(firstMs).toISOString() : null,
      last: files > 0 ? new Date(lastMs).toISOString() : null,
      closedBy,
      verified: config.verify,
      destinations: destinations.map(({ label }) => label),
    });
  } catch (error) {
    throw isGone(error) ? error : cannotFinish(name, error);
  }
  counters.finished += 1;
  report({ type: 'finished', directory: name, closedBy: closedBy ?? 'superseded', files, bytes });
};
