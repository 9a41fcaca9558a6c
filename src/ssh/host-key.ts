import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { plainMessage, systemErrorCode, TransportError } from '../errors.ts';
import type { BuiltInLogin } from './connection.ts';
import { hostKeyFingerprint, knownHostsLine, type judgeHostKey } from './known-hosts.ts';
import { shellWord } from '../name.ts';
import { expandHome, isPrivateKey, isPublicKey } from './key-file.ts';

/** The error for a host key that is not trusted, with the fix; undefined for a known key. */
export const hostKeyError = (
  verdict: ReturnType<typeof judgeHostKey>,
  key: Buffer,
  options: BuiltInLogin,
  where: string,
): TransportError | undefined => {
  if (verdict === 'known') return undefined;
  const fingerprint = hostKeyFingerprint(key);
  const { host, port } = options;
  const knownHosts = expandHome(options.knownHosts);
  const isThere = existsSync(knownHosts);
  const folder = isThere ? '' : `mkdir -p ${shellWord(dirname(knownHosts))} && `;
  const messages = {
    unknown: [
      `the host key ${fingerprint} is unknown${isThere ? '' : `: there is no file "${knownHosts}" (destination.knownHosts)`}`,
      `compare the fingerprint with the server’s, then: ${folder}echo '${knownHostsLine({ host, port }, key)}' >> ${shellWord(knownHosts)}`,
    ],
    changed: [
      `the host key CHANGED; it is now ${fingerprint}`,
      `somebody may be in the middle; if the server was set up anew: ssh-keygen -f ${shellWord(knownHosts)} -R "[${host}]:${port}"`,
    ],
    revoked: [`the host key ${fingerprint} is revoked`, `do not connect; ask who revoked it in ${knownHosts}`],
  } as const;
  const [state, hint] = messages[verdict];
  return new TransportError('auth', `Cannot trust ${where}: ${state}`, { hint });
};

/** The text of `known_hosts`, empty if there is no such file. @throws TransportError `auth` if it cannot be read, or is a key */
export const readKnownHosts = async (path: string): Promise<string> => {
  try {
    const text = await readFile(expandHome(path), 'utf8');
    const isPrivate = isPrivateKey(text);
    // The cure for an unknown host key adds a line to this file: not to a key.
    if (isPrivate || isPublicKey(text))
      throw new TransportError(
        'auth',
        `Cannot use destination.knownHosts "${path}": it is a ${isPrivate ? 'private' : 'public'} key`,
        { hint: 'name the file that has the keys of hosts, each after the name of its host: ~/.ssh/known_hosts' },
      );
    return text;
  } catch (error) {
    if (error instanceof TransportError) throw error;
    if (systemErrorCode(error) === 'ENOENT') return '';
    throw new TransportError('auth', `Cannot read destination.knownHosts "${path}": ${plainMessage(error)}`, {
      hint:
        systemErrorCode(error) === 'EISDIR'
          ? 'name the file in it with destination.knownHosts'
          : 'let the user that runs isocket read it',
      cause: error,
    });
  }
};
