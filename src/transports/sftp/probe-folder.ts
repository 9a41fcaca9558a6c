import type { SftpClient } from '../../sftp/client.ts';
import { SftpStatusError } from '../../sftp/replies.ts';
import { showName, type Name, type ProbeResult } from '../../transport.ts';
import { missingFolder } from '../missing-folder.ts';
import { chrootedPath, describeChroot } from './chrooted-path.ts';
import { createFolders, folderExists, parentOf } from './folders.ts';
import { describeRefusal } from './server-words.ts';

export interface ProbedFolder {
  readonly result: ProbeResult;
  /** What was made to try it, the innermost first: `removeMade` removes it. */
  readonly made: Name[];
}

/** destination.path: where it does not exist it is made for as long as the probe takes, since a mistyped one is not to stay. */
export const probeFolder = async (channel: SftpClient, folder: Name): Promise<ProbedFolder> => {
  const made: Name[] = [];
  for (let at = folder; !(await folderExists(channel, at)); at = parentOf(at)) {
    made.push(at);
    if (parentOf(at) === at || parentOf(at) === '.') break;
  }
  const what = 'folder';
  if (made.length === 0) return { result: { what, state: 'ok', message: `${showName(folder)} exists` }, made };
  const seenAs = await chrootedPath(channel, folder);
  if (seenAs !== undefined) return { result: { what, state: 'failure', ...describeChroot(folder, seenAs) }, made: [] };
  await createFolders(() => channel, { durable: false, base: folder }).ensure(folder)?.done;
  return { result: { what, state: 'ok', message: missingFolder(folder, made.at(-1)) }, made };
};

export const removeMade = async (channel: SftpClient, made: readonly Name[]): Promise<ProbeResult> => {
  const what = 'clean up';
  let at: Name | undefined;
  try {
    for (at of made) await channel.rmdir(at);
    return { what, state: 'ok', message: 'the folder that was made to try it is removed' };
  } catch (error) {
    if (!(error instanceof SftpStatusError)) throw error;
    return {
      what,
      state: 'warning',
      message: `Cannot remove "${showName(at ?? '')}", which was made to try it: ${describeRefusal(error)?.state ?? error.message}`,
      hint: 'this is fine if the account may only add files; remove it yourself if destination.path is mistyped',
    };
  }
};
