import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A dead-man server on loopback: what it was asked for, and what it answers. */
export interface PingServer extends AsyncDisposable {
  readonly url: string;
  /** The paths, below that of the URL: "/start", "", "/fail". */
  readonly asked: string[];
  /** null: nothing at all. */
  status: number | null;
}

export const startPingServer = async (): Promise<PingServer> => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push((request.url ?? '').replace('/secret-uuid', ''));
    if (self.status !== null) response.writeHead(self.status).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const self: PingServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/secret-uuid`,
    asked,
    status: 200,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return self;
};
