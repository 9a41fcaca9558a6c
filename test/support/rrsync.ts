import { startSshd } from './sshd.ts';
import type { TestServer } from './server.ts';

/** An sshd whose only key may run nothing but `rrsync -wo` into the destination's folder. */
export const startRrsync = async (folder: string): Promise<TestServer> => ({
  ...(await startSshd(folder, { command: (destination) => `/usr/bin/rrsync -wo ${destination}` })),
  path: '.',
});
