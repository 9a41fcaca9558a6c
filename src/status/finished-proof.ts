import { z } from 'zod';
import type { Name } from '../name.ts';
import { readProof } from '../source/read-proof.ts';

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
