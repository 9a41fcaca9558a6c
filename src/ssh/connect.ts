import { setImmediate as nextTurn } from 'node:timers/promises';
import { showLogin, type OpenSshLogin } from './program/options.ts';
import { connectSocket } from './connect-socket.ts';
import type { BuiltInLogin, SshConnection } from './connection.ts';

export interface SshOptions extends BuiltInLogin {
  /** `ssh: system`: the ssh program connects, with these options and `ssh_config` for the rest; undefined: ssh2 connects. */
  readonly system: OpenSshLogin | undefined;
}

/**
 * Connects by ssh2 or by the ssh program, and loads only the modules that this needs.
 * @throws TransportError `network`, or `auth` where a person must act
 */
export const connect = async (
  options: SshOptions,
  { stateFolder }: { readonly stateFolder: string },
  signal: AbortSignal,
): Promise<SshConnection> => {
  if (options.system === undefined) {
    return await connectBuiltIn(options, signal);
  }
  const { connectSystemSsh } = await import('./program/connection.ts');
  return await connectSystemSsh(options.system, { stateFolder, where: showLogin(options.system) }, signal);
};

const connectBuiltIn = async (options: BuiltInLogin, signal: AbortSignal): Promise<SshConnection> => {
  const failed = new AbortController();
  // Started before ssh2 is loaded: loading takes about as long as the server takes to accept the connection.
  const connecting = connectSocket(options.host, options.port, AbortSignal.any([signal, failed.signal]));
  connecting.catch(() => undefined); // Reported where it is awaited.
  try {
    await nextTurn(); // Node makes the connect call in the next turn; loading a module would delay it.
    const { connectSsh2 } = await import('./connect-ssh2.ts');
    return await connectSsh2(options, connecting, signal);
  } catch (error) {
    failed.abort();
    throw error;
  }
};
