import { readFileSync, writeFileSync } from 'node:fs';
import type { TestServer } from './server.ts';

/** The keys of `destination` for this server behind a proxy on that port: its host key stays the server's own. */
export const through = (
  folder: string,
  server: TestServer,
  port: number,
): { readonly port: number; readonly knownHosts: string } => {
  const knownHosts = `${folder}/known`;
  writeFileSync(knownHosts, readFileSync(server.knownHosts, 'utf8').replace(`:${server.port}`, `:${port}`));
  return { port, knownHosts };
};
