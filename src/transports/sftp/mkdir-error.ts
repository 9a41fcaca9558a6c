import { MAKE_ROOM } from '../next-try.ts';
import { chrootedPath, describeChroot } from './chrooted-path.ts';
import { lockedFolder } from './locked-folder.ts';
import { showName, TransportError, type Name, type TransportErrorClass } from '../../transport.ts';
import type { SftpClient } from '../../sftp/client.ts';
import type { SftpStatusError } from '../../sftp/replies.ts';
import { READ_ONLY, type FindTrouble, type FoundTrouble } from './server-errors.ts';
import { describeFailure, describeRefusal, isOddName, RENAME_IT, unknownReason, type Refusal } from './server-words.ts';

/** Below destination.path it concerns the files of that folder; at destination.path nothing can be sent. */
export const refusedMkdir = async (
  error: SftpStatusError,
  folder: Name,
  {
    channel,
    parent,
    base,
    findTrouble,
  }: { readonly channel: SftpClient; readonly parent: Name; readonly base: Name; readonly findTrouble: FindTrouble },
): Promise<TransportError> => {
  const trouble = await findTrouble(channel, parent, error);
  const isBelow = folder.startsWith(`${base}/`);
  const seenAs = isBelow ? undefined : await chrootedPath(channel, base);
  if (seenAs !== undefined) {
    const { message, hint } = describeChroot(base, seenAs);
    return new TransportError('auth', `Cannot use destination.path: ${message}`, { hint, cause: error });
  }
  const { state, hint } =
    (await lockedFolder(channel, parent, error)) ?? describe(error, { folder, parent }, trouble, isBelow);
  return new TransportError(
    classOf(trouble, isBelow),
    `Cannot make folder "${showName(folder)}" at the destination: ${state}`,
    { hint, cause: error },
  );
};

const classOf = (trouble: FoundTrouble | undefined, isBelow: boolean): TransportErrorClass => {
  if (trouble?.kind === 'full') return 'destination-full';
  return isBelow && !(trouble?.kind === 'read-only' && trouble.isEverywhere) ? 'file' : 'auth';
};

const describe = (
  error: SftpStatusError,
  { folder, parent }: { readonly folder: Name; readonly parent: Name },
  trouble: FoundTrouble | undefined,
  isBelow: boolean,
): Refusal => {
  if (trouble?.kind === 'full') return { state: 'no space left on device', hint: MAKE_ROOM };
  if (trouble?.kind === 'read-only') return READ_ONLY;
  const refusal = describeRefusal(error);
  if (refusal !== undefined) return refusal;
  if (trouble?.kind !== 'name' && !isOddName(folder.slice(parent.length)))
    return { state: describeFailure(error), hint: unknownReason(error) };
  return { state: error.message, hint: isBelow ? RENAME_IT : 'correct destination.path' };
};
