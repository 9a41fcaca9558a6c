import type { Duplex } from 'node:stream';
import type { SftpClient } from '../sftp/client.ts';

/** The options with which ssh2 logs in. */
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

/** The server opens no (further) session on this connection: as a rule for its MaxSessions. */
export class SessionRefusedError extends Error {
  override readonly name = 'SessionRefusedError';
}

/** One authenticated SSH connection. */
export interface SshConnection {
  readonly closed: boolean;
  /** Milliseconds that identification and key exchange took: two round trips and some computing. undefined: not known. */
  readonly handshakeMs: number | undefined;
  /** Opens a channel to the `sftp` subsystem. Rejects with a `SessionRefusedError` when the server allows no further channel. */
  openSftp(): Promise<SftpClient>;
  /**
   * Runs a fixed command in the account's shell; rejects if the account has none. Where the server opens no session for it, this rejects
   * with a `SessionRefusedError`, or the channel ends with one.
   */
  readonly openExec: (command: string) => Promise<Duplex>;
  /** Milliseconds since the last byte was received. */
  silentMs(): number;
  /** `listener` is called once, when the connection is lost, with the reason. */
  onClose(listener: (reason: Error) => void): void;
  /** Resolves when its sockets and processes are closed. Harmless when repeated. */
  close(): Promise<void>;
}
