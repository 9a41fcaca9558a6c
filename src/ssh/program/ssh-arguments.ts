import { expandHome } from '../key-file.ts';
import type { OpenSshLogin } from './options.ts';

export interface MasterOptions {
  readonly socket: string;
  /** An askpass program gives the passphrase: BatchMode would forbid asking it. */
  readonly hasPassphrase: boolean;
  /** undefined: ssh's own. */
  readonly knownHosts: readonly string[] | undefined;
  /** A comma-separated list, preferred first; undefined: ssh's own. */
  readonly ciphers: string | undefined;
  /** Settings of ssh_config to be overridden: see configuration.ts. */
  readonly overrides: Readonly<Record<string, string>>;
}

/** Pure. Arguments of the master connection, without the program. */
export const masterArguments = (
  login: OpenSshLogin,
  { socket, hasPassphrase, knownHosts, ciphers, overrides }: MasterOptions,
): string[] => [
  '-N',
  '-M',
  ...['-S', socket],
  ...options({
    ...overrides,
    ControlPersist: 'no',
    ClearAllForwardings: 'yes',
    PermitLocalCommand: 'no',
    RequestTTY: 'no',
    StrictHostKeyChecking: 'yes',
    UpdateHostKeys: 'no',
    ConnectTimeout: '15',
    // A dead connection is noticed after 40 s, long before TCP gives up.
    ServerAliveInterval: '10',
    ServerAliveCountMax: '3',
    TCPKeepAlive: 'yes',
    Compression: 'no',
    ...(ciphers === undefined ? {} : { Ciphers: ciphers }),
    ...(hasPassphrase
      ? {
          BatchMode: 'no', // ssh_config may say "yes": the passphrase would not be asked for.
          NumberOfPasswordPrompts: '1',
          PreferredAuthentications: 'gssapi-with-mic,hostbased,publickey',
        }
      : { BatchMode: 'yes' }),
    ...(knownHosts === undefined ? {} : { UserKnownHostsFile: knownHosts.map(quotedFile).join(' ') }),
    ...(login.identityFile === undefined
      ? {}
      : { IdentitiesOnly: 'yes', IdentityFile: quotedFile(expandHome(login.identityFile)) }),
  }),
  ...(login.port === undefined ? [] : ['-p', String(login.port)]),
  ...(login.user === undefined ? [] : ['-l', login.user]),
  '--',
  login.host,
];

/**
 * Arguments of an ssh that uses the master, up to the host. Without a master ssh would make a connection of its own, without the
 * master's options: the failing ProxyCommand prevents that.
 */
export const throughMasterArguments = (socket: string): string[] => [
  ...['-F', 'none', '-S', socket],
  ...options({ ControlMaster: 'no', ProxyCommand: 'false', LogLevel: 'ERROR' }),
];

/** A placeholder: the master is already connected to its host. */
export const THROUGH_MASTER_HOST = 'isocket';

/** `ssh … isocket sftp`: a channel to the SFTP subsystem. */
export const sftpChannelArguments = (socket: string): string[] => [
  ...throughMasterArguments(socket),
  '-s',
  THROUGH_MASTER_HOST,
  'sftp',
];

/** `ssh … isocket COMMAND`: the command is a constant of ours and never contains a file name. */
export const execChannelArguments = (socket: string, command: string): string[] => [
  ...throughMasterArguments(socket),
  THROUGH_MASTER_HOST,
  command,
];

const options = (values: Readonly<Record<string, string>>): string[] =>
  Object.entries(values).flatMap(([key, value]) => ['-o', `${key}=${value}`]);

/** ssh splits values that name files at spaces, and expands %-tokens in them. */
export const quotedFile = (path: string): string => `"${path.replaceAll('\\', '\\\\').replaceAll('%', '%%')}"`;
