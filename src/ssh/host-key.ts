import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { plainMessage, systemErrorCode, TransportError } from '../errors.ts';
import type { BuiltInLogin } from './connection.ts';
import {
  authorityFile,
  filesOf,
  hostKeyFingerprint,
  judgeHostKey,
  knownHostsLine,
  parseKnownHosts,
  type KnownHost,
} from './known-hosts.ts';
import { shellWord } from '../name.ts';
import { expandHome, isPrivateKey, isPublicKey } from './key-file.ts';

export const DEFAULT_KNOWN_HOSTS = '~/.ssh/known_hosts';

/** What the ssh program reads besides. */
const MORE_KNOWN_HOSTS: readonly string[] = [
  '~/.ssh/known_hosts2',
  '/etc/ssh/ssh_known_hosts',
  '/etc/ssh/ssh_known_hosts2',
];

/** The error for a host key that is not trusted, with the fix; undefined for a known key. */
export const hostKeyError = (
  known: readonly KnownHost[],
  key: Buffer,
  options: BuiltInLogin,
  where: string,
): TransportError | undefined => {
  const { host, port } = options;
  const verdict = judgeHostKey(known, { host, port }, key);
  if (verdict === 'known') return undefined;
  const fingerprint = hostKeyFingerprint(key);
  const knownHosts = expandHome(options.knownHosts);
  const [ofHost = knownHosts, ...others] = filesOf(known, { host, port });
  const authority = authorityFile(known, { host, port });
  const isThere = existsSync(knownHosts);
  const folder = isThere ? '' : `mkdir -p ${shellWord(dirname(knownHosts))} && `;
  const messages = {
    unknown: [
      `the host key ${fingerprint} is unknown${isThere ? '' : `: there is no file "${knownHosts}" (destination.knownHosts)`}`,
      `${authority === undefined ? '' : `set destination.ssh: system, which understands the @cert-authority line of ${authority} for this host; or `}compare the fingerprint with the server’s, then: ${folder}echo '${knownHostsLine({ host, port }, key)}' >> ${shellWord(knownHosts)}`,
    ],
    changed: [
      `the host key CHANGED; it is now ${fingerprint}`,
      `somebody may be in the middle; if the server was set up anew: ${[ofHost, ...others].map((file) => `ssh-keygen -f ${shellWord(file)} -R "[${host}]:${port}"`).join(' && ')}`,
    ],
    revoked: [
      `the host key ${fingerprint} is revoked`,
      `do not connect; ask who revoked it in ${[ofHost, ...others].join(' or ')}`,
    ],
  } as const;
  const [state, hint] = messages[verdict];
  return new TransportError('auth', `Cannot trust ${where}: ${state}`, { hint });
};

/**
 * Where no other file than the default one is configured, of all that the ssh program reads: those beside it may be missing, or not to be read.
 * @throws TransportError `auth`
 */
export const readAllKnownHosts = async (
  knownHosts: string,
  more: readonly string[] = knownHosts === DEFAULT_KNOWN_HOSTS ? MORE_KNOWN_HOSTS : [],
): Promise<readonly KnownHost[]> => {
  const own = parseKnownHosts(await readKnownHosts(knownHosts), expandHome(knownHosts));
  const others = await Promise.all(
    more.map(async (path) => {
      const file = expandHome(path);
      return parseKnownHosts(await readFile(file, 'utf8').catch(() => ''), file);
    }),
  );
  return [...own, ...others.flat()];
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
