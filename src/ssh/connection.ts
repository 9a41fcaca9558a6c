import type { Duplex } from 'node:stream';
import type { SftpClient } from '../sftp/client.ts';

/** How ssh2 logs in. */
export interface BuiltInLogin {
  readonly host: string;
  readonly port: number;
  /** undefined: the user that runs isocket. */
  readonly user: string | undefined;
  readonly identityFile: string;
  readonly agent: boolean;
  readonly passphraseFile: string | undefined;
  readonly knownHosts: string;
}

/** One authenticated SSH connection. */
export interface SshConnection {
  readonly closed: boolean;
  /** A channel to the `sftp` subsystem. Rejects when the server allows no more of them. */
  openSftp(): Promise<SftpClient>;
  /** Runs a command of ours in the account's shell; rejects where it has none. */
  readonly openExec: (command: string) => Promise<Duplex>;
  /** Time in milliseconds since the last byte came in. */
  silentMs(): number;
  /** Called once when the connection is gone, with the reason. */
  onClose(listener: (reason: Error) => void): void;
  /** Resolves when nothing of it is left. Harmless when repeated. */
  close(): Promise<void>;
}
