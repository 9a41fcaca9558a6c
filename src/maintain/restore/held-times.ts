import { closeSync, lstatSync, openSync, rmSync, utimesSync } from 'node:fs';
import { wholeSeconds } from '../../identity.ts';
import { fsPath, type Name } from '../../name.ts';
import type { ExpectedFile, Transport } from '../../transport.ts';
import type { OfOtherTime } from './directory-plan.ts';
import type { Place } from './place.ts';

const TRIED = '.isocket-restore-time.part';

export interface HeldTimesOptions {
  readonly transport: Transport;
  readonly place: Pick<Place, 'base' | 'scratch'>;
  /** Nothing is written here. */
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
}

/** Of files that are as big there as here: those whose two times are one, which one of the two disks cannot hold. */
export const heldTimes = async (
  files: readonly OfOtherTime[],
  { transport, place, dryRun, signal }: HeldTimesOptions,
): Promise<ReadonlySet<OfOtherTime>> => {
  const there = await heldThere(files, { transport, folder: place.base, signal });
  if (dryRun) return there;
  const others = files.filter((file) => !there.has(file));
  return new Set([...there, ...heldHere(others, place.scratch)]);
};

/**
 * Those whose time there is what the destination makes of the time here (an even second, its first or its last
 * one). Its transport knows, by the rule by which `verify` and the mark of a file go.
 * @param folder of the directories here
 */
const heldThere = async (
  files: readonly OfOtherTime[],
  { transport, folder, signal }: { readonly transport: Transport; readonly folder: Name; readonly signal: AbortSignal },
): Promise<ReadonlySet<OfOtherTime>> => {
  if (files.length === 0) return new Set();
  const asked = new Map(
    files.map((file): [ExpectedFile, OfOtherTime] => {
      const { path: targetPath } = file.wanted.entry;
      const { size, mtimeNs } = file.stats;
      return [{ sourcePath: `${folder}/${targetPath}`, targetPath, size, mtimeSeconds: wholeSeconds(mtimeNs) }, file];
    }),
  );
  const wrong = new Set(
    (await transport.verify([...asked.keys()], { checksum: false }, signal)).map(({ file }) => file),
  );
  return new Set([...asked].flatMap(([one, file]) => (wrong.has(one) ? [] : file)));
};

/**
 * Those whose time here is what this disk makes of the time there: it holds even seconds alone, or no such year. Tried with a file.
 * @param scratch an empty folder on the disk of the files
 */
const heldHere = (files: readonly OfOtherTime[], scratch: Name): ReadonlySet<OfOtherTime> => {
  if (files.length === 0) return new Set();
  const path = fsPath(`${scratch}/${TRIED}`);
  const made = new Map<number, number>();
  const makes = (seconds: number): number => {
    const time = new Date(seconds * 1000); // A time before 1970 is taken only as a Date.
    utimesSync(path, time, time);
    return wholeSeconds(lstatSync(path, { bigint: true }).mtimeNs);
  };
  closeSync(openSync(path, 'w', 0o600));
  try {
    return new Set(
      files.filter(({ wanted: { entry }, stats }) => {
        const { mtimeSeconds } = entry;
        const known = made.get(mtimeSeconds) ?? makes(mtimeSeconds);
        made.set(mtimeSeconds, known);
        return known === wholeSeconds(stats.mtimeNs);
      }),
    );
  } finally {
    rmSync(path, { force: true });
  }
};
