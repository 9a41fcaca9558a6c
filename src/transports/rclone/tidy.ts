import type { Name } from '../../transport.ts';
import { explain, isMissing } from './failures.ts';
import { toRemotePath } from './names.ts';
import { DESTINATION } from './rclone-process.ts';
import type { Session } from './session.ts';
import { listStored } from './stored-files.ts';

/** Removes this owner's temporary files in these folders and below. Where uploads appear when they are whole, there are none. */
export const removeTemporaries = async (
  session: Session,
  folders: readonly Name[],
  signal: AbortSignal,
): Promise<void> => {
  if (session.traits.isAtomic) return;
  const { context, label } = session.shared;
  const isOurs = new RegExp(`(?:^|/)\\.isocket-${context.owner}-[^/]*\\.part$`);
  for (const folder of folders.filter((one) => !folders.some((other) => one.startsWith(`${other}/`)))) {
    const entries = await listStored(session, folder, { deep: true, noTimes: true }, signal);
    for (const { path, kind } of entries) {
      if (kind !== 'file' || !isOurs.test(path)) continue;
      try {
        await session.call('operations/deletefile', { fs: DESTINATION, remote: toRemotePath(path) }, signal);
      } catch (error) {
        if (!isMissing(error)) throw explain(`remove a temporary file at ${label}`, error);
      }
    }
  }
};
