import { showLogin } from '../openssh/options.ts';
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
    const { connectSsh } = await import('./ssh-connection.ts');
    return await connectSsh(options, signal);
  }
  const { connectSystemSsh } = await import('./system-connection.ts');
  return await connectSystemSsh(options.system, { stateFolder, where: showLogin(options.system) }, signal);
};
