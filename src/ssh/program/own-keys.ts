import { readFile } from 'node:fs/promises';
import ssh2 from 'ssh2';
import { homeFolder, passwdHome } from '../../host/home.ts';
import { systemErrorCode, TransportError } from '../../errors.ts';
import { shellWord } from '../../name.ts';
import { agentKeys } from '../agent-keys.ts';
import { expandHome, isReadOnce, keyProblem, readPassphrase, readSecret, type SecretKey } from '../key-file.ts';
import type { OpenSshLogin } from './options.ts';

/**
 * Why ssh could not use a key of this host, of which it says nothing: the key is encrypted, or there is none. undefined: it had a key,
 * and the server refused it.
 * @param configuration the output of `ssh -G`
 * @param stderr what ssh said
 */
export const ownKeyProblem = async (
  login: OpenSshLogin,
  configuration: string,
  stderr: string,
): Promise<TransportError | undefined> => {
  const agent = await keysOfAgent(configuration);
  const { passphraseFile } = login;
  if (passphraseFile !== undefined && (await isReadOnce(expandHome(passphraseFile)))) return undefined;
  const passphrase = await readPassphrase(passphraseFile);
  const paths = login.identityFile === undefined ? defaultKeys(configuration) : [expandHome(login.identityFile)];
  const key = login.identityFile === undefined ? 'the private key' : 'destination.identityFile';
  const problems = await Promise.all(
    paths.map((path) => problemOf(key, path, { passphrase, agent, isRefused: stderr.includes(`Load key "${path}"`) })),
  );
  if (login.identityFile !== undefined) return problems[0];
  const existing = problems.filter((problem) => !isMissing(problem));
  if (existing.length === 0) return agent === undefined || agent.length === 0 ? noKey(agent) : undefined;
  return existing.every((problem) => problem !== undefined) && (agent ?? []).length === 0 ? existing[0] : undefined;
};

/** The files of ssh_config, or ssh's default ones. */
const defaultKeys = (configuration: string): readonly string[] =>
  [...configuration.matchAll(/^identityfile (.+)$/gm)].map(([, file = '']) =>
    file.startsWith('~/') ? `${passwdHome() ?? ''}${file.slice(1)}` : file,
  );

interface KeyUse {
  readonly passphrase: string | undefined;
  /** Public keys that the agent has. */
  readonly agent: readonly Buffer[] | undefined;
  /** ssh has said that it cannot use this file. */
  readonly isRefused: boolean;
}

const problemOf = async (key: SecretKey, path: string, use: KeyUse): Promise<TransportError | undefined> => {
  try {
    // ssh takes the name of a public key too, where an agent has the private one.
    if ((await isReadOnce(path)) || (await isInAgent(path, use.agent ?? []))) return undefined;
    const text = await readSecret(key, path);
    if (/BEGIN ENCRYPTED PRIVATE KEY/.test(text))
      return use.passphrase === undefined ? keyProblem(key, path, new Error('no passphrase given')) : undefined;
    const parsed = ssh2.utils.parseKey(text, use.passphrase);
    if (!(parsed instanceof Error)) return undefined;
    // ssh reads keys that ssh2 does not.
    return use.isRefused || /passphrase/i.test(parsed.message) ? keyProblem(key, path, parsed) : undefined;
  } catch (error) {
    if (error instanceof TransportError) return error;
    throw error;
  }
};

const isMissing = (problem: TransportError | undefined): boolean => {
  const code = systemErrorCode(problem?.cause);
  return code === 'ENOENT' || code === 'ENOTDIR';
};

/** By the public part, which is in OpenSSH's format also where the key is encrypted, or in the file beside it. */
const isInAgent = async (path: string, agent: readonly Buffer[]): Promise<boolean> => {
  if (agent.length === 0) return false;
  const texts = await Promise.all([path, `${path}.pub`].map((file) => readFile(file, 'latin1').catch(() => '')));
  const content = Buffer.from((texts[0] ?? '').replaceAll(/^-.*$/gm, ''), 'base64');
  return agent.some((key) => content.includes(key) || texts.some((text) => text.includes(key.toString('base64'))));
};

/** The public keys of the agent that ssh asks; undefined: none answers. */
const keysOfAgent = async (configuration: string): Promise<readonly Buffer[] | undefined> => {
  const socket = agentSocket(configuration);
  if (socket === undefined) return undefined;
  try {
    return await agentKeys(socket);
  } catch {
    return undefined;
  }
};

const agentSocket = (configuration: string): string | undefined => {
  const set = /^identityagent (.+)$/m.exec(configuration)?.[1];
  if (set === undefined || set === 'SSH_AUTH_SOCK') return process.env.SSH_AUTH_SOCK;
  if (set === 'none') return undefined;
  return set.startsWith('$') ? process.env[set.slice(1)] : set;
};

const noKey = (agent: readonly Buffer[] | undefined): TransportError => {
  const file = `${passwdHome() ?? homeFolder() ?? ''}/.ssh/id_ed25519`;
  const state =
    agent === undefined
      ? `there is no key file, and ${process.env.SSH_AUTH_SOCK === undefined ? 'no ssh agent (SSH_AUTH_SOCK is not set)' : 'no ssh agent answers at SSH_AUTH_SOCK'}`
      : 'there is no key file, and the ssh agent has no key';
  return new TransportError('auth', `Cannot log in: ${state}`, {
    hint: `name a private key with destination.identityFile; or make one, and put ${file}.pub into the account’s authorized_keys: ssh-keygen -t ed25519 -N '' -f ${shellWord(file)}; or give a key to the agent: ssh-add`,
  });
};
