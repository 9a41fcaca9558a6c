import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import type { Activity } from './activity.ts';
import { abstractAddress, type LockedSite } from './address.ts';
import { answerWith } from './answer.ts';
import { systemErrorCode, UserError } from '../errors.ts';
import { showName } from '../name.ts';

/**
 * Acquires a site's lock of one root: one isocket at a time, whatever its user and state folder. The lock is a socket in the
 * kernel's abstract namespace, named after the root's device and inode: acquired atomically and released with its process however that
 * ends, so no stale lock exists. It holds in one network namespace: see `lockState`. A client that connects gets the activity.
 * @throws UserError with exit code 4 if another isocket holds it
 */
export const lockRoot = async (site: LockedSite, activity: () => Activity): Promise<AsyncDisposable> => {
  const server = createServer(answerWith(activity));
  try {
    server.listen(abstractAddress(site));
    await once(server, 'listening');
  } catch (error) {
    if (systemErrorCode(error) !== 'EADDRINUSE') throw error;
    throw alreadyLocked(site);
  }
  server.unref();
  return { [Symbol.asyncDispose]: () => closeServer(server) };
};

export const alreadyLocked = ({ root }: LockedSite): UserError =>
  new UserError(`Did nothing: another isocket already works on "${showName(root)}"`, { exitCode: 4 });

export const closeServer = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()));
