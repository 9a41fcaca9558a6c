import type { SftpClient } from '../../sftp/client.ts';
import { BELOW_PROBE_FOLDER, OpenFlag, Status } from '../../sftp/protocol.ts';
import { SftpStatusError } from '../../sftp/replies.ts';
import { formatBytes } from '../../core/units.ts';
import { showName, type Name, type ProbeResult } from '../../transport.ts';
import { refusedMkdir } from './mkdir-error.ts';
import { createFindTrouble } from './server-errors.ts';
import { ignoreMissing } from './folders.ts';
import { lockedFolder } from './locked-folder.ts';
import { refusalOf } from './server-habits.ts';
import { describeFailure, describeRefusal, unknownReason } from './server-words.ts';
import { listEntries } from './list-folder.ts';

const LITTLE_SPACE_BYTES = 1024 ** 3;
const FEW_INODES = 1_000;

export interface ProbeNames {
  /** Exists. */
  readonly file: Name;
  /** Is made, and removed by `probeRemove`. */
  readonly folder: Name;
}

/** A folder below the destination's, which is listed, and a file that is read back. */
export async function* probeRequests(
  channel: SftpClient,
  { file, folder, base }: ProbeNames & { readonly base: Name },
): AsyncGenerator<ProbeResult> {
  const made = await makeFolder(channel, folder, base);
  yield made;
  yield await listBack(channel, made.state === 'ok' ? folder : base);
  yield await readBack(channel, file);
}

const makeFolder = async (channel: SftpClient, folder: Name, base: Name): Promise<ProbeResult> => {
  const what = 'make folder';
  try {
    await channel.mkdir(folder, {});
  } catch (error) {
    if (!(error instanceof SftpStatusError)) throw error;
    // An earlier run may have left it.
    const isLeft = describeRefusal(error) === undefined && (await channel.lstat(folder)) !== undefined;
    if (!isLeft) {
      const how = { channel, parent: base, base, findTrouble: createFindTrouble() };
      const { message, hint = '' } = await refusedMkdir(error, folder, how);
      return { what, state: 'failure', message, hint };
    }
  }
  const refusal = await refusalOf(channel.mkdir(folderBelow(folder), {}));
  // An earlier run may have left it.
  const isMade =
    refusal === undefined || (await channel.lstat(folderBelow(folder)).catch(() => undefined)) !== undefined;
  if (isMade) return { what, state: 'ok', message: 'a folder for a directory can be made' };
  const described = (await lockedFolder(channel, folder, refusal)) ?? describeRefusal(refusal);
  return {
    what,
    state: 'failure',
    message: `Cannot make anything in the folder that was made: ${described?.state ?? describeFailure(refusal)}`,
    hint: described?.hint ?? unknownReason(refusal),
  };
};

/** What is made in the folder of the probe: no file, which some accounts may not remove. */
export const folderBelow = (folder: Name): Name => `${folder}/${BELOW_PROBE_FOLDER}`;

const listBack = async (channel: SftpClient, folder: Name): Promise<ProbeResult> => {
  const what = 'list';
  try {
    for await (const entries of listEntries(channel, folder, false)) if (entries.length > 0) break;
    return { what, state: 'ok', message: 'folders can be listed' };
  } catch (error) {
    if (!(error instanceof SftpStatusError)) throw error;
    return {
      what,
      state: 'warning',
      message: describeRefusal(error)?.state ?? `Cannot list "${showName(folder)}": ${error.message}`,
      hint: 'files are sent all the same, and asked for one by one; remove what a broken transfer leaves (.isocket-….part) yourself, or give the account the right to list folders there',
    };
  }
};

const readBack = async (channel: SftpClient, file: Name): Promise<ProbeResult> => {
  const what = 'read';
  try {
    const handle = await channel.open(file, OpenFlag.READ, {});
    try {
      await channel.read(handle, 0, 100);
    } finally {
      await channel.close(handle);
    }
    return { what, state: 'ok', message: 'content can be read back' };
  } catch (error) {
    if (!(error instanceof SftpStatusError)) throw error;
    return {
      what,
      state: 'warning',
      message: describeRefusal(error)?.state ?? `Cannot read "${showName(file)}": ${error.message}`,
      hint: 'files are sent all the same; for verify --checksum and prune, which compare content, give the account the right to read files there',
    };
  }
};

export const probeRemove = async (channel: SftpClient, { file, folder }: ProbeNames): Promise<ProbeResult> => {
  let path = file;
  try {
    await channel.remove(file);
    path = folderBelow(folder);
    await channel.rmdir(path).catch(ignoreMissing);
    path = folder;
    await channel.rmdir(folder);
    return { what: 'clean up', state: 'ok', message: 'the temporary file is removed' };
  } catch (error) {
    if (!(error instanceof SftpStatusError)) throw error;
    // It could not be made.
    if (path === folder && error.status === Status.NO_SUCH_FILE)
      return { what: 'clean up', state: 'ok', message: 'the temporary file is removed' };
    return {
      what: 'clean up',
      state: 'warning',
      message: `Cannot remove "${showName(path)}": ${describeRefusal(error)?.state ?? error.message}`,
      hint: `this is fine if the account may only add files; ${path === file ? BROKEN : `at the destination’s host, remove ${showName(folder)} with what is in it: a later check makes no other`}`,
    };
  }
};

const BROKEN = 'remove what a broken transfer leaves (.isocket-….part) yourself';

/** Some servers announce the request and refuse it. */
export const probeSpace = async (channel: SftpClient, folder: Name): Promise<ProbeResult> => {
  const what = 'free space';
  try {
    const { free, freeInodes, inodes } = await channel.space(folder);
    if (free === Infinity) return unknownSpace('the file system there does not tell how large it is');
    const message = `${formatBytes(free)} free${inodes > 0 ? `, inodes for ${freeInodes} files` : ''}`;
    const isFull = free === 0 || (inodes > 0 && freeInodes === 0);
    const isLittle = free < LITTLE_SPACE_BYTES || (inodes > 0 && freeInodes < FEW_INODES);
    if (!isFull && !isLittle) return { what, state: 'ok', message };
    const hint = 'make room at the destination before it fills up';
    return { what, state: isFull ? 'failure' : 'warning', message, hint };
  } catch (error) {
    if (!(error instanceof SftpStatusError)) throw error;
    return unknownSpace(
      `the server announces statvfs, and refuses statvfs (${error.message}): it does not say how much is free`,
    );
  }
};

const unknownSpace = (message: string): ProbeResult => ({
  what: 'free space',
  state: 'warning',
  message,
  hint: 'watch the space at the destination yourself: a full disk is known by the server’s words only, if it has any',
});
