import { Duplex, Readable } from 'node:stream';
import { SessionRefusedError } from '../connection.ts';
import { collectStderr, startChild, type Child } from './child.ts';
import { execChannelArguments, sftpChannelArguments } from './ssh-arguments.ts';

export interface SftpChannel {
  readonly duplex: Duplex;
  /** Resolves when its child process has ended. Never rejects. */
  readonly ended: Promise<void>;
  /** What has come on its stderr. */
  readonly said: () => string;
}

/** A raw channel to the `sftp` subsystem through a master. It closes where the server offers none. */
export const openSftpChannel = (socket: string, onInbound: () => void = () => undefined): SftpChannel =>
  openChannel(sftpChannelArguments(socket), onInbound, ({ stdout }) => stdout);

/** A raw channel to our command in the account's shell. Where there is no shell, it closes with the server's message as error. */
export const openExecChannel = (socket: string, command: string, onInbound: () => void): SftpChannel =>
  openChannel(execChannelArguments(socket, command), onInbound, wholeOutput);

/** What ssh says where the server opens no further session. */
export const SESSION_REFUSED = /Session open refused by peer/;

/** The exit code of ssh itself. */
const SSH_FAILED = 255;

/** The output ends before it is known whether there was a command: it is held open until then. */
const wholeOutput = (child: Child, stderr: () => string): Readable => {
  const output = async function* (): AsyncGenerator<Buffer> {
    yield* child.stdout as AsyncIterable<Buffer>;
    if ((await child.ended) === SSH_FAILED) throw reasonOf(stderr()) ?? new Error('ssh failed without a word');
  };
  return Readable.from(output(), { objectMode: false });
};

const reasonOf = (message: string): Error | undefined => {
  if (SESSION_REFUSED.test(message)) return new SessionRefusedError(message.trim());
  return message.trim() === '' ? undefined : new Error(message.trim());
};

const openChannel = (
  args: readonly string[],
  onInbound: () => void,
  outputOf: (child: Child, stderr: () => string) => Readable,
): SftpChannel => {
  const child = startChild('ssh', args);
  const stderr = collectStderr(child);
  const duplex = Duplex.from({ readable: outputOf(child, stderr), writable: child.stdin });
  // Reports that data came without consuming it.
  child.stdout.on('readable', onInbound);
  duplex.once('close', () => child.end());
  const ended = child.ended.then(() => {
    if (!duplex.destroyed) duplex.destroy(reasonOf(stderr()));
  });
  return { duplex, ended, said: stderr };
};
