import { z } from 'zod';
import type { DirectorySnapshot } from '../core/lifecycle.ts';
import { unnamedIn } from '../marks/finished-elsewhere.ts';
import type { Name } from '../name.ts';
import { readProof } from '../source/read-proof.ts';
import type { DirectoryStatus } from './site-status.ts';

const proofSchema = z.object({
  files: z.int().min(0).nullable().catch(null),
  bytes: z.int().min(0).nullable().catch(null),
  skipped: z.int().min(0).catch(0),
  excluded: z.int().min(0).catch(0),
  destinations: z.array(z.object({ label: z.string() })).catch([]),
  closedBy: z.enum(['parser', 'superseded']).nullable().catch(null),
});

export type FinishedProof = Readonly<z.infer<typeof proofSchema>>;

/** The old tool writes empty files: only that the directory is finished is known. */
const UNKNOWN: FinishedProof = { files: null, bytes: null, skipped: 0, excluded: 0, destinations: [], closedBy: null };
/** The content of `DIRECTORY/finished.watch`. Reads one small file; the directory is not listed. */
export const readFinishedProof = (directoryPath: Name): FinishedProof =>
  proofSchema.safeParse(readProof(directoryPath)).data ?? UNKNOWN;

/** What is said of a finished directory. */
export const finishedStatus = (
  { name, late = false }: Pick<DirectorySnapshot, 'name' | 'late'>,
  proof: FinishedProof,
  labels: readonly string[],
): Omit<DirectoryStatus, 'held'> => {
  const { files, bytes, skipped, excluded, closedBy } = proof;
  const lacks = unnamedIn(proof, labels);
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
    ...(lacks.length === 0 ? {} : { lacks }),
  };
};
