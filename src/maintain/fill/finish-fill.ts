import type { BigIntStats } from 'node:fs';
import { announce } from '../../delivery/finish-directory.ts';
import { isAsListed, type Listing } from '../../delivery/listing.ts';
import { Manifest } from '../../delivery/manifest.ts';
import { isClosedByParser } from '../../delivery/still-as-planned.ts';
import { addToFinishedWatch, type CheckedDestination } from '../../marks/finished-watch.ts';
import { isMarked } from '../../marks/mark.ts';
import type { Name } from '../../name.ts';
import { readDirectory } from '../../source/root.ts';
import { Verification } from '../../verify/verification.ts';
import type { DirectoryFillOptions, FoundFile } from './directory-options.ts';
import { listEntries } from './entries.ts';
import type { FillTally } from './fill-tally.ts';
import { MOVED } from './send-found.ts';

/** Files that were asked for, and were there. */
export interface Asked {
  /** At the destination that is filled. */
  readonly here: number;
  /** At each of the others, since no record vouched for them. */
  readonly elsewhere: number;
}

/**
 * The last steps for a finished directory of which everything is there: what was sent is checked, the manifest and `finished.parse` are
 * delivered where the site wants them, in the order of a directory that is finished, and `finished.watch` names the destination. False where
 * the directory was changed meanwhile, which is reported.
 */
export const finishFill = async (options: DirectoryFillOptions, tally: FillTally, asked: Asked): Promise<boolean> => {
  const { plan, site, to, record } = options;
  const { config, signal } = site;
  const { root } = config.source;
  const { name } = plan.directory;
  const { checked, ...seen } = await lookAgain(options, tally);
  if (tally.failed > 0) return false;
  const manifest = config.manifest ? new Manifest(site, name, record) : undefined;
  await manifest?.write();
  await to.tidy([name, ...seen.folders.map((folder) => `${name}/${folder}`)], signal);
  if (config.announce && options.isClosedByParser && isClosedByParser(root, name)) await announce(plan, site);
  const isLate = readDirectory(root, name)?.late !== false;
  if (manifest?.isWritten === false || isLate || !isAsListed(root, name, seen)) {
    tally.refuse('', MOVED);
    return false;
  }
  const { others } = options;
  // The others are named too where each file was asked of them.
  const vouching: CheckedDestination[] =
    asked.elsewhere < tally.files ? [] : others.map(({ label }) => ({ label, checked: asked.elsewhere }));
  const added = [...vouching, { label: to.label, checked: asked.here + checked }];
  if (tally.files > 0) addToFinishedWatch(root, plan.directory, added);
  return true;
};

/** Every file must be what the destination has; what was sent is checked there as the site wants it. */
const lookAgain = async (
  { plan, site, to, record, checksum }: DirectoryFillOptions,
  tally: FillTally,
): Promise<Pick<Listing, 'folders' | 'foldersNs'> & { readonly checked: number }> => {
  const { config, signal } = site;
  const seen = { folders: [] as Name[], foldersNs: 0n, checked: 0 };
  const verification = new Verification<FoundFile>({
    root: config.source.root,
    directory: plan.directory.name,
    destinations: [to],
    checksum,
    different: ({ detail }, { path }) =>
      tally.refuse(path, `it was sent a moment ago, and ${detail}`, 'see what changes files there; then fill it again'),
    uncheckable: (error) => tally.fail(error),
    equal: () => {
      seen.checked += 1;
    },
    signal,
  });
  const opened = ({ mtimeNs }: BigIntStats): void => {
    seen.foldersNs += mtimeNs;
  };
  for await (const entry of listEntries(plan.directory, site, opened)) {
    const { kind, path } = entry;
    if (kind === 'skipped') continue;
    if (kind === 'folder') {
      seen.folders.push(path);
      seen.foldersNs += entry.stats.mtimeNs;
    } else if (kind !== 'file' || !isMarked(entry.stats) || !record.has(path, entry.stats, 0))
      tally.refuse(path, MOVED);
    else if (config.verify !== 'off' && record.isNew(path)) {
      const { stats } = entry;
      await verification.add({ path, size: stats.size, mtimeNs: stats.mtimeNs, stats });
    } else await verification.pass(path);
  }
  await verification.end();
  return seen;
};
