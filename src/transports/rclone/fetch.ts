import { showName, TransportError, type FetchedFile, type FetchOptions, type IncomingFile } from '../../transport.ts';
import { classify, explain } from './failures.ts';
import { toRemotePath } from './names.ts';
import { RcError } from './rc-client.ts';
import { DESTINATION } from './rclone-process.ts';
import type { Session } from './session.ts';
import { statStored } from './stored-files.ts';

/** A remote keeps no permission bits: nobody but the owner is let in. */
const MODE = 0o600;
/** A smaller file is little more than a question. */
const SMALL_BYTES = 128 * 1024;

/** `Transport.fetch`: of big files as many at once as are sent at once. */
export const fetchFiles = async (
  session: Session,
  files: readonly IncomingFile[],
  { fetched }: Pick<FetchOptions, 'fetched'>,
  signal: AbortSignal,
): Promise<void> => {
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  const fetch = async (file: IncomingFile): Promise<void> => {
    const slots = file.size <= SMALL_BYTES ? session.questions : session.transfers;
    await slots.acquire(1);
    try {
      either.throwIfAborted();
      fetched(file, await fetchOne(session, file, either));
    } catch (error) {
      over.abort(error);
      throw error;
    } finally {
      slots.release(1);
    }
  };
  await Promise.allSettled(files.map(fetch));
  either.throwIfAborted();
};

const fetchOne = async (
  session: Session,
  file: IncomingFile,
  signal: AbortSignal,
): Promise<FetchedFile | TransportError> => {
  const action = `fetch "${showName(file.targetPath)}" from ${session.shared.label}`;
  try {
    if (file.offset < file.size) await readContent(session, file, signal);
    // After its last byte: whatever changed it meanwhile shows.
    const found = await statStored(session, file.targetPath, {}, signal);
    if (found !== undefined) return { size: found.size, mtimeSeconds: found.mtimeSeconds, mode: MODE };
    return new TransportError('file', `Cannot ${action}: it is no longer there`, {
      hint: 'see what removes files there',
    });
  } catch (error) {
    if (!(error instanceof RcError) || classify(error.message).errorClass === 'network') throw explain(action, error);
    return new TransportError('file', `Cannot ${action}: ${error.message}`, { hint: classify(error.message).hint, cause: error }); // prettier-ignore
  }
};

const readContent = async (session: Session, file: IncomingFile, signal: AbortSignal): Promise<void> => {
  using stack = new DisposableStack();
  stack.use(session.begin());
  const content = await session.client.read(DESTINATION, toRemotePath(file.targetPath), file.offset, signal);
  try {
    for await (const piece of content) file.write(piece as Buffer);
  } catch (error) {
    signal.throwIfAborted();
    // rclone says why in its log alone: it is asked again.
    const { errored } = content;
    if (errored === null || errored !== error) throw error;
    throw new TransportError('network', `Cannot read "${showName(file.targetPath)}": ${errored.message}`, {
      hint: 'see the network and the server',
      cause: error,
      wasReached: true,
    });
  }
};
