import { once } from 'node:events';
import { createServer } from 'node:net';
import { isLoopback, showListenAddress, type ListenAddress } from '../core/listen-address.ts';
import { plainMessage, systemErrorCode } from '../errors.ts';
import type { LockedSite } from '../instance/address.ts';
import { askActivity } from '../instance/ask.ts';
import type { ProbeResult } from '../transport.ts';

/** Could the daemon listen at `status.listen`? Tried for a moment. */
export const listenLine = async (listen: ListenAddress, site: LockedSite): Promise<ProbeResult> => {
  const [what, shown] = ['status.listen', showListenAddress(listen)];
  const error = await tryToListen(listen);
  if (error === undefined && isLoopback(listen.host)) return { what, state: 'ok', message: `${shown} is free` };
  if (error === undefined) {
    const message = `${shown} is free, and open to other hosts, without a login`;
    return { what, state: 'warning', message, hint: 'listen on 127.0.0.1, or let a firewall choose who reaches it' };
  }
  if (systemErrorCode(error) === 'EADDRINUSE' && (await askActivity(site))?.kind === 'daemon')
    return { what, state: 'ok', message: `${shown} is taken, by the daemon that works on this root probably` };
  return {
    what,
    state: 'warning',
    message: `Cannot listen on ${shown}: ${plainMessage(error)}`,
    hint: 'name a free port above 1023 and an address of this host ("ss -ltnp" shows who listens); files are sent all the same',
  };
};

const tryToListen = async ({ host, port }: ListenAddress): Promise<unknown> => {
  const server = createServer();
  try {
    server.listen({ host, port, exclusive: true });
    await once(server, 'listening');
    server.close();
    await once(server, 'close');
    return undefined;
  } catch (error) {
    return error;
  }
};
