import { systemErrorCode } from '../errors.ts';
import { parseActivity, type Activity } from './activity.ts';
import { abstractAddress, type LockedSite } from './address.ts';
import { askSocket } from './ask-socket.ts';
import { openSocketFolder } from './socket-folder.ts';

const TIMEOUT_MS = 1000;

/**
 * Asks the process that works on this site, in another network namespace too. undefined: there is none, or no valid answer
 * within `timeoutMs`.
 */
export const askActivity = async (site: LockedSite, timeoutMs = TIMEOUT_MS): Promise<Activity | undefined> => {
  const answer = await askSocket(abstractAddress(site), timeoutMs);
  return answer === 'refused' ? askThroughState(site, timeoutMs) : parseActivity(answer ?? '');
};

const askThroughState = async ({ state }: LockedSite, timeoutMs: number): Promise<Activity | undefined> => {
  try {
    using folder = openSocketFolder(state, { make: false });
    const answers = await Promise.all(folder.names().map((name) => askSocket(folder.addressOf(name), timeoutMs)));
    return answers.flatMap((answer) => parseActivity(answer ?? '') ?? [])[0];
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return undefined; // There is no state yet, or it may not be read.
  }
};
