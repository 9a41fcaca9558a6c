import { showLogin } from '../../ssh/program/options.ts';
import { definePlugin, showName, type Transport, type TransportContext } from '../../transport.ts';
import { Checkpoints, checkpointsIn } from './checkpoints.ts';
import { parseSftpOptions, type SftpOptions } from './options.ts';
import { ReconnectingSession } from './reconnecting-session.ts';
import { createReading } from './reading.ts';
import { sendFile } from './send-file.ts';
import { createTemporaryNames } from './temporary-names.ts';
import { removeTemporaries } from './tidy.ts';
import { listFiles, verifyFiles } from './verify.ts';
import { ownUserName } from '../../host/home.ts';

/** Files over the SFTP subsystem of any SSH server, with ssh2 or the ssh program for the connection and our own codec. */
export const sftp = definePlugin<SftpOptions>({
  name: 'sftp',
  parseOptions: parseSftpOptions,
  connect: (options, context) => createSftpTransport(options, context),
});

const createSftpTransport = (options: SftpOptions, context: TransportContext): Transport => {
  const label = labelOf(options);
  const session = new ReconnectingSession(options, context, label);
  const names = createTemporaryNames(context.owner);
  const checkpoints = new Checkpoints(checkpointsIn(context), names);
  return {
    label,
    get inFlight() {
      return session.sendsAtOnce;
    },
    underWay: () => session.underWay,
    isLost: () => session.isLost,
    send: (file, signal) =>
      session.run(
        () => ({ action: `send "${showName(file.targetPath)}"`, name: file.targetPath }),
        signal,
        (live) => sendFile(live, file, { names, checkpoints }, signal),
      ),
    verify: (files, how, signal) =>
      session.run(
        () => ({ action: 'verify files' }),
        signal,
        (live) => verifyFiles(live, files, how, signal),
      ),
    list: (folder, visit, signal) =>
      session.run(
        () => ({ action: `list "${showName(folder)}"` }),
        signal,
        (live) => listFiles(live, folder, visit, signal),
      ),
    ...createReading(session),
    tidy: (folders, signal) =>
      session.run(
        () => ({ action: 'tidy folders' }),
        signal,
        async (live) => {
          checkpoints.forget(await removeTemporaries(live, folders));
        },
      ),
    probe: async function* (signal) {
      const { probeSftp } = await import('./probe.ts');
      yield* probeSftp(options, context, label, signal);
    },
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
};

/** The destination in messages: `sftp://user@host:port/path`, without the parts that ssh_config decides. */
const labelOf = ({ system, user, host, port, path }: SftpOptions): string => {
  const login =
    system === undefined ? `${user ?? ownUserName() ?? process.geteuid?.()}@${host}:${port}` : showLogin(system);
  return `sftp://${login}${path.startsWith('/') ? '' : '/'}${path}`;
};
