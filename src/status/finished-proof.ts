import { closeSync, constants, openSync, readSync } from 'node:fs';
import { z } from 'zod';
import { systemErrorCode } from '../errors.ts';
import { FINISHED_WATCH } from '../source/markers.ts';
import { fsPath, type Name } from '../name.ts';

const proofSchema = z.object({
  files: z.int().min(0).nullable().catch(null),
  bytes: z.int().min(0).nullable().catch(null),
  closedBy: z.enum(['parser', 'superseded']).nullable().catch(null),
});

export type FinishedProof = Readonly<z.infer<typeof proofSchema>>;

/** The old tool's are empty: there nothing is known but that the directory is finished. */
const UNKNOWN: FinishedProof = { files: null, bytes: null, closedBy: null };
/** Ours have some hundred bytes. */
const MOST_BYTES = 64 * 1024;

/** What `DIRECTORY/finished.watch` says: one small file is read, and the directory is not listed. */
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
    const bytes = Buffer.alloc(MOST_BYTES);
    return bytes.toString('utf8', 0, readSync(descriptor, bytes));
  } finally {
    closeSync(descriptor);
  }
};
