import { lstatSync } from 'node:fs';
import type { ClosedBy, DirectoryPlan, DirectorySnapshot } from '../core/lifecycle.ts';
import { modeWithoutMark } from '../marks/mark.ts';
import { writeFinishedWatch } from '../marks/finished-watch.ts';
import { fsPath } from '../name.ts';
import { cannotFinish, isGone } from '../source/directory-failures.ts';
import { FINISHED_PARSE } from '../source/markers.ts';
import type { SiteContext } from './context.ts';
import type { Listing } from './listing.ts';
import { isClosedByParser, whyNotAsPlanned } from './still-as-planned.ts';

export interface FinishOptions {
  /** No temporary file can be left at a destination: nothing failed, and this process began the record. */
  readonly isClean: boolean;
  /** Files that were checked at every destination since they were sent. */
  readonly checked: number;
  /** SHA-256 of the delivered `SHA256SUMS`; null: the directory has no file; undefined: none is asked for. */
  readonly manifest: string | null | undefined;
}

/**
 * The last steps for a directory of which everything is there: destinations are tidied, `finished.parse` is announced where that
 * is asked for, and `finished.watch` is written. Resolves with the reason where it may not be finished after all.
 */
export const finishDirectory = async (
  plan: DirectoryPlan,
  listing: Listing,
  site: SiteContext,
  options: FinishOptions,
): Promise<string | undefined> => {
  const { config, sender, counters, report, signal } = site;
  const { root } = config.source;
  const { directory } = plan;
  const { name } = directory;
  // Where every mark is trusted no destination is asked for anything.
  const areAllTrusted = listing.trusted > 0 && listing.trusted === listing.files;
  if (!options.isClean && !areAllTrusted) {
    const folders = [name, ...listing.folders.map((folder) => `${name}/${folder}`)];
    await Promise.all(sender.destinations.map((transport) => transport.tidy(folders, signal)));
  }
  // Not only before: it may change while destinations are tidied.
  const moved = whyNotAsPlanned(root, plan, listing);
  if (moved !== undefined) return moved;
  // The parser may have closed it since it was planned as superseded; the last listing is not older.
  const closedBy = isClosedByParser(root, name) ? 'parser' : 'superseded';
  if (config.announce && closedBy === 'parser') await announce(plan, site);
  try {
    writeFinishedWatch(root, directory, proofOf({ directory, closedBy }, listing, site, options));
  } catch (error) {
    throw isGone(error) ? error : cannotFinish(name, error);
  }
  counters.finished += 1;
  const { files, bytes } = listing;
  report({ type: 'finished', directory: name, closedBy, files, bytes });
  return undefined;
};

/** What `finished.watch` says (contract.md §2). A destination that was not asked for a single file is not named. */
const proofOf = (
  { closedBy, directory }: { readonly closedBy: ClosedBy; readonly directory: DirectorySnapshot },
  { files, bytes, firstMs, lastMs, trusted, skipped }: Listing,
  { config, sender }: SiteContext,
  { checked, manifest }: FinishOptions,
): object => {
  const excluded = skipped.get('excluded') ?? 0;
  return {
    site: config.site,
    directory: directory.name,
    files,
    bytes,
    skipped: [...skipped.values()].reduce((sum, count) => sum + count, 0) - excluded,
    excluded,
    trusted,
    first: files > 0 ? new Date(firstMs).toISOString() : null,
    last: files > 0 ? new Date(lastMs).toISOString() : null,
    closedBy,
    verified: config.verify,
    ...(manifest === undefined ? {} : { manifest }),
    destinations: files - trusted > 0 ? sender.destinations.map(({ label }) => ({ label, checked })) : [],
  };
};

/** Delivers `finished.parse`. */
export const announce = async (
  { directory }: Pick<DirectoryPlan, 'directory'>,
  { config, sender }: Pick<SiteContext, 'config' | 'sender'>,
): Promise<void> => {
  const targetPath = `${directory.name}/${FINISHED_PARSE}`;
  const sourcePath = `${config.source.root}/${targetPath}`;
  const identity = lstatSync(fsPath(sourcePath), { bigint: true });
  await sender.deliver({ sourcePath, targetPath, mode: modeWithoutMark(identity), identity });
};
