import { TransportError, type TransportErrorClass } from '../../errors.ts';
import { shellWord } from '../../name.ts';
import { refusalIn } from '../../sftp/receiver-words.ts';
import { NetworkHint } from '../network-hints.ts';
import { refusedLogin } from '../refused-login.ts';

/** What is known here of a login that failed. */
export interface LoginFacts {
  /** user@host:port */
  readonly where: string;
  /** The command with which a person logs in there, and is asked about the host key. */
  readonly byHand: string;
  /** The file of known_hosts to which a key is added. */
  readonly knownHosts: string;
}

/** What this end may be the reason of: known_hosts that cannot be read, a key that is encrypted. */
export type Doubt = 'known-hosts' | 'own-key';

export interface LoginProblem {
  readonly error: TransportError;
  readonly doubt: Doubt | undefined;
}

interface Rule {
  readonly pattern: RegExp;
  readonly class: TransportErrorClass;
  readonly doubt?: Doubt;
  /** "Cannot trust" in place of "Cannot connect to". */
  readonly isTrust?: boolean;
  readonly say: (match: RegExpExecArray, facts: LoginFacts, stderr: string) => readonly [state: string, hint: string];
}

const fixed = (pattern: RegExp, errorClass: TransportErrorClass, state: string, hint: string): Rule => ({
  pattern,
  class: errorClass,
  say: ({ 0: line }) => [`${state} (${line.trim()})`, hint],
});

// Messages of OpenSSH, whole lines; table tests check them against recorded output.
const HOST_KEY_RULES: readonly Rule[] = [
  {
    pattern: /^.*(?:Host key for (\S+) has changed|REMOTE HOST IDENTIFICATION HAS CHANGED).*$/im,
    class: 'auth',
    isTrust: true,
    say: (_match, { knownHosts }, stderr) => {
      const name = /^Host key for (\S+) has changed/im.exec(stderr)?.[1] ?? 'HOST';
      const file = /^Offending .*key in (.+):\d+\s*$/m.exec(stderr)?.[1] ?? knownHosts;
      const now = /^(SHA256:[\w+/]+)/m.exec(stderr)?.[1];
      return [
        `the host key CHANGED${now === undefined ? '' : `; it is now ${now}`}`,
        `somebody may be in the middle; if the server was set up anew: ssh-keygen -f ${shellWord(file)} -R "${name}"`,
      ];
    },
  },
  {
    pattern: /^.*host key .*revoked.*$|REVOKED HOST KEY/im,
    class: 'auth',
    isTrust: true,
    say: (_match, { knownHosts }) => ['the host key is revoked', `do not connect; ask who revoked it in ${knownHosts}`],
  },
  {
    pattern: /^.*Certificate invalid: (.*)$/m,
    class: 'auth',
    isTrust: true,
    say: ([, reason = '']) => [
      `its host certificate is not valid (${reason.trim()})`,
      'see that the clocks are right and that the certificate names this host; its authority signs another one: ssh-keygen -s CA -h',
    ],
  },
  {
    pattern: /^.*(?:host key is known for (\S+)|Host key verification failed).*$/im,
    class: 'auth',
    doubt: 'known-hosts',
    isTrust: true,
    say: ([, name], { byHand, knownHosts }) => [
      `the host key${name === undefined ? '' : ` of ${name}`} is unknown`,
      `compare the fingerprint that this shows with the server’s, and say yes, which adds the key to ${knownHosts}: ${byHand}`,
    ],
  },
];

const KEY_RULES: readonly Rule[] = [
  fixed(
    /^.*Too many authentication failures.*$/im,
    'auth',
    'the agent has more keys than the server lets it try',
    'name the key with destination.identityFile: only that one is offered',
  ),
  fixed(
    /^.*ssh_askpass: exec\(.*$/m,
    'auth',
    'the passphrase cannot be given to ssh',
    'a program in a temporary folder prints it: name a folder from which programs may run (not mounted noexec) with XDG_RUNTIME_DIR, or with TMPDIR where that is not set',
  ),
  {
    pattern: /^Load key "(.*)": bad permissions/m,
    class: 'auth',
    doubt: 'own-key',
    say: ([, file = '']) => [
      `others than its owner may read the private key "${file}"`,
      `chmod 600 ${shellWord(file)}`,
    ],
  },
  {
    pattern: /^no such identity: (.*): (.*)$/m,
    class: 'auth',
    doubt: 'own-key',
    say: ([, file, reason]) => [
      `there is no private key "${file}" (${reason})`,
      'correct destination.identityFile, or IdentityFile in ssh_config',
    ],
  },
  {
    pattern: /^Load key "(.*)": (.*)$/m,
    class: 'auth',
    doubt: 'own-key',
    say: ([, file, reason = '']) => [
      `the private key "${file}" cannot be used (${reason.trim()})`,
      /permission denied/i.test(reason)
        ? 'let the user that runs isocket read it, and enter the folders above it'
        : 'name another private key with destination.identityFile: ssh does not understand this one',
    ],
  },
  fixed(
    /^.*no mutual signature.*$/m,
    'auth',
    'ssh and the server have no signature for this type of key in common',
    'use a key of another type (ed25519), or allow the server’s for this host in ssh_config (PubkeyAcceptedAlgorithms +ssh-rsa)',
  ),
  {
    pattern: /^.*Permission denied \((.*)\)\.?.*$/im,
    class: 'auth',
    doubt: 'own-key',
    say: ([, methods = '']) => {
      const { state, hint } = refusedLogin(methods.split(','));
      return [state, hint];
    },
  },
];

const OTHER_RULES: readonly Rule[] = [
  fixed(
    /^.*Bad owner or permissions on .*$/im,
    'auth',
    'ssh rejects its configuration',
    'let nobody but its owner write that file: chmod 600',
  ),
  fixed(
    /^.*(?:Bad configuration option|line \d+: |line \d+ |Can't open user config file|percent_expand: |terminating, \d+ bad).*$/im,
    'auth',
    'ssh rejects its configuration',
    'correct that line of ssh_config',
  ),
  fixed(
    /^Unable to negotiate with .*: no matching .*$/im,
    'auth',
    'ssh and the server have no algorithm in common',
    'allow one that the server offers for this host in ssh_config (KexAlgorithms, HostKeyAlgorithms, Ciphers, MACs), or let the server take a newer one',
  ),
  fixed(
    /^No user exists for uid.*$/m,
    'auth',
    'the ssh program works for users that have a name only',
    'run isocket as a user of /etc/passwd, or by sftp without the ssh program (destination.ssh: builtin)',
  ),
  fixed(/^.*Could not resolve hostname.*$/im, 'network', 'the host name cannot be resolved', NetworkHint.NAME),
  fixed(/^.*Connection refused.*$/m, 'network', 'nothing listens there', NetworkHint.NO_SERVER),
  fixed(
    /^ssh: connect to host .*(?:timed out|No route to host|is unreachable).*$/im,
    'network',
    'it does not answer',
    NetworkHint.NO_ANSWER,
  ),
  fixed(/^.*timed out.*$/im, 'network', 'it was silent before the login', NetworkHint.SILENT),
  fixed(
    /^.*(?:banner exchange|kex_exchange_identification|Protocol major versions differ|Connection (?:closed|reset) by).*$/m,
    'network',
    'the server hung up, or is no SSH server',
    NetworkHint.NOT_SSH,
  ),
];

/** It lets the login succeed, and ends the connection with a reason. */
const OUR_RECEIVER: Rule = {
  pattern: /^.*isocket receive: .*$/m,
  class: 'network',
  say: ([line]) => {
    const { state, hint } = refusalIn(line) ?? { state: line, hint: NetworkHint.NO_SERVER };
    return [`isocket receive there says: ${state}`, hint];
  },
};

const RULES: readonly Rule[] = [OUR_RECEIVER, ...HOST_KEY_RULES, ...KEY_RULES, ...OTHER_RULES];

/** Where ssh talks through a jump host or a ProxyCommand, the connection has no address. */
const THROUGH_PROXY = /UNKNOWN port 65535/;
/** What only says that it has ended. */
const FILLER =
  /^(?:@.*|Warning.*|kex_exchange_identification: .*|Connection (?:closed|reset) by .*|.*UNKNOWN port 65535.*|stdio forwarding failed)$/;

/** Pure. stderr of an ssh that could not connect → `auth` where a person must act, else `network`. */
export const loginProblem = (stderr: string, facts: LoginFacts): LoginProblem => {
  const text = stderr.replaceAll('\r', '');
  const cannot = `Cannot connect to ${facts.where}`;
  if (THROUGH_PROXY.test(text)) {
    const error = new TransportError(
      findRule(text, [...HOST_KEY_RULES, ...KEY_RULES])[0]?.class ?? 'network',
      clean(`${cannot}: the jump host or the ProxyCommand of ssh_config fails (${reasonIn(text)})`),
      {
        hint: `try it by hand, as the user that runs isocket: ${facts.byHand}. Then correct ProxyJump or ProxyCommand, and the key and the known_hosts for the jump host, which ssh takes from ssh_config alone`,
      },
    );
    return { error, doubt: undefined };
  }
  const [rule, match] = findRule(text, RULES);
  if (rule === undefined || match === null) {
    const error = new TransportError('network', clean(`${cannot}: ${reasonIn(text)}`), { hint: NetworkHint.NO_SERVER });
    return { error, doubt: undefined };
  }
  const [state, hint] = rule.say(match, facts, text);
  const action = rule.isTrust === true ? `Cannot trust ${facts.where}` : cannot;
  return { error: new TransportError(rule.class, clean(`${action}: ${state}`), { hint }), doubt: rule.doubt };
};

const findRule = (text: string, rules: readonly Rule[]): readonly [Rule | undefined, RegExpExecArray | null] => {
  for (const rule of rules) {
    const match = rule.pattern.exec(text);
    if (match !== null) return [rule, match];
  }
  return [undefined, null];
};

/** The last line that says why. */
const reasonIn = (text: string): string => {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return (lines.findLast((line) => !FILLER.test(line)) ?? lines.at(-1) ?? 'ssh ended without a word').trim();
};

const clean = (message: string): string => message.replace(/\p{Cc}/gu, '?').slice(0, 500);
