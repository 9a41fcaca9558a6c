import { Duplex } from 'node:stream';
import { collectStderr, startChild } from './child.ts';
import { execChannelArguments, sftpChannelArguments } from './ssh-arguments.ts';

export interface SftpChannel {
  readonly duplex: Duplex;
  /** Resolves when its child process is gone. Never rejects. */
  readonly ended: Promise<void>;
}

/** A raw channel to the `sftp` subsystem through a master. It ends where the server offers none. */
export const openSftpChannel = (socket: string, onInbound: () => void = () => undefined): SftpChannel =>
  openChannel(sftpChannelArguments(socket), onInbound);

/** The same to a command of ours in the account's shell. It ends with what the server says where there is no shell. */
export const openExecChannel = (socket: string, command: string, onInbound: () => void): SftpChannel =>
  openChannel(execChannelArguments(socket, command), onInbound);

const openChannel = (words: readonly string[], onInbound: () => void): SftpChannel => {
  const child = startChild('ssh', words);
  const stderr = collectStderr(child);
  const duplex = Duplex.from({ readable: child.stdout, writable: child.stdin });
  // Tells that something came, and takes nothing of it.
  child.stdout.on('readable', onInbound);
  duplex.once('close', () => child.end());
  const ended = child.ended.then(() => {
    const said = stderr().trim();
    if (!duplex.destroyed) duplex.destroy(said === '' ? undefined : new Error(said));
  });
  return { duplex, ended };
};
