import { openExecChannel } from '../../ssh/program/sftp-channel.ts';
import type { Name, SummedFile } from '../../transport.ts';
import { readSums, type CommandRunner } from '../sftp/remote-sums.ts';
import type { Session } from './session.ts';

const runners = new WeakMap<Session, CommandRunner>();

/** `Transport.sums`, by sha256sum beside rsync, where the account has a shell (with rrsync it has none). */
export const sumsOf = (
  session: Session,
  files: readonly SummedFile[],
  signal: AbortSignal,
): Promise<Map<Name, string>> => {
  const { master, options } = session;
  const openExec = (command: string) =>
    Promise.resolve(openExecChannel(master.socket, command, () => undefined).duplex);
  const runner = runners.get(session) ?? { openExec };
  runners.set(session, runner);
  return readSums(runner, options.path, files, signal);
};
