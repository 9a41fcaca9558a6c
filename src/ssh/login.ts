import { readFile } from 'node:fs/promises';
import ssh2, { type ConnectConfig } from 'ssh2';
import { errorMessage, TransportError } from '../errors.ts';
import type { BuiltInLogin } from './connection.ts';
import { homeFolder } from '../home.ts';

/** @throws TransportError `auth` for "~/" where the user has no home */
export const expandHome = (path: string): string => {
  if (!path.startsWith('~/')) return path;
  const home = homeFolder();
  if (home !== undefined) return home + path.slice(1);
  throw new TransportError('auth', `Cannot find "${path}": user ${process.geteuid?.()} has no home`, {
    hint: 'write an absolute path, or set HOME',
  });
};

/** The credentials for ssh2, read from files and the environment. @throws TransportError `auth` if the key or the agent cannot be used */
export const readLogin = async (
  options: BuiltInLogin,
): Promise<Pick<ConnectConfig, 'agent' | 'privateKey' | 'passphrase'>> => {
  if (options.agent) {
    const agent = process.env.SSH_AUTH_SOCK;
    if (agent !== undefined) return { agent };
    throw new TransportError('auth', 'Cannot use the ssh agent: SSH_AUTH_SOCK is not set', {
      hint: 'start an agent, or name a key with destination.identityFile',
    });
  }
  const path = expandHome(options.identityFile);
  const read = async (file: string, key: string): Promise<string> => {
    try {
      return await readFile(expandHome(file), 'utf8');
    } catch (error) {
      throw new TransportError('auth', `Cannot read destination.${key} "${file}": ${errorMessage(error)}`, {
        hint: `correct destination.${key}, or make a key: ssh-keygen -t ed25519 -N '' -f ${path}`,
        cause: error,
      });
    }
  };
  const privateKey = await read(options.identityFile, 'identityFile');
  const passphrase =
    options.passphraseFile === undefined
      ? process.env.ISOCKET_PASSPHRASE
      : (await read(options.passphraseFile, 'passphraseFile')).replace(/\r?\n$/, '');
  const parsed = ssh2.utils.parseKey(privateKey, passphrase);
  if (parsed instanceof Error) {
    throw new TransportError(
      'auth',
      `Cannot use destination.identityFile "${options.identityFile}": ${parsed.message}`,
      {
        hint: 'an encrypted key needs destination.passphraseFile or ISOCKET_PASSPHRASE in the environment',
        cause: parsed,
      },
    );
  }
  return { privateKey, ...(passphrase === undefined ? {} : { passphrase }) };
};
