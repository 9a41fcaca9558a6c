import { liveFirst, plan } from '../core/lifecycle.ts';
import { destinationKeys } from '../marks/record-hash.ts';
import { readRecord } from '../marks/record.ts';
import { viewState } from '../marks/state.ts';
import { cannotRead, cannotWork, failedDirectory, isGone, pathIn } from '../source/directory-failures.ts';
import { createIsExcluded } from '../source/exclude.ts';
import { createOpenFilesView } from '../source/open-files.ts';
import { readRoot } from '../source/root.ts';
import type { PassOptions } from './context.ts';
import { listDirectory } from './list-directory.ts';
import { reportLinks, reportUnreadable } from './pass.ts';

/**
 * What `runPass` would send, and what it would hold back; sends and changes nothing. Resolves with whether every directory could
 * be looked into.
 */
export const planPass = async (
  { config, report, signal, only }: Pick<PassOptions, 'config' | 'report' | 'signal' | 'only'>,
  statePath: string,
): Promise<boolean> => {
  const { root, tag, newest, exclude, settleMs, trustMarks } = config.source;
  const isExcluded = createIsExcluded(exclude);
  const state = viewState(statePath, root);
  const keys = destinationKeys(config.destinations);
  const { manifest } = config;
  const listingOptions = { root, isExcluded, settleMs, trustMarks, manifest, openFiles: createOpenFilesView() };
  const { directories, unreadable, links } = readRoot(root, tag, isExcluded);
  if (only === undefined) reportLinks(root, links, report);
  let failed = reportUnreadable(unreadable, { report }, only);
  for (const one of liveFirst(plan(directories, newest))) {
    signal.throwIfAborted();
    const { directory, phase } = one;
    const { name } = directory;
    if (phase === 'finished' || only?.has(name) === false) continue;
    const record = readRecord(state.recordPath(name), keys) ?? { lookUp: () => 'unknown' };
    try {
      await listDirectory(one, record, listingOptions, {
        ready: (path, stats) => {
          report({ type: 'planned', path: `${name}/${path}`, bytes: Number(stats.size), phase });
          return undefined;
        },
        claimed: (path) => {
          report({ type: 'held-back', path: `${name}/${path}`, reason: { kind: 'claim' } });
          return undefined;
        },
        heldBack: (path, reason) => report({ type: 'held-back', path: `${name}/${path}`, reason }),
        skipped: (path, kind) => report({ type: 'skipped', path: `${name}/${path}`, kind }),
        unreadable: (path, error) => {
          failed += 1;
          const named = pathIn(name, path);
          report(failedDirectory(named, cannotRead(named, error)));
        },
      });
    } catch (error) {
      const failure = cannotWork(name, error);
      if (isGone(error)) continue;
      failed += 1;
      report(failedDirectory(name, failure));
    }
  }
  return failed === 0;
};
