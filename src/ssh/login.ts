import ssh2, { type ConnectConfig } from 'ssh2';
import { TransportError } from '../errors.ts';
import type { BuiltInLogin } from './connection.ts';
import { keyProblem, readSecret } from './key-file.ts';
import { homeFolder } from '../host/home.ts';

/** @throws TransportError `auth` for "~/" where the user has no home */
export const expandHome = (path: string): string => {
  if (!path.startsWith('~/')) return path;
  const home = homeFolder();
  if (home !== undefined) return home + path.slice(1);
  throw new TransportError('auth', `Cannot find "${path}": user ${process.geteuid?.()} has no home`, {
    hint: 'write an absolute path, or set HOME',
  });
};

export interface Credentials {
  readonly config: Pick<ConnectConfig, 'agent' | 'privateKey' | 'passphrase'>;
  /** "ssh-ed25519"; undefined: the agent has the key. */
  readonly keyType: string | undefined;
}

/** The credentials for ssh2, read from files and the environment. @throws TransportError `auth` if the key or the agent cannot be used */
export const readLogin = async (options: BuiltInLogin): Promise<Credentials> => {
  if (options.agent) {
    const agent = process.env.SSH_AUTH_SOCK;
    if (agent !== undefined) return { config: { agent }, keyType: undefined };
    throw new TransportError('auth', 'Cannot use the ssh agent: SSH_AUTH_SOCK is not set', {
      hint: 'start an agent, or name a key with destination.identityFile',
    });
  }
  const path = expandHome(options.identityFile);
  const privateKey = await readSecret('identityFile', path);
  const passphrase =
    options.passphraseFile === undefined
      ? process.env.ISOCKET_PASSPHRASE
      : (await readSecret('passphraseFile', expandHome(options.passphraseFile))).replace(/\r?\n$/, '');
  const parsed = ssh2.utils.parseKey(privateKey, passphrase);
  const problem = keyProblem(path, privateKey, parsed instanceof Error ? parsed : undefined);
  if (problem !== undefined) throw problem;
  return {
    config: { privateKey, ...(passphrase === undefined ? {} : { passphrase }) },
    keyType: parsed instanceof Error ? undefined : parsed.type,
  };
};
