import { userInfo } from 'node:os';
import { TransportError } from '../../errors.ts';

interface Pattern {
  readonly pattern: RegExp;
  readonly class: 'auth' | 'network';
  readonly state: string;
  readonly hint: string;
}

/** ssh takes the home that the password database has, whatever HOME says. */
function ownKnownHosts(): string {
  try {
    return `${userInfo().homedir}/.ssh/known_hosts`;
  } catch {
    return '~/.ssh/known_hosts'; // A user without an entry.
  }
}

// Messages of OpenSSH; a table test checks them against recorded output.
const PATTERNS: readonly Pattern[] = [
  {
    pattern: /REMOTE HOST IDENTIFICATION HAS CHANGED|host key for .* has changed/i,
    class: 'auth',
    state: 'its host key changed',
    hint: 'somebody may be in the middle. If the host was reinstalled, remove its old key from known_hosts: ssh-keygen -R',
  },
  {
    pattern: /host key .*revoked|REVOKED HOST KEY/i,
    class: 'auth',
    state: 'its host key is revoked',
    hint: 'do not connect; ask who revoked it',
  },
  {
    pattern: /host key is known for|Host key verification failed/i,
    class: 'auth',
    state: 'its host key is unknown',
    hint: `compare its fingerprint with the host’s, then add the key to known_hosts: ssh-keyscan -p PORT HOST >> ${ownKnownHosts()} (or the file of destination.knownHosts)`,
  },
  {
    pattern: /Too many authentication failures/i,
    class: 'auth',
    state: 'the agent has more keys than the server lets it try',
    hint: 'name the key with destination.identityFile: only that one is offered',
  },
  {
    pattern: /Load key .*: bad permissions|UNPROTECTED PRIVATE KEY FILE/i,
    class: 'auth',
    state: 'others than its owner may read the private key',
    hint: 'chmod 600 the file of destination.identityFile',
  },
  {
    pattern: /no such identity/i,
    class: 'auth',
    state: 'there is no private key',
    hint: 'correct destination.identityFile',
  },
  {
    pattern: /Load key /i,
    class: 'auth',
    state: 'the private key cannot be used',
    hint: 'name a private key that the user running isocket may read with destination.identityFile; an encrypted one needs destination.passphraseFile or ISOCKET_PASSPHRASE',
  },
  {
    pattern: /Permission denied \(/i,
    class: 'auth',
    state: 'the login was refused',
    hint: 'add the public key to authorized_keys there, or correct destination.user and destination.identityFile',
  },
  {
    pattern: /Bad configuration option|Bad owner or permissions|terminating, \d+ bad configuration/i,
    class: 'auth',
    state: 'ssh rejects its configuration',
    hint: 'correct ssh_config',
  },
  {
    pattern: /Unable to negotiate with .*: no matching /i,
    class: 'auth',
    state: 'ssh and the server have no algorithm in common',
    hint: 'allow one that the server offers for this host in ssh_config (KexAlgorithms, HostKeyAlgorithms, Ciphers, MACs), or let the server take a newer one',
  },
  {
    pattern: /Could not resolve hostname/i,
    class: 'network',
    state: 'the host name cannot be resolved',
    hint: 'correct destination.host, or fix the name service',
  },
];

/** Pure. stderr of an ssh that could not connect → `auth` where a person must act, else `network`. */
export const loginProblem = (stderr: string, where: string): TransportError => {
  const said = lastLine(stderr);
  const found = PATTERNS.find(({ pattern }) => pattern.test(stderr));
  if (found === undefined) {
    return new TransportError('network', `Cannot connect to ${where}: ${said === '' ? 'ssh ended' : said}`, {
      hint: 'check that the server runs and that no firewall blocks the port',
    });
  }
  const detail = said === '' || found.class === 'network' ? '' : ` (${said})`;
  return new TransportError(found.class, `Cannot connect to ${where}: ${found.state}${detail}`, { hint: found.hint });
};

const lastLine = (stderr: string): string => {
  const lines = stderr
    .split(/\r?\n/)
    .filter((line) => line !== '' && !line.startsWith('@') && !line.startsWith('Warning'));
  return (
    lines
      .at(-1)
      ?.replace(/\p{Cc}/gu, '?')
      .slice(0, 300) ?? ''
  );
};
