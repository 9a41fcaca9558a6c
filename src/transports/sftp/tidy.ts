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
  const { channels, options, context, folders: known } = session;
  const prefix = `.isocket-${context.owner}-`;
  const tidied = new Set<Name>();
  const left = folders.toReversed();
  for (let folder = left.pop(); folder !== undefined; folder = left.pop()) {
    if (tidied.has(folder)) continue;
    tidied.add(folder);
    const path = `${options.path}/${folder}`;
    if (known.isClean(path)) continue;
    for await (const entries of listFolder(session, path)) {
      for (const { name, attributes } of entries) {
        if (name.startsWith(prefix) && name.endsWith('.part'))
          await channels
            .leastBusy()
            .remove(`${path}/${name}`)
            .catch((error: unknown) => leaveThere(session, `${folder}/${name}`, error));
        else if (name !== '.' && name !== '..' && isFolderMode(attributes.permissions)) left.push(`${folder}/${name}`);
      }
    }
  }
  return tidied;
};

/** An account that may only add files leaves what it cannot remove: it harms nothing, and keeps no directory from being finished. */
const leaveThere = ({ habits, label }: Session, path: Name, error: unknown): void => {
  if (!isRefusal(error)) return ignoreMissing(error);
  // "Failure" says nothing of the reason: a folder in which nothing is removed (chattr +a), or a disk that fails.
  if (error.status === Status.FAILURE)
    return habits.tell(
      'warning',
      `Cannot remove "${showName(path)}" at ${label}: the server answers REMOVE with "${wordsOf(error)}"; see why there, and remove what is named .isocket-….part yourself`,
    );
  habits.tell(
    'info',
    `the server refuses ${error.request} (${wordsOf(error)}): temporary files that are left stay there`,
  );
};
