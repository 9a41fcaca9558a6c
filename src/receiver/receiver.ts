import { once } from 'node:events';
import { createServer } from 'node:net';
import type { ReceiverFigures } from '../core/receiver-figures.ts';
import type { ReceiverLimits } from '../core/receiver-limits.ts';
import { fingerprintOf } from './authorized-keys.ts';
import { Clients } from './clients.ts';
import { openConfinedFolder } from './confined-folder.ts';
import { parseHostKey } from './host-key.ts';
import type { ReceiverOptions } from './receiver-options.ts';
import { RootDisk } from './root-disk.ts';
import { lookAtRoot } from './root-problems.ts';

export type { ReceiverOptions };

/** Disposing ends every connection and resolves when all are closed. Requests in progress are finished first. */
export interface Receiver extends AsyncDisposable {
  readonly host: string;
  /** The actual port, where 0 was asked for. */
  readonly port: number;
  /** Of the first host key, in the format of `ssh-keygen -l`. */
  readonly fingerprint: string;
  readonly fingerprints: readonly string[];
  /**
   * Reads the authorized keys again, and ends the connections of those that are gone. From now on these limits hold; missing: the same ones.
   * Returns whether somebody can get in; why not is logged.
   */
  readonly reload: (limits?: Partial<ReceiverLimits>) => boolean;
  readonly figures: () => Promise<ReceiverFigures>;
  /** Takes nobody more. Resolves once no file is open for writing, or `limits.endMs` is over, with the number of clients that still write. */
  readonly drain: () => Promise<number>;
}

/**
 * Starts an SSH server that gives the holders of the authorized keys SFTP in one folder, and nothing else.
 * @throws the system's error where it cannot open the root (ENOENT, ENOTDIR, EACCES) or listen on the address
 *   (EADDRINUSE, EACCES, EADDRNOTAVAIL, ENOTFOUND); an Error for an invalid host key
 */
export const startReceiver = async (options: ReceiverOptions): Promise<Receiver> => {
  const { root, log } = options;
  openConfinedFolder(root)[Symbol.dispose]();
  const given = options.hostKey;
  const hostKeys = (typeof given === 'string' || Buffer.isBuffer(given) ? [given] : given).map(parseHostKey);
  const disk = new RootDisk(root);
  const clients = new Clients(options, hostKeys, disk);
  const server = createServer((socket) => clients.accept(socket));
  server.listen({ host: options.host, port: options.port });
  await once(server, 'listening');
  // A failed accept (no descriptor left) must not end the receiver.
  server.on('error', (error) => log('warning', `cannot accept a connection: ${error.message}`));
  const address = server.address();
  const fingerprints = hostKeys.map((key) => fingerprintOf(key.getPublicSSH()));

  return {
    host: options.host,
    port: typeof address === 'object' && address ? address.port : options.port,
    fingerprint: fingerprints[0] ?? '',
    fingerprints,
    reload: (limits) => clients.reload(limits),
    figures: async () => {
      const { disk: space, problems } = await lookAtRoot(root);
      const figures = clients.figures();
      return { ...figures, disk: space, problems: [...figures.problems, disk.problem() ?? [], problems].flat() };
    },
    drain: () => {
      server.close();
      return clients.drain();
    },
    [Symbol.asyncDispose]: async () => {
      const serverClosed = server.listening ? once(server, 'close') : Promise.resolve();
      server.close();
      await Promise.all([serverClosed, clients.end()]);
    },
  };
};
