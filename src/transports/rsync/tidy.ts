import { TransportError } from '../../errors.ts';
import type { Name } from '../../transport.ts';
import { tidyArguments } from './arguments.ts';
import { createFarm } from './staging-tree.ts';
import { judgeRun } from './judge.ts';
import type { Session } from './session.ts';

/** Removes this owner's folders of partial files from these folders (and the top, where rrsync puts them). */
export const removePartials = async (
  session: Session,
  folders: readonly Name[],
  signal: AbortSignal,
): Promise<void> => {
  using farm = createFarm(session.farms);
  for (const folder of folders) farm.folder(folder);
  const { master, options, capabilities, context, label } = session;
  const end = await session.runs.run(
    tidyArguments({ socket: master.socket, farm: farm.path, path: options.path, capabilities }, session.partialFolder),
    {},
    signal,
  );
  signal.throwIfAborted();
  const verdict = judgeRun(end);
  if (verdict.kind !== 'line') return;
  if (/--?delete has been disabled/.test(end.stderr)) {
    context.log('info', 'rrsync -no-del: parts of files that were cut off stay at the destination');
    return;
  }
  // A folder that is not there is no error, nor is the destination's own.
  if (/change_dir|No such file or directory/.test(end.stderr)) return;
  throw new TransportError(verdict.class, `Cannot tidy folders at ${label}: ${verdict.state}`, { hint: verdict.hint });
};
