import { once } from 'node:events';
import { statSync } from 'node:fs';
import { createServer } from 'node:net';
import { systemErrorCode } from '../../errors.ts';
import { fsPath, showName, type Name } from '../../name.ts';
import type { ReceiverOptions } from '../../receiver/receiver.ts';

/**
 * Warns where another receiver of this host (of this network namespace) serves the same folder. What tells it is an abstract socket, which
 * ends with its process however that ends. Anybody could bind that name: it is no lock, and keeps nobody from serving.
 */
export const warnOfSecond = async (root: Name, log: ReceiverOptions['log']): Promise<Disposable> => {
  const { dev, ino } = statSync(fsPath(root), { bigint: true });
  const server = createServer((socket) => socket.destroy());
  server.unref();
  try {
    server.listen(`\0isocket-receive-${dev}-${ino}`);
    await once(server, 'listening');
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    if (systemErrorCode(error) === 'EADDRINUSE')
      log(
        'warning',
        `another isocket receive serves "${showName(root)}", too: neither knows which files the other has open, which --append-only needs; end one of them`,
      );
  }
  return { [Symbol.dispose]: () => void server.close() };
};
