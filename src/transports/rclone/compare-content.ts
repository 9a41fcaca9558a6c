import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { systemErrorCode } from '../../errors.ts';
import { fsPath, type ExpectedFile } from '../../transport.ts';
import { explain } from './failures.ts';
import { toRemotePath } from './names.ts';
import { DESTINATION, SOURCE } from './rclone-process.ts';
import type { Session } from './session.ts';
import { statFile, type StoredFile } from './stored-files.ts';

const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const GONE = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);

/** By the store's own sum of it; where it has none, by reading the whole of it. False too where the source is not what is expected any more. */
export const hasSameContent = async (
  session: Session,
  file: ExpectedFile,
  stored: StoredFile,
  signal: AbortSignal,
): Promise<boolean> => {
  try {
    await using source = await open(fsPath(file.sourcePath), READ_FLAGS);
    const found = await source.stat({ bigint: true });
    if (!found.isFile() || found.size !== file.size) return false;
    const { hash } = session.traits;
    const there = hash === undefined ? undefined : stored.hashes[hash];
    if (hash !== undefined && typeof there === 'string' && there !== '')
      return there === (await hashOfSource(session, source, hash, signal));
    return (
      (await sumOfStored(session, file, signal)) ===
      (await sumOf(source.createReadStream({ autoClose: false, signal })))
    );
  } catch (error) {
    signal.throwIfAborted();
    if (GONE.has(systemErrorCode(error) ?? '')) return false;
    throw explain(`compare files with ${session.shared.label}`, error);
  }
};

/** rclone knows kinds of sums that others do not. */
const hashOfSource = async (
  session: Session,
  { fd }: FileHandle,
  hash: string,
  signal: AbortSignal,
): Promise<unknown> => (await statFile(session, { fs: SOURCE, remote: String(fd), hash }, signal))?.hashes[hash];

const sumOfStored = async (session: Session, { targetPath }: ExpectedFile, signal: AbortSignal): Promise<string> => {
  using stack = new DisposableStack();
  stack.use(session.begin());
  return await sumOf(await session.client.read(DESTINATION, toRemotePath(targetPath), 0, signal));
};

const sumOf = async (content: NodeJS.ReadableStream): Promise<string> => {
  const sum = createHash('sha256');
  await pipeline(content, sum);
  return sum.digest('hex');
};
