import type { Name } from '../../name.ts';
import { ignoreMissing, listFolder } from './folders.ts';
import type { Session } from './session.ts';

/** Removes this owner's temporary files from the folders. Those of other owners, and all other files, are kept. */
export const removeTemporaries = async (
  { channels, options, context }: Session,
  folders: readonly Name[],
): Promise<void> => {
  const prefix = `.isocket-${context.owner}-`;
  for (const folder of folders) {
    const path = `${options.path}/${folder}`;
    const channel = channels.leastBusy();
    for await (const entries of listFolder(channel, path)) {
      for (const { name } of entries) {
        if (name.startsWith(prefix) && name.endsWith('.part'))
          await channel.remove(`${path}/${name}`).catch(ignoreMissing);
      }
    }
  }
};
