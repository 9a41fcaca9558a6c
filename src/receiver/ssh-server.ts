import type { Socket } from 'node:net';
import ssh2, { type Connection, type ParsedKey } from 'ssh2';
import { batchWrites } from '../ssh/internals/batch-writes.ts';
import { prepareCiphers } from '../ssh/internals/ciphers.ts';
import { countAllLife } from '../ssh/internals/keep-alive.ts';
import { ALGORITHMS, withoutSha1 } from './algorithms.ts';

/**
 * Speaks SSH on a socket. One ssh2 server per socket: it does not say which socket a client belongs to.
 * @param keepAliveMs so often a silent client is asked whether it is there; the third time without an answer ends it
 */
export const serveSsh = (
  socket: Socket,
  hostKeys: readonly ParsedKey[],
  keepAliveMs: number,
  onClient: (client: Connection) => void,
): void => {
  batchWrites(socket);
  const server = new ssh2.Server(
    {
      hostKeys: hostKeys.flatMap(withoutSha1).map((key) => ({ key })),
      algorithms: ALGORITHMS,
      ident: 'isocket',
      keepaliveInterval: keepAliveMs,
      keepaliveCountMax: 3,
    },
    (client) => {
      prepareCiphers(client);
      countAllLife(client, socket, keepAliveMs);
      onClient(client);
    },
  );
  server.injectSocket(socket);
};
