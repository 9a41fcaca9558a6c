import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { TransportError } from '../../errors.ts';
import { shellWord } from '../../name.ts';
import { readKnownHosts } from '../host-key.ts';
import { knownHostsFiles } from './known-hosts-files.ts';
import { loginProblem } from './login-problem.ts';
import type { OpenSshLogin } from './options.ts';
import { ownKeyProblem } from './own-keys.ts';
import { quotedFile } from './ssh-arguments.ts';

/** Why an ssh could not log in: by what it said, and by what this host has, of which ssh is silent. */
export const explainLogin = async (
  stderr: string,
  { login, configuration, where }: { login: OpenSshLogin; configuration: string; where: string },
): Promise<TransportError> => {
  const { given, first } = knownHostsFiles(login, configuration);
  const byHand = [
    ...(existsSync(dirname(first)) ? [] : [`mkdir -p ${shellWord(dirname(first))} &&`]),
    'ssh -o StrictHostKeyChecking=ask',
    ...(given === undefined ? [] : [`-o ${shellWord(`UserKnownHostsFile=${quotedFile(first)}`)}`]),
    ...(login.port === undefined ? [] : [`-p ${login.port}`]),
    ...(login.user === undefined ? [] : [`-l ${shellWord(login.user)}`]),
    shellWord(login.host),
  ].join(' ');
  const { error, doubt } = loginProblem(stderr, { where, byHand, knownHosts: first });
  if (doubt === 'known-hosts') return (await unreadable(first)) ?? error;
  if (doubt === 'own-key') return (await ownKeyProblem(login, configuration, stderr)) ?? error;
  return error;
};

const unreadable = async (knownHosts: string): Promise<TransportError | undefined> => {
  try {
    await readKnownHosts(knownHosts);
    return undefined;
  } catch (error) {
    if (error instanceof TransportError) return error;
    throw error;
  }
};
