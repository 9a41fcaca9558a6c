import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { startReceiver, type ReceiverOptions } from '../../src/receiver/receiver.ts';
import { makeKey } from './keys.ts';
import { freePort } from './ports.ts';
import type { TestServer } from './server.ts';

/** Starts our own receiver, in this process. */
export const startOwnReceiver = async (
  folder: string,
  options: Pick<ReceiverOptions, 'appendOnly'> = {},
): Promise<TestServer> => {
  const files = `${folder}/receiver`;
  mkdirSync(files, { recursive: true });
  mkdirSync(`${folder}/destination`, { recursive: true });
  const hostKey = await makeKey(`${files}/host_key`);
  const receiver = await startReceiver({
    root: `${folder}/destination`,
    host: '127.0.0.1',
    port: await freePort(),
    authorizedKeys: await makeKey(`${files}/user_key`),
    hostKey: readFileSync(`${files}/host_key`),
    log: () => undefined,
    ...options,
  });
  writeFileSync(`${files}/known_hosts`, `[127.0.0.1]:${receiver.port} ${hostKey}\n`);
  return {
    kind: 'receiver',
    port: receiver.port,
    identityFile: `${files}/user_key`,
    knownHosts: `${files}/known_hosts`,
    path: '/',
    folder: `${folder}/destination`,
    [Symbol.asyncDispose]: () => receiver[Symbol.asyncDispose](),
  };
};
