import { readFileSync, writeFileSync } from 'node:fs';
import type { TestServer } from './server.ts';

/** The `destination` options that reach this server through a proxy on that port; the host key is the server's. */
export const through = (
  folder: string,
  server: TestServer,
  port: number,
): { readonly port: number; readonly knownHosts: string } => {
  const knownHosts = `${folder}/known`;
  writeFileSync(knownHosts, readFileSync(server.knownHosts, 'utf8').replace(`:${server.port}`, `:${port}`));
  return { port, knownHosts };
};
