import { showName, type Name } from '../../name.ts';
import { Status } from '../../sftp/protocol.ts';
import { ignoreMissing, isFolderMode } from './folders.ts';
import { listFolder } from './list-folder.ts';
import { isRefusal } from './server-habits.ts';
import { wordsOf } from './server-words.ts';
import type { Session } from './session.ts';

/**
 * Removes this owner's temporary files from the folders and from all below them: what was sent to a folder that got another name at
 * the source is in none that is named. Those of other owners, and all other files, are kept. Resolves with the folders.
 */
export const removeTemporaries = async (session: Session, folders: readonly Name[]): Promise<ReadonlySet<Name>> => {
  const { options, context, folders: known } = session;
  const prefix = `.isocket-${context.owner}-`;
  const partialFolder = `.isocket-${context.owner}.part`;
  const tidied = new Set<Name>();
  const left = folders.toReversed();
  for (let folder = left.pop(); folder !== undefined; folder = left.pop()) {
    if (tidied.has(folder)) continue;
    tidied.add(folder);
    const path = `${options.path}/${folder}`;
    if (known.isClean(path)) continue;
    for await (const entries of listFolder(session, path)) {
      for (const { name, attributes } of entries) {
        if (name.startsWith(prefix) && name.endsWith('.part')) await remove(session, `${folder}/${name}`);
        else if (name === partialFolder) await removePartials(session, `${folder}/${name}`);
        else if (name !== '.' && name !== '..' && isFolderMode(attributes.permissions)) left.push(`${folder}/${name}`);
      }
    }
  }
  return tidied;
};

const remove = ({ channels, options, ...session }: Session, path: Name): Promise<void> =>
  channels
    .leastBusy()
    .remove(`${options.path}/${path}`)
    .catch((error: unknown) => leaveThere(session, path, error));

/** The folder in which `transport: rsync` keeps partial files, if the site had that before. */
const removePartials = async (session: Session, folder: Name): Promise<void> => {
  const path = `${session.options.path}/${folder}`;
  for await (const entries of listFolder(session, path))
    for (const { name } of entries) if (name !== '.' && name !== '..') await remove(session, `${folder}/${name}`);
  await session.channels
    .leastBusy()
    .rmdir(path)
    .catch((error: unknown) => leaveThere(session, folder, error));
};

/** An account that may only add files leaves what it cannot remove: it harms nothing, and keeps no directory from being finished. */
const leaveThere = ({ habits, label }: Pick<Session, 'habits' | 'label'>, path: Name, error: unknown): void => {
  if (!isRefusal(error)) return ignoreMissing(error);
  // "Failure" says nothing of the reason: a folder in which nothing is removed (chattr +a), or a disk that fails.
  if (error.status === Status.FAILURE)
    return habits.tell(
      'warning',
      `Cannot remove "${showName(path)}" at ${label}: the server answers ${error.request} with "${wordsOf(error)}"; see why there, and remove what is named .isocket-….part yourself`,
    );
  habits.tell(
    'info',
    `the server refuses ${error.request} (${wordsOf(error)}): temporary files that are left stay there`,
  );
};
