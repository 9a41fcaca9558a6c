import { execa } from 'execa';
import { mkdirSync, writeFileSync } from 'node:fs';
import { makeKey } from '../keys.ts';
import { freePort, listening } from '../ports.ts';
import type { TestServer } from '../server.ts';

/** What every server program gets: a port, a host key and a user's key. */
export interface ServerFiles {
  /** The server's own files. */
  readonly files: string;
  readonly port: number;
  /** Private key; the public one is beside it, with `.pub`. */
  readonly hostKey: string;
  readonly userKey: string;
  /** The destination's folder. */
  readonly destination: string;
}

export const makeServerFiles = async (folder: string): Promise<ServerFiles> => {
  const files = `${folder}/server`;
  mkdirSync(`${files}/.ssh`, { recursive: true, mode: 0o700 });
  mkdirSync(`${folder}/destination`, { recursive: true });
  const port = await freePort();
  const [hostPublic, userPublic] = await Promise.all([makeKey(`${files}/host_key`), makeKey(`${files}/user_key`)]);
  writeFileSync(`${files}/known_hosts`, `[127.0.0.1]:${port} ${hostPublic}\n`);
  writeFileSync(`${files}/.ssh/authorized_keys`, `${userPublic}\n`, { mode: 0o600 });
  return {
    files,
    port,
    hostKey: `${files}/host_key`,
    userKey: `${files}/user_key`,
    destination: `${folder}/destination`,
  };
};

export const describeServer = (
  { files, port, userKey, destination }: ServerFiles,
  { path = destination, dispose }: { readonly path?: string; readonly dispose: () => Promise<void> },
): TestServer => ({
  kind: 'program',
  port,
  identityFile: userKey,
  knownHosts: `${files}/known_hosts`,
  path,
  folder: destination,
  [Symbol.asyncDispose]: dispose,
});

/** Starts a program that listens on the port, and ends it when disposed. */
export const startProgram = async (
  made: ServerFiles,
  command: readonly string[],
  { path, env = {} }: { readonly path?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<TestServer> => {
  const [file = '', ...args] = command;
  const child = execa(file, args, { reject: false, all: true, cwd: made.files, env: { HOME: made.files, ...env } });
  let died: string | undefined;
  void child.then((result) => {
    died = `${file} ended: ${result.all}`;
  });
  await listening(made.port, () => died);
  return describeServer(made, {
    ...(path === undefined ? {} : { path }),
    dispose: async () => {
      child.kill('SIGTERM');
      child.kill('SIGKILL');
      await child;
    },
  });
};

/** A command line that runs in a mount namespace of its own, in which other files take the places of the system's. */
export const withFiles = (places: Readonly<Record<string, string>>, command: readonly string[]): string[] => {
  const pairs = Object.entries(places).flat();
  return ['unshare', '-m', 'sh', '-c', SCRIPT, 'sh', String(pairs.length), ...pairs, ...command];
};

// $1: how many of the following arguments are pairs of a place and the file that is put there; the rest is the command.
const SCRIPT =
  'left=$1; shift; while [ "$left" -gt 0 ]; do mount --bind "$2" "$1" || exit 1; shift 2; left=$((left - 2)); done; exec "$@"';
