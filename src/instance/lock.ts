import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import type { Activity } from './activity.ts';
import { abstractAddress, type LockedSite } from './address.ts';
import { answerWith } from './answer.ts';
import { claim, findClaim } from './claim.ts';
import { siteUsers } from './site-users.ts';
import { systemErrorCode, UserError } from '../errors.ts';
import { showName } from '../name.ts';

/**
 * Acquires a site's lock of one root: one isocket at a time, whatever its state folder. The lock is a socket in the
 * kernel's abstract namespace, named after the root's device and inode: acquired atomically and released with its process however that
 * ends, so no stale lock exists. It holds in one network namespace: see `lockState`. A client that connects gets the activity.
 * Any local user can bind that name: it keeps nobody from working unless a process of the site's users claims it too.
 * @param taken called where a stranger has the name
 * @throws UserError with exit code 4 if another isocket holds it
 */
export const lockRoot = async (
  site: LockedSite,
  activity: () => Activity,
  taken: (message: string) => void = () => undefined,
): Promise<AsyncDisposable> => {
  await using stack = new AsyncDisposableStack();
  const address = abstractAddress(site);
  // Before it listens: who finds the name taken looks for the claim.
  const first = stack.use(claim(address));
  const server = createServer(answerWith(activity));
  try {
    server.listen(address);
    await once(server, 'listening');
  } catch (error) {
    if (systemErrorCode(error) !== 'EADDRINUSE') throw error;
    first[Symbol.dispose]();
    const pid = findClaim(address, siteUsers(site));
    if (pid !== undefined) throw alreadyLocked(site, pid);
    stack.use(claim(address));
    taken(
      `another program has the lock's name of "${showName(site.root)}", and is no isocket that is known to work on it; going on with the lock of the state folder alone`,
    );
    return stack.move();
  }
  server.unref();
  stack.defer(() => closeServer(server));
  return stack.move();
};

export const alreadyLocked = ({ root }: LockedSite, pid?: number): UserError => {
  const who = pid === undefined ? '' : ` (process ${pid})`;
  return new UserError(`Did nothing: another isocket already works on "${showName(root)}"${who}`, { exitCode: 4 });
};

/** Its name is free at once. Who is still connected is not waited for: nothing would keep the process for that, and it would end with 13. */
export const closeServer = (server: Server): void => void server.close();
