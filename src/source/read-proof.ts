import { closeSync, constants, openSync, readSync } from 'node:fs';
import { systemErrorCode } from '../errors.ts';
import { fsPath, type Name } from '../name.ts';
import { FINISHED_WATCH } from './markers.ts';

/** Our files have a few hundred bytes. One buffer for all: tens of thousands of them may be read at once. */
const bytes = Buffer.allocUnsafeSlow(64 * 1024);

/** What `finished.watch` of a directory says. undefined where the disk refuses, or holds something else (an empty file of the old tool). */
export const readProof = (directoryPath: Name): unknown => {
  try {
    const path = fsPath(`${directoryPath}/${FINISHED_WATCH}`);
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      return JSON.parse(bytes.toString('utf8', 0, readSync(descriptor, bytes))) as unknown;
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    if (error instanceof SyntaxError || systemErrorCode(error) !== undefined) return undefined;
    throw error;
  }
};

/** The name under which the directory was finished; undefined where its proof does not say. */
export const provenName = (directoryPath: Name): Name | undefined => {
  const { directory } = (readProof(directoryPath) ?? {}) as { readonly directory?: unknown };
  return typeof directory === 'string' ? directory : undefined;
};

/** What these finished directories say that is in them, together; undefined where one does not say it. Reads a small file of each. */
export const provenTotal = (
  root: Name,
  names: readonly Name[],
): { readonly files: number; readonly bytes: number } | undefined => {
  const total = { files: 0, bytes: 0 };
  for (const name of names) {
    const { files, bytes } = (readProof(`${root}/${name}`) ?? {}) as {
      readonly files?: unknown;
      readonly bytes?: unknown;
    };
    if (typeof files !== 'number' || typeof bytes !== 'number') return undefined;
    total.files += files;
    total.bytes += bytes;
  }
  return total;
};
