import { formatBytes } from '../../core/units.ts';
import { TransportError } from '../../errors.ts';
import { type SftpClient } from '../../sftp/client.ts';
import { SftpStatusError, type FileSystemSpace } from '../../sftp/replies.ts';
import { Extension, Status } from '../../sftp/protocol.ts';
import { MAKE_ROOM } from '../next-try.ts';
import {
  CLEAN_SHELL,
  describeFailure,
  describeRefusal,
  isOddName,
  isShellText,
  RENAME_IT,
  troubleInWords,
  unknownReason,
  type Refusal,
  type Trouble,
} from './server-words.ts';

/** The action that failed, for the message: `Cannot write "DC1/a.dat" to sftp://…`. */
export interface FailedAction {
  readonly action: string;
  readonly destination: string;
  /** The folder whose free space is queried. */
  readonly folder: string;
  /** The path of the file, where it is about one. */
  readonly name?: string;
}

/** Maps any failure of a request to the error class that decides about retries. */
export const toTransportError = async (
  error: unknown,
  channel: SftpClient,
  failed: FailedAction,
  findTrouble: FindTrouble = createFindTrouble(),
): Promise<TransportError> => {
  if (error instanceof TransportError) return error;
  const message = `Cannot ${failed.action} ${prepositionOf(failed)} ${failed.destination}: `;
  if (!(error instanceof SftpStatusError)) {
    const why = error instanceof Error ? error.message : String(error);
    const hint = SILENT.test(why) ? IT_HANGS : isShellText(why) ? CLEAN_SHELL : undefined;
    return new TransportError('network', message + why, {
      ...(hint === undefined ? {} : { hint }),
      cause: error,
      wasReached: true,
    });
  }
  const trouble = await findTrouble(channel, failed.folder, error);
  if (trouble?.kind === 'full') return destinationFull(failed, error);
  if (trouble?.kind === 'read-only')
    return new TransportError(trouble.isEverywhere ? 'auth' : 'file', message + READ_ONLY.state, {
      hint: READ_ONLY.hint,
      cause: error,
    });
  const refusal = describeRefusal(error);
  const isName =
    trouble?.kind === 'name' || (refusal === undefined && failed.name !== undefined && isOddName(failed.name));
  return new TransportError('file', message + (refusal?.state ?? describeFailure(error)), {
    hint: isName ? RENAME_IT : (refusal?.hint ?? unknownReason(error)),
    cause: error,
  });
};

const SILENT = /has not answered for/;
const IT_HANGS = 'see whether the server, its disk or the line to it hangs: its log and its load tell';

const prepositionOf = ({ action }: FailedAction): string => (/^(?:send|write) /.test(action) ? 'to' : 'at');

export const READ_ONLY: Refusal = {
  state: 'the file system there is read-only',
  hint: 'mount it for writing at the destination, or correct destination.path; an error of the disk may have made it so: see the log there',
};

/** It is the trouble of that file alone: not of the connection, which others need. */
export const nameEndsProgram = ({ action, destination }: FailedAction, cause: unknown): TransportError =>
  new TransportError(
    'file',
    `Cannot ${action} to ${destination}: the server’s program ends when it is asked for this name, which is not UTF-8`,
    { hint: 'rename it, or use a server that takes names of any bytes', cause },
  );

/** Must be called before the temporary file is removed: the removal frees the space whose lack is to be detected. */
export const orDestinationFull = async (
  error: unknown,
  channel: SftpClient,
  failed: FailedAction,
  findTrouble: FindTrouble,
): Promise<unknown> =>
  error instanceof SftpStatusError && (await findTrouble(channel, failed.folder, error))?.kind === 'full'
    ? destinationFull(failed, error)
    : error;

/**
 * To be called when the temporary file of a big file is removed: with room for others the file alone is at fault, which does not fit, and
 * all smaller ones may go on.
 */
export const orDoesNotFit = async (
  full: TransportError,
  channel: SftpClient,
  { action, destination, folder }: FailedAction,
  size: number,
): Promise<TransportError> => {
  const space = await askSpace(channel, folder);
  const free = space === undefined ? 0 : freeBytes(space);
  if (free < NO_SPACE_BYTES) return full;
  if (free > size && Number.isFinite(free))
    return new TransportError(
      'file',
      `Cannot ${action} to ${destination}: the server has no room for a file of ${formatBytes(size)}, though ${formatBytes(free)} are free`,
      {
        hint: 'raise the quota of the account there, or the server’s limit of file size (MaxStoreFileSize, ulimit -f)',
        cause: full,
      },
    );
  return new TransportError(
    'file',
    `Cannot ${action} to ${destination}: no space left on device for a file of ${formatBytes(size)} (${formatBytes(free)} are free)`,
    { hint: MAKE_ROOM, cause: full },
  );
};

const destinationFull = ({ action, destination }: FailedAction, cause: Error): TransportError =>
  new TransportError('destination-full', `Cannot ${action} to ${destination}: no space left on device`, {
    hint: MAKE_ROOM,
    cause,
  });

// Less than this counts as none: rounding, and blocks reserved for the superuser.
const NO_SPACE_BYTES = 64 * 1024;

/** Files that fail together free their space one after the other: if the disk was full for one of them, it was full for all. */
const SAME_MOMENT_MS = 1000;

export interface FoundTrouble {
  readonly kind: Trouble;
  /** So it is for whatever is sent. */
  readonly isEverywhere: boolean;
}

/** By the server's words, or by its free space: version 3 has one status, "Failure", for a full disk and for many other causes. */
export type FindTrouble = (
  channel: SftpClient,
  folder: string,
  error: SftpStatusError,
) => Promise<FoundTrouble | undefined>;

/** None where no further file can be made. */
const freeBytes = ({ free, freeInodes, inodes }: FileSystemSpace): number =>
  inodes > 0 && freeInodes === 0 ? 0 : free;

export const createFindTrouble = (): FindTrouble => {
  let wasFullMs = -Infinity;
  return async (channel, folder, error) => {
    const told = troubleInWords(error);
    if (told === 'full') return { kind: 'full', isEverywhere: true };
    if (told === 'name') return { kind: 'name', isEverywhere: false };
    const isAsked = told === 'read-only' || error.status === Status.FAILURE;
    const space = isAsked && channel.has(Extension.STATVFS) ? await askSpace(channel, folder) : undefined;
    if (space?.isReadOnly === true) return { kind: 'read-only', isEverywhere: true };
    if (told !== undefined) return { kind: told, isEverywhere: false };
    if (space !== undefined && freeBytes(space) < NO_SPACE_BYTES) wasFullMs = performance.now();
    if (error.status === Status.FAILURE && performance.now() - wasFullMs < SAME_MOMENT_MS)
      return { kind: 'full', isEverywhere: true };
    // The server does not understand what it is asked for; of what isocket sends that can be the name only.
    return error.status === Status.BAD_MESSAGE ? { kind: 'name', isEverywhere: false } : undefined;
  };
};

/** undefined where the server does not tell it: the failure is reported as it is. */
const askSpace = (channel: SftpClient, folder: string): Promise<FileSystemSpace | undefined> =>
  channel.space(folder).catch(() => undefined);
