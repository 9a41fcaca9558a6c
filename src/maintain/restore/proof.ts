import { closeSync, constants, fchmodSync, fstatSync, futimesSync, openSync } from 'node:fs';
import type { Config } from '../../config/config.ts';
import { fsPath, type Name } from '../../name.ts';
import { FINISHED_PARSE, FINISHED_WATCH } from '../../source/markers.ts';
import { pathAt } from '../../source/open-beneath.ts';
import type { Transport } from '../../transport.ts';
import type { Complete } from './place.ts';

/** What `finished.watch` of a directory says that was brought back (contract.md §2): every destination was asked for all of it. Pure but for the time. */
export const proofOf = (
  { files, bytes, skipped = 0, excluded, first, last, areContentsCompared }: Complete & { readonly skipped?: number },
  {
    config,
    directory,
    destinations,
  }: {
    readonly config: Pick<Config, 'site'>;
    readonly directory: Name;
    readonly destinations: readonly Transport[];
  },
): object => {
  const showTime = (seconds: number | undefined): string | null =>
    seconds === undefined ? null : new Date(seconds * 1000).toISOString();
  return {
    site: config.site,
    directory,
    files,
    bytes,
    skipped,
    excluded,
    trusted: 0,
    first: showTime(first),
    last: showTime(last),
    closedBy: 'parser',
    verified: areContentsCompared ? 'checksum' : 'all',
    restored: new Date().toISOString(),
    destinations: files > 0 ? destinations.map(({ label }) => ({ label, checked: files })) : [],
  };
};

/**
 * Sees that it bears `finished.parse`, of the time of its newest file where that was not brought back: a marker from before the directory's birth says
 * that it is none that a parser is at (lifecycle.ts).
 */
export const writeClosed = (folder: number, newest: number | undefined): void => {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW;
  const descriptor = openSync(fsPath(pathAt(folder, FINISHED_PARSE)), flags, 0o644);
  try {
    const time = new Date((newest ?? 0) * 1000);
    if (fstatSync(descriptor).mtimeMs >= fstatSync(folder).birthtimeMs) futimesSync(descriptor, time, time);
  } finally {
    closeSync(descriptor);
  }
};

/** Moves its ctime. */
export const touchProof = (folder: number): void => {
  const proof = openSync(fsPath(pathAt(folder, FINISHED_WATCH)), constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    fchmodSync(proof, 0o644);
  } finally {
    closeSync(proof);
  }
};
