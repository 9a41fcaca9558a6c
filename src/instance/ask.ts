import { systemErrorCode } from '../errors.ts';
import { parseActivity, type Activity } from './activity.ts';
import { abstractAddress, type LockedSite } from './address.ts';
import { askSocket } from './ask-socket.ts';
import { userClaiming } from './claim.ts';
import { siteUsers } from './site-users.ts';
import { openSocketFolder } from './socket-folder.ts';

const TIMEOUT_MS = 1000;

/**
 * Asks the process that works on this site, in another network namespace too. undefined: there is none, or no valid answer
 * within `timeoutMs`. Only its user can listen in the state folder; at the abstract address anybody can, so that what is said there
 * counts where the process that it names claims the site too.
 */
export const askActivity = async (site: LockedSite, timeoutMs = TIMEOUT_MS): Promise<Activity | undefined> =>
  (await askThroughState(site, timeoutMs)) ?? (await askByName(site, timeoutMs));

const askByName = async (site: LockedSite, timeoutMs: number): Promise<Activity | undefined> => {
  const address = abstractAddress(site);
  const answer = parseActivity((await askSocket(address, timeoutMs)) ?? '');
  if (answer === undefined) return undefined;
  const user = userClaiming(address, answer.pid);
  return user !== undefined && siteUsers(site).has(user) ? answer : undefined;
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
