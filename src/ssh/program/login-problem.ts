import { TransportError } from '../../errors.ts';

interface Pattern {
  readonly pattern: RegExp;
  readonly class: 'auth' | 'network';
  readonly state: string;
  readonly hint: string;
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
    hint: 'compare its fingerprint with the host’s, then add the key to known_hosts: ssh-keyscan -p PORT HOST >> ~/.ssh/known_hosts (or the file of destination.knownHosts)',
  },
  {
    pattern: /Permission denied \(|Too many authentication failures|no such identity/i,
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
