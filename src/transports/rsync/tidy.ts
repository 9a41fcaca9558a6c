import type { Name } from '../../transport.ts';
import { Checkpoints, checkpointsIn } from '../sftp/checkpoints.ts';
import { createTemporaryNames } from '../sftp/temporary-names.ts';
import { tidyArguments } from './arguments.ts';
import { StagingTree } from './staging-tree.ts';
import { connectionError, judgeRun } from './judge.ts';
import type { Session } from './session.ts';

/** The far end reads whole folders without a word. */
const TIDY_LIMITS = { quietMs: 600_000, afterErrorMs: 60_000 };

/**
 * Removes this owner's folders of partial files from these folders, and from destination.path, where rrsync puts them; and what
 * `transport: sftp` has left, if the site had that before.
 */
export const removePartials = async (
  session: Session,
  folders: readonly Name[],
  signal: AbortSignal,
): Promise<void> => {
  using tree = new StagingTree(session.stagingFolder);
  for (const folder of folders) tree.folder(folder);
  const { context, label } = session;
  const end = await session.runs.run(
    tidyArguments(session.target(tree), session.partialFolder, `.isocket-${context.owner}-*.part`),
    { limits: TIDY_LIMITS },
    signal,
  );
  signal.throwIfAborted();
  new Checkpoints(checkpointsIn(context), createTemporaryNames(context.owner)).forget(folders);
  const verdict = judgeRun(end);
  if (verdict.kind !== 'connection') return;
  if (/--?delete has been disabled/.test(end.stderr)) {
    context.log('info', 'rrsync -no-del: partial files stay at the destination');
    return;
  }
  // A missing folder is no error, not even destination.path itself.
  if (/change_dir|No such file or directory/.test(end.stderr)) return;
  throw connectionError(`tidy folders at ${label}`, verdict);
};
