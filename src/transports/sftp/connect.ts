import { setImmediate as nextTurn } from 'node:timers/promises';
import { showLogin } from '../openssh/options.ts';
import { connectSocket } from './connect-socket.ts';
import type { SftpOptions } from './options.ts';
import type { SshConnection } from './ssh-connection.ts';

/**
 * Connects in the way that was asked for, and loads only what that needs.
 * @throws TransportError `network`, or `auth` where a person must act
 */
export const connect = async (
  options: SftpOptions,
  { stateFolder }: { readonly stateFolder: string },
  signal: AbortSignal,
): Promise<SshConnection> => {
  if (options.system === undefined) {
    return await connectBuiltIn(options, signal);
  }
  const { connectSystemSsh } = await import('./system-connection.ts');
  return await connectSystemSsh(options.system, { stateFolder, where: showLogin(options.system) }, signal);
};

const connectBuiltIn = async (options: SftpOptions, signal: AbortSignal): Promise<SshConnection> => {
  const failed = new AbortController();
  // Begun before ssh2 is loaded, which takes as long as the server takes to get ready for us.
  const connecting = connectSocket(options.host, options.port, AbortSignal.any([signal, failed.signal]));
  connecting.catch(() => undefined); // Told when it is its turn.
  try {
    await nextTurn(); // Only then Node asks the system to connect.
    const { connectSsh } = await import('./ssh-connection.ts');
    return await connectSsh(options, connecting, signal);
  } catch (error) {
    failed.abort();
    throw error;
  }
};
