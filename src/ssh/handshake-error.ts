import { TransportError } from '../errors.ts';

/** What the ssh program has and ssh2 has not. */
const BY_THE_PROGRAM = 'destination.ssh: system connects through the ssh program, which has more of them';

// As ssh2 says it: both ends offer lists, and nothing is in both.
const NO_MATCH = /no matching (key exchange algorithm|host key format|[CS]->[CS] (cipher|MAC|compression))/;

const THINGS: Readonly<Record<string, string>> = {
  'key exchange algorithm': 'key exchange',
  'host key format': 'type of host key',
  cipher: 'cipher',
  MAC: 'MAC',
  compression: 'compression',
};

/**
 * The ends have no algorithm in common: no fault of the port, and trying again does not help. undefined for any other error. Pure.
 * @param action "Cannot connect to user@host:22"
 * @param knownTypes the host key types that were asked for, since known_hosts has them; empty: all that ssh2 has
 */
export const handshakeError = (
  error: Error,
  action: string,
  knownTypes: readonly string[],
): TransportError | undefined => {
  const [, what = '', detail = what] = NO_MATCH.exec(error.message) ?? [];
  const thing = THINGS[detail];
  if (thing === undefined) return undefined;
  if (what === 'host key format' && knownTypes.length > 0)
    return new TransportError(
      'auth',
      `${action}: the server has no host key of a type that known_hosts has for it (${knownTypes.join(', ')})`,
      {
        hint: 'compare the fingerprint of the key that it has now (ssh-keyscan shows it) with the server’s, and add that key to the file of destination.knownHosts',
        cause: error,
      },
    );
  return new TransportError('auth', `${action}: the server takes no ${thing} that the built-in ssh2 has`, {
    hint: `${BY_THE_PROGRAM}; or let the server take another ${thing}`,
    cause: error,
  });
};
