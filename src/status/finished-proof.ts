import type { ClosedBy, DirectorySnapshot } from '../core/lifecycle.ts';
import { lackingIn, unnamedIn, type OwnSite } from '../marks/finished-elsewhere.ts';
import type { Name } from '../name.ts';
import { readProof } from '../source/read-proof.ts';
import type { DirectoryStatus } from './site-status.ts';

/** What `status` needs of a proof; null: it does not say, as the empty files of the old tool. */
export interface FinishedProof {
  readonly files: number | null;
  readonly bytes: number | null;
  readonly skipped: number;
  readonly excluded: number;
  readonly site: unknown;
  readonly destinations: unknown;
  readonly closedBy: ClosedBy | null;
}

/** The content of `DIRECTORY/finished.watch`. Reads one small file; the directory is not listed. */
export const readFinishedProof = (directoryPath: Name): FinishedProof => proofIn(readProof(directoryPath));

/** What is not as we write it is not known. By hand: there may be thousands, and a schema takes three times as long. Pure. */
export const proofIn = (content: unknown): FinishedProof => {
  const known: Readonly<Record<string, unknown>> = isObject(content) ? content : {};
  const { closedBy, site, destinations } = known;
  return {
    files: countIn(known.files),
    bytes: countIn(known.bytes),
    skipped: countIn(known.skipped) ?? 0,
    excluded: countIn(known.excluded) ?? 0,
    site,
    destinations,
    closedBy: closedBy === 'parser' || closedBy === 'superseded' ? closedBy : null,
  };
};

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

const countIn = (value: unknown): number | null =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;

/** What is said of a finished directory. */
export const finishedStatus = (
  { name, late = false }: Pick<DirectorySnapshot, 'name' | 'late'>,
  proof: FinishedProof,
  own: OwnSite,
): Omit<DirectoryStatus, 'held'> => {
  const { files, bytes, skipped, excluded, closedBy } = proof;
  const { lacks, isFillable } = lackingIn(proof, own);
  const notAt = unnamedIn(proof, own.bestEffort ?? []);
  return {
    name,
    phase: 'finished',
    closedBy,
    files,
    bytes,
    sent: files,
    sentBytes: bytes,
    skipped,
    oldestUnsentSeconds: null,
    excluded,
    late,
    ...(lacks.length === 0 ? {} : { lacks, isFillable }),
    ...(notAt.length === 0 ? {} : { notAt }),
  };
};
