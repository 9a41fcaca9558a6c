import type { Name } from '../../transport.ts';
import { sendArguments, tidyArguments } from './arguments.ts';
import { without } from './capabilities.ts';
import { isWhole } from './judge.ts';
import type { Session } from './session.ts';
import { StagingTree } from './staging-tree.ts';

/** Whether a file of ours that could not be made in that folder can be made there without permissions. */
export const worksWithoutPermissions = async (
  session: Session,
  folder: Name,
  signal: AbortSignal,
): Promise<boolean> => {
  const name = `.isocket-${session.context.owner}-perms.part`;
  using tree = new StagingTree(session.stagingFolder);
  tree.placeholder(folder === '' ? name : `${folder}/${name}`, 0n, 0);
  const target = session.target(tree);
  const run = { ...target, capabilities: without(target.capabilities, ['perms']) };
  const how = { durable: false, bandwidth: null, lockstep: false, partialFolder: undefined };
  const end = await session.runs.run(sendArguments({ ...run, ...how }), { list: tree.list }, signal);
  if (signal.aborted || !isWhole(end)) return false;
  await session.runs.run(tidyArguments(run, name), {}, signal);
  return true;
};
