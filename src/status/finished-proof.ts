import { closeSync, constants, openSync, readSync } from 'node:fs';
import { z } from 'zod';
import { systemErrorCode } from '../errors.ts';
import { FINISHED_WATCH } from '../source/markers.ts';
import { fsPath, type Name } from '../name.ts';

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
/** Bytes. Our files have a few hundred. */
const MAX_PROOF_BYTES = 64 * 1024;

/** The content of `DIRECTORY/finished.watch`. Reads one small file; the directory is not listed. */
export const readFinishedProof = (directoryPath: Name): FinishedProof => {
  try {
    return proofSchema.safeParse(JSON.parse(readStart(`${directoryPath}/${FINISHED_WATCH}`))).data ?? UNKNOWN;
  } catch (error) {
    if (error instanceof SyntaxError || systemErrorCode(error) !== undefined) return UNKNOWN;
    throw error;
  }
};

const readStart = (path: Name): string => {
  const descriptor = openSync(fsPath(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const bytes = Buffer.alloc(MAX_PROOF_BYTES);
    return bytes.toString('utf8', 0, readSync(descriptor, bytes));
  } finally {
    closeSync(descriptor);
  }
};
