import { createHash, randomBytes } from 'node:crypto';
import { encodeName, type OutgoingFile } from '../../transport.ts';

/** The names of one owner's temporary files. */
export interface TemporaryNames {
  /** A unique name: for a file that is sent in one burst. */
  next(): string;
  /** The name that a later attempt with the same `keyOf` finds again. */
  of(key: string): string;
  /** Identifies a file and its content. */
  keyOf(file: OutgoingFile): string;
}

export const createTemporaryNames = (owner: string): TemporaryNames => {
  const run = randomBytes(6).toString('hex');
  let count = 0;
  return {
    next: () => `.isocket-${owner}-${run}${(count += 1).toString(36)}.part`,
    of: (key) => `.isocket-${owner}-${key}.part`,
    keyOf: ({ targetPath, identity: { dev, ino, size, mtimeNs } }) =>
      createHash('sha256')
        .update(encodeName(targetPath))
        .update(`\0${dev}:${ino}:${size}:${mtimeNs}`)
        .digest('hex')
        .slice(0, 24),
  };
};
