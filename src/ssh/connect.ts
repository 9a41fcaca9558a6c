import { setImmediate as nextTurn } from 'node:timers/promises';
import { showLogin, type OpenSshLogin } from './program/options.ts';
import { connectSocket } from './connect-socket.ts';
import type { BuiltInLogin, SshConnection } from './connection.ts';

export interface SshOptions extends BuiltInLogin {
  /** `ssh: system`: the ssh program logs in, with what is written here and `ssh_config` for the rest; undefined: ssh2 does. */
  readonly system: OpenSshLogin | undefined;
}

/**
 * Connects in the way that was asked for, and loads only what that needs.
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
  // Begun before ssh2 is loaded, which takes as long as the server takes to get ready for us.
  const connecting = connectSocket(options.host, options.port, AbortSignal.any([signal, failed.signal]));
  connecting.catch(() => undefined); // Told when it is its turn.
  try {
    await nextTurn(); // Only then Node asks the system to connect.
    const { connectSsh } = await import('./ssh2-connection.ts');
    return await connectSsh(options, connecting, signal);
  } catch (error) {
    failed.abort();
    throw error;
  }
};
