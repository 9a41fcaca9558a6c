import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { lstatSync } from 'node:fs';
import type { Activity } from './activity.ts';
import { answerWith } from './answer.ts';
import { systemErrorCode, UserError } from '../errors.ts';
import { fsPath, showName, type Name } from '../name.ts';

/**
 * Acquires the lock of a root: one isocket at a time, whatever its user and state folder. The lock is a socket in the kernel's
 * abstract namespace, named after the root's device and inode: acquired atomically and released with its process however that
 * ends, so no stale lock exists. (It holds for one host and one network namespace.) A client that connects gets the activity.
 * @throws UserError with exit code 4 if another isocket holds it
 */
export const lockRoot = async (root: Name, activity: () => Activity): Promise<AsyncDisposable> => {
  const server = createServer(answerWith(activity));
  try {
    server.listen(rootAddress(root));
    await once(server, 'listening');
  } catch (error) {
    if (systemErrorCode(error) !== 'EADDRINUSE') throw error;
    throw new UserError(`Did nothing: another isocket already works on "${showName(root)}"`, { exitCode: 4 });
  }
  server.unref();
  return { [Symbol.asyncDispose]: () => closeServer(server) };
};

/** The address of a root's lock socket; its holder answers there. */
export const rootAddress = (root: Name): string => {
  const { dev, ino } = lstatSync(fsPath(root), { bigint: true });
  return `\0isocket/root/${dev}:${ino}`;
};

const closeServer = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()));
