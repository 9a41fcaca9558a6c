import { errorMessage, TransportError } from '../../errors.ts';
import { refusalIn } from '../../sftp/receiver-words.ts';
import { SessionRefusedError } from '../../ssh/connection.ts';
import { CLEAN_SHELL, isShellText } from './server-words.ts';

// A ChrootDirectory that sshd does not take ends the channel, or the whole connection: the reason is in the server's log only.
const NO_SFTP =
  'see the server’s log for the reason: it has to offer the sftp subsystem to this account ("Subsystem sftp internal-sftp" in its sshd_config), ' +
  'its login shell has to run commands (getent passwd; /bin/false does not) where that is not internal-sftp, ' +
  'and a ChrootDirectory and each folder above it have to belong to root and be writable by nobody else';

/**
 * Logged in, and no SFTP: why, with the cure. Pure.
 * @param silentSeconds the connection was closed because the server had said nothing for so long
 */
export const noChannel = (error: unknown, host: string, silentSeconds: number | undefined): TransportError => {
  const state = silentSeconds === undefined ? errorMessage(error) : `no answer for ${silentSeconds} s`;
  const action = `Cannot open an SFTP channel to ${host}`;
  const refusal = refusalIn(state);
  if (refusal !== undefined)
    return new TransportError('network', `${action}: isocket receive there says: ${refusal.state}`, {
      hint: refusal.hint,
      cause: error,
    });
  const hint =
    error instanceof SessionRefusedError
      ? 'see MaxSessions in sshd_config there: no session is opened'
      : isShellText(state)
        ? CLEAN_SHELL
        : NO_SFTP;
  return new TransportError('network', `${action}: ${state}`, { hint, cause: error });
};
