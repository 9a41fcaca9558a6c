import type { OpenSshLogin } from './options.ts';

export interface MasterOptions {
  readonly socket: string;
  readonly home: string;
  /** An askpass program will be asked for the passphrase: ssh must not be told that nobody is there. */
  readonly hasPassphrase: boolean;
  /** In this order; undefined: ssh's own choice. */
  readonly ciphers: string | undefined;
}

/** The arguments of the one connection that all else goes through. Pure. */
export const masterArguments = (
  login: OpenSshLogin,
  { socket, home, hasPassphrase, ciphers }: MasterOptions,
): string[] => [
  '-N',
  '-M',
  ...['-S', socket],
  ...options({
    ControlPersist: 'no',
    ClearAllForwardings: 'yes',
    PermitLocalCommand: 'no',
    RequestTTY: 'no',
    StrictHostKeyChecking: 'yes',
    UpdateHostKeys: 'no',
    ConnectTimeout: '15',
    // A dead line is noticed after 40 s, whatever TCP thinks.
    ServerAliveInterval: '10',
    ServerAliveCountMax: '3',
    TCPKeepAlive: 'yes',
    Compression: 'no',
    ...(ciphers === undefined ? {} : { Ciphers: ciphers }),
    ...(hasPassphrase
      ? { NumberOfPasswordPrompts: '1', PreferredAuthentications: 'gssapi-with-mic,hostbased,publickey' }
      : { BatchMode: 'yes' }),
    ...(login.knownHosts === undefined ? {} : { UserKnownHostsFile: quoted(login.knownHosts, home) }),
    ...(login.identityFile === undefined
      ? {}
      : { IdentitiesOnly: 'yes', IdentityFile: quoted(login.identityFile, home) }),
  }),
  ...(login.port === undefined ? [] : ['-p', String(login.port)]),
  ...(login.user === undefined ? [] : ['-l', login.user]),
  '--',
  login.host,
];

/**
 * The arguments of what goes through the master, up to the command. Where the master is gone, ssh would connect by itself,
 * with none of its options: a proxy command that fails sees to it that it cannot.
 */
export const throughMasterArguments = (socket: string): string[] => [
  ...['-F', 'none', '-S', socket],
  ...options({ ControlMaster: 'no', ProxyCommand: 'false', LogLevel: 'ERROR' }),
];

/** The host is the master's: any word will do here. */
export const THROUGH_MASTER_HOST = 'isocket';

/** `ssh … isocket sftp`: a channel to the SFTP subsystem. */
export const sftpChannelArguments = (socket: string): string[] => [
  ...throughMasterArguments(socket),
  '-s',
  THROUGH_MASTER_HOST,
  'sftp',
];

/** `ssh … isocket COMMAND`: a channel to a command of ours, never one with a name of a file in it. */
export const execChannelArguments = (socket: string, command: string): string[] => [
  ...throughMasterArguments(socket),
  THROUGH_MASTER_HOST,
  command,
];

const options = (values: Readonly<Record<string, string>>): string[] =>
  Object.entries(values).flatMap(([key, value]) => ['-o', `${key}=${value}`]);

/** ssh splits the values of files at spaces and looks for %-tokens in them. */
const quoted = (path: string, home: string): string => {
  const absolute = path.startsWith('~/') ? home + path.slice(1) : path;
  return `"${absolute.replaceAll('\\', '\\\\').replaceAll('%', '%%')}"`;
};
