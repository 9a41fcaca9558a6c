import { Duplex } from 'node:stream';
import { collectStderr, startChild } from './child.ts';
import { execChannelArguments, sftpChannelArguments } from './ssh-arguments.ts';

export interface SftpChannel {
  readonly duplex: Duplex;
  /** Resolves when its child process has ended. Never rejects. */
  readonly ended: Promise<void>;
}

/** A raw channel to the `sftp` subsystem through a master. It closes where the server offers none. */
export const openSftpChannel = (socket: string, onInbound: () => void = () => undefined): SftpChannel =>
  openChannel(sftpChannelArguments(socket), onInbound);

/** A raw channel to our command in the account's shell. Where there is no shell, it closes with the server's message as error. */
export const openExecChannel = (socket: string, command: string, onInbound: () => void): SftpChannel =>
  openChannel(execChannelArguments(socket, command), onInbound);

const openChannel = (args: readonly string[], onInbound: () => void): SftpChannel => {
  const child = startChild('ssh', args);
  const stderr = collectStderr(child);
  const duplex = Duplex.from({ readable: child.stdout, writable: child.stdin });
  // Reports that data came without consuming it.
  child.stdout.on('readable', onInbound);
  duplex.once('close', () => child.end());
  const ended = child.ended.then(() => {
    const message = stderr().trim();
    if (!duplex.destroyed) duplex.destroy(message === '' ? undefined : new Error(message));
  });
  return { duplex, ended };
};
