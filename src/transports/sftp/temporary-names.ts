import { createHash, randomBytes } from 'node:crypto';
import { encodeName, type OutgoingFile } from '../../transport.ts';

/** The names of one owner's temporary files, in one run. */
export interface TemporaryNames {
  /** What no other attempt has, of this run or of another one. */
  nextId(): string;
  of(id: string): string;
}

export const createTemporaryNames = (owner: string): TemporaryNames => {
  const run = randomBytes(6).toString('hex');
  let count = 0;
  return {
    nextId: () => `${run}${(count += 1).toString(36)}`,
    of: (id) => `.isocket-${owner}-${id}.part`,
  };
};

/** Identifies a file in one state: a change that sets mtime back moves the ctime all the same. */
export const stateKey = ({ targetPath, identity: { dev, ino, size, mtimeNs, ctimeNs } }: OutgoingFile): string =>
  createHash('sha256')
    .update(encodeName(targetPath))
    .update(`\0${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`)
    .digest('hex')
    .slice(0, 24);
