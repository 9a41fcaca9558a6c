import ssh2, { type ConnectConfig } from 'ssh2';
import { plainMessage, TransportError } from '../errors.ts';
import { agentKeys } from './agent-keys.ts';
import type { BuiltInLogin } from './connection.ts';
import { expandHome, keyProblem, readPassphrase, readSecret } from './key-file.ts';

export interface Credentials {
  readonly config: Pick<ConnectConfig, 'agent' | 'privateKey' | 'passphrase'>;
  /** "ssh-ed25519"; undefined: the agent has the key. */
  readonly keyType: string | undefined;
}

/** The credentials for ssh2, read from files and the environment. @throws TransportError `auth` if the key or the agent cannot be used */
export const readLogin = async (options: BuiltInLogin): Promise<Credentials> => {
  if (options.agent) {
    const agent = process.env.SSH_AUTH_SOCK;
    if (agent === undefined) throw agentProblem('SSH_AUTH_SOCK is not set');
    await checkAgent(agent);
    return { config: { agent }, keyType: undefined };
  }
  const path = expandHome(options.identityFile);
  const privateKey = await readSecret('destination.identityFile', path);
  const passphrase = await readPassphrase(options.passphraseFile);
  const parsed = ssh2.utils.parseKey(privateKey, passphrase);
  if (parsed instanceof Error) throw keyProblem('destination.identityFile', path, parsed);
  return {
    config: { privateKey, ...(passphrase === undefined ? {} : { passphrase }) },
    keyType: parsed.type,
  };
};

const agentProblem = (state: string, cause?: unknown): TransportError =>
  new TransportError('auth', `Cannot use the ssh agent: ${state}`, {
    hint: 'start an agent and give it the key (ssh-add), with SSH_AUTH_SOCK in the environment of isocket; or name a key with destination.identityFile, and set destination.agent: false',
    cause,
  });

/** Of an agent without a key, or that is not there, a server says that it refuses the login. */
const checkAgent = async (socket: string): Promise<void> => {
  const keys = await agentKeys(socket).catch((error: unknown) => {
    throw agentProblem(`it does not answer at SSH_AUTH_SOCK "${socket}" (${plainMessage(error)})`, error);
  });
  if (keys.length === 0) throw agentProblem('it has no key');
};
