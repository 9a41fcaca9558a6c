import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { systemErrorCode } from '../errors.ts';
import type { Activity } from './activity.ts';
import type { LockedSite } from './address.ts';
import { answerWith } from './answer.ts';
import { askSocket } from './ask-socket.ts';
import { alreadyLocked, closeServer } from './lock.ts';
import { openSocketFolder, type SocketFolder } from './socket-folder.ts';

/** A file system that knows no sockets: the abstract socket is the only lock. */
const NO_SOCKETS: readonly string[] = ['EPERM', 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS', 'EINVAL'];
const ASK_AGAIN_MS = 10;
const SILENT_MS = 1000;

/**
 * Acquires the lock of a state folder, across network namespaces (containers) of one host: sockets in the file system are reachable from
 * all of them. Each process has a socket of its own, under a name that is never used again: what refuses a connection is left of a
 * process that has ended, and can be removed without a race. Of processes that start together the one with the lowest name wins:
 * the others withdraw, and it waits for them.
 * @throws UserError with exit code 4 if another isocket holds it
 */
export const lockState = async (site: LockedSite, activity: () => Activity): Promise<AsyncDisposable> => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(openSocketFolder(site.state, { make: true }));
  const own = randomBytes(8).toString('hex');
  let holds = false;
  const answer = answerWith(activity);
  const server = createServer((socket) => {
    if (holds) answer(socket);
    else
      socket
        .on('error', () => undefined)
        .unref()
        .resume()
        .end(CONTENDING);
  });
  try {
    server.listen(folder.unnamed(own));
    await once(server, 'listening');
  } catch (error) {
    if (NO_SOCKETS.includes(systemErrorCode(error) ?? '')) return stack.move();
    throw error;
  }
  server.unref();
  stack.defer(() => closeServer(server));
  // Listens before it has its name: a socket that is seen and refuses is stale.
  folder.publish(own);
  stack.defer(() => folder.remove(own));
  for (const other of folder.names()) if (other !== own) await outlive(folder, own, other, site);
  holds = true;
  return stack.move();
};

const CONTENDING = '{"contending":true}\n';

/** Resolves when the other process has ended or withdrawn. @throws UserError with exit code 4 if this one has to withdraw */
const outlive = async (folder: SocketFolder, own: string, other: string, site: LockedSite): Promise<void> => {
  for (;;) {
    const answer = await askSocket(folder.addressOf(other), SILENT_MS);
    if (answer === 'refused') {
      folder.remove(other);
      return;
    }
    // Who does not answer is stopped, but lives.
    if (answer !== CONTENDING || other < own) throw alreadyLocked(site);
    await delay(ASK_AGAIN_MS);
  }
};
