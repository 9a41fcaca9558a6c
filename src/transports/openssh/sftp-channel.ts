import { Duplex } from 'node:stream';
import { collectStderr, startChild } from './child.ts';
import { sftpChannelArguments } from './ssh-arguments.ts';

/** A raw channel to the `sftp` subsystem through a master. It ends where the server offers none. */
export const openSftpChannel = (socket: string): Duplex => {
  const child = startChild('ssh', sftpChannelArguments(socket));
  const stderr = collectStderr(child);
  const channel = Duplex.from({ readable: child.stdout, writable: child.stdin });
  channel.once('close', () => child.end());
  void child.ended.then(() => {
    const said = stderr().trim();
    if (!channel.destroyed) channel.destroy(said === '' ? undefined : new Error(said));
  });
  return channel;
};
