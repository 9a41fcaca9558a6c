import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { plainMessage, systemErrorCode, UserError } from '../errors.ts';
import type { Activity } from './activity.ts';
import type { LockedSite } from './address.ts';
import { answerWith } from './answer.ts';
import { askSocket } from './ask-socket.ts';
import { alreadyLocked, closeServer } from './lock.ts';
import { isShared, lockFile } from './shared-lock.ts';
import { openSocketFolder, type SocketFolder } from './socket-folder.ts';

/** A file system that knows no sockets: the abstract socket is the only lock. */
const NO_SOCKETS: readonly string[] = ['EPERM', 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS', 'EINVAL'];
const ASK_AGAIN_MS = 10;
const SILENT_MS = 1000;

/**
 * Acquires the lock of a state folder, across network namespaces (containers) of one host: sockets in the file system are reachable from
 * all of them; where the folder is shared by hosts, a lock on a file of it comes first. Each process has a socket of its own, under a name that is never used again: what refuses a connection is left of a
 * process that has ended, and can be removed without a race. Of processes that start together the one with the lowest name wins:
 * the others withdraw, and it waits for them.
 * @throws UserError with exit code 4 if another isocket holds it
 */
export const lockState = async (site: LockedSite, activity: () => Activity): Promise<AsyncDisposable> => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(openFolder(site.state));
  // A socket is reachable on its own host alone, and looks abandoned on all others.
  if (isShared(site.state)) {
    const held = lockFile(join(site.state, 'hosts.lock'));
    if (held === undefined) throw alreadyLocked(site);
    stack.use(held);
  }
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

const openFolder = (state: string): SocketFolder => {
  try {
    return openSocketFolder(state, { make: true });
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    throw new UserError(`Cannot lock the state folder "${state}": ${plainMessage(error)}`, {
      hint: `let the user that runs isocket own it and all in it; as root: chown -R ${userInfo().username} ${state}`,
      cause: error,
    });
  }
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
