import type { Name } from '../../name.ts';
import { ignoreMissing, isFolderMode, listFolder } from './folders.ts';
import type { Session } from './session.ts';

/**
 * Removes this owner's temporary files from the folders and from all below them: what was sent to a folder that got another name at
 * the source is in none that is named. Those of other owners, and all other files, are kept. Resolves with the folders.
 */
export const removeTemporaries = async (
  { channels, options, context, folders: known }: Session,
  folders: readonly Name[],
): Promise<ReadonlySet<Name>> => {
  const prefix = `.isocket-${context.owner}-`;
  const tidied = new Set<Name>();
  const left = folders.toReversed();
  for (let folder = left.pop(); folder !== undefined; folder = left.pop()) {
    if (tidied.has(folder)) continue;
    tidied.add(folder);
    const path = `${options.path}/${folder}`;
    if (known.isClean(path)) continue;
    const channel = channels.leastBusy();
    for await (const entries of listFolder(channel, path, channels.isFar)) {
      for (const { name, attributes } of entries) {
        if (name.startsWith(prefix) && name.endsWith('.part'))
          await channel.remove(`${path}/${name}`).catch(ignoreMissing);
        else if (name !== '.' && name !== '..' && isFolderMode(attributes.permissions)) left.push(`${folder}/${name}`);
      }
    }
  }
  return tidied;
};
