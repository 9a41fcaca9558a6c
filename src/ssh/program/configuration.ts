import { TransportError } from '../../errors.ts';
import { startChild } from './child.ts';
import type { OpenSshLogin } from './options.ts';

/** `ssh -G` makes no connection, but a `Match` of ssh_config may resolve names and run programs. */
const QUERY_TIMEOUT_MS = 15_000;

/**
 * What ssh_config says for this host, and which keys this ssh knows: the output of `ssh -G`. Empty where ssh refuses its
 * configuration: it says so itself when it connects.
 * @throws TransportError `network` where it does not end
 */
export const readConfiguration = async (
  { host, port, user }: OpenSshLogin,
  where: string,
  signal: AbortSignal,
  timeoutMs = QUERY_TIMEOUT_MS,
): Promise<string> => {
  const login = [...(port === undefined ? [] : ['-p', String(port)]), ...(user === undefined ? [] : ['-l', user])];
  const timeout = AbortSignal.timeout(timeoutMs);
  // As the connection is made, without a command: with one, and with none, ssh refuses some settings.
  const child = startChild('ssh', ['-G', '-N', ...login, '--', host], { signal: AbortSignal.any([signal, timeout]) });
  child.stdin.end();
  child.stderr.resume();
  let text = '';
  child.stdout.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
  });
  const exitCode = await child.ended;
  if (!timeout.aborted || exitCode === 0) return exitCode === 0 ? text : '';
  throw new TransportError(
    'network',
    `Cannot connect to ${where}: ssh did not read its configuration within ${timeoutMs / 1000} s`,
    { hint: 'see what ssh -G HOST waits for: a Match of ssh_config may run a program or ask a name service' },
  );
};

/**
 * What ssh_config may say for people at a terminal and an ssh must not do that is the connection of a program. Each is set only where
 * this ssh knows the key: an older one would refuse it.
 */
const OVERRIDES: Readonly<Record<string, string>> = {
  ForkAfterAuthentication: 'no', // 8.7. It would go on in the background, where it is neither waited for nor ended.
  StdinNull: 'no', // 8.7
  RemoteCommand: 'none', // 7.6
  LogLevel: 'INFO', // QUIET hides why a login fails, DEBUG buries it.
  LogVerbose: 'none', // 8.5
  VisualHostKey: 'no', // A picture among the reasons.
  AddKeysToAgent: 'no', // 7.2. "ask" and "confirm" would ask at a terminal.
  ExitOnForwardFailure: 'no', // There are no forwardings.
  ForwardAgent: 'no', // No program of ours at the other end needs the user's keys or screen.
  ForwardX11: 'no',
  EscapeChar: 'none', // A channel carries any byte.
  ChannelTimeout: 'none', // 9.6. An idle channel of ours is wanted.
  ObscureKeystrokeTiming: 'no', // 9.5
};

/** Pure. Output of `ssh -G` → the settings that have to be overridden, as `-o` takes them. */
export const neededOverrides = (configuration: string): Readonly<Record<string, string>> => {
  const known = new Set(configuration.split('\n').map((line) => line.split(' ', 1)[0]));
  return Object.fromEntries(Object.entries(OVERRIDES).filter(([key]) => known.has(key.toLowerCase())));
};
