import { execa } from 'execa';
import { mkdirSync, writeFileSync } from 'node:fs';
import { CLI } from './cli.ts';
import { makeKey } from './keys.ts';
import { freePort, listening } from './ports.ts';
import type { TestServer } from './server.ts';

export interface ReceiverProcess extends TestServer {
  /** Of the process that runs now. */
  readonly pid: number;
  /** What it said so far on stdout and stderr, over all its lives. */
  readonly said: () => string;
  /** Ends it with -9 and starts it anew. */
  kill(): Promise<void>;
  signal(name: 'SIGTERM' | 'SIGHUP'): void;
  /** Resolves with its exit code once it has ended by itself; null: by a signal. */
  ended(): Promise<number | null>;
}

export interface ReceiverProcessOptions {
  /** The folder to serve; default: `folder`/destination. */
  readonly root?: string;
  /** Further options of `isocket receive`. */
  readonly args?: readonly string[];
  /** What starts isocket; default: the bundle of the tests. */
  readonly command?: readonly string[];
}

/** Our own receiver as a process of its own, on a port and with a host key that stay. */
export const startReceiverProcess = async (
  folder: string,
  { root = `${folder}/destination`, args = [], command = [process.execPath, CLI] }: ReceiverProcessOptions = {},
): Promise<ReceiverProcess> => {
  const files = `${folder}/receiver`;
  for (const path of [files, root]) mkdirSync(path, { recursive: true });
  const hostKey = await makeKey(`${files}/host_key`);
  writeFileSync(`${files}/authorized_keys`, `${await makeKey(`${files}/user_key`)}\n`);
  const port = await freePort();
  writeFileSync(`${files}/known_hosts`, `[127.0.0.1]:${port} ${hostKey}\n`);
  const [file = '', ...before] = command;
  const own = ['--root', root, '--listen', `127.0.0.1:${port}`, '--host-key', `${files}/host_key`];
  const all = [...before, 'receive', '--allow-root', ...own, '--authorized-keys', `${files}/authorized_keys`, ...args];
  let said = '';
  const start = async () => {
    const child = execa(file, all, { reject: false, buffer: false, all: true });
    child.all.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    let died: string | undefined;
    void child.then(() => {
      died = `the receiver ended: ${said}`;
    });
    await listening(port, () => died);
    return { child }; // Not the promise that it is: that would be waited for.
  };
  let { child } = await start();
  const end = async (): Promise<void> => {
    child.kill('SIGKILL');
    await child;
  };
  return {
    kind: 'receiver',
    port,
    identityFile: `${files}/user_key`,
    knownHosts: `${files}/known_hosts`,
    path: '/',
    folder: root,
    get pid() {
      return child.pid ?? 0;
    },
    said: () => said,
    kill: async () => {
      await end();
      ({ child } = await start());
    },
    signal: (name) => void child.kill(name),
    ended: async () => (await child).exitCode ?? null,
    [Symbol.asyncDispose]: end,
  };
};
