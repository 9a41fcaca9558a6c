import { TransportError } from '../../errors.ts';
import { openSftpClient } from '../../sftp/client.ts';
import type { Master } from '../../ssh/program/master.ts';
import { openExecChannel, openSftpChannel } from '../../ssh/program/sftp-channel.ts';

export interface ContactLimits {
  /** So long rsync may be without an answer before the server is asked what it does answer. */
  readonly quietMs: number;
  readonly sftpMs: number;
  /** A shell may take long to start: its command is waited for longer than any SFTP server takes. */
  readonly commandMs: number;
}

export interface ContactOptions {
  readonly limits?: ContactLimits;
  /** Logs in once more: some servers end the connection on which they are asked for a command. */
  readonly connect?: () => Promise<Master>;
}

const CONTACT_LIMITS: ContactLimits = { quietMs: 5_000, sftpMs: 5_000, commandMs: 10_000 };

/** Written so that no server's refusal, which may repeat it, has what a shell makes of it. */
const COMMAND = `echo iso''cket`;
const ANSWER = 'isocket';

/** What rsync prints (`--debug=proto`) once something at the other end has answered: any other text makes a number without end. */
const ANSWERED = /Protocol versions: remote=\d{1,3},/;

/** Whether an rsync has ever answered on this connection; and where none does, whether the server takes SFTP only. */
export class FirstContact {
  readonly limits: ContactLimits;
  readonly #master: Master;
  readonly #connect: ContactOptions['connect'];
  #isMade = false;
  #isSftpOnly: Promise<boolean> | undefined;

  constructor(master: Master, { limits = CONTACT_LIMITS, connect }: ContactOptions = {}) {
    this.limits = limits;
    this.#master = master;
    this.#connect = connect;
  }

  get isMade(): boolean {
    return this.#isMade;
  }

  /** A line that rsync here has printed. */
  note(line: Buffer): void {
    this.#isMade ||= ANSWERED.test(line.toString('latin1', 0, 100));
  }

  /** The server answers SFTP and runs no command, not even one that every shell has. Asked once. Never rejects. */
  isSftpOnly(): Promise<boolean> {
    return (this.#isSftpOnly ??= this.#ask());
  }

  async #ask(): Promise<boolean> {
    try {
      await using stack = new AsyncDisposableStack();
      const { socket } =
        this.#master.closed && this.#connect !== undefined ? stack.use(await this.#connect()) : this.#master;
      // One after the other: a server may open few sessions.
      return (await answersSftp(socket, this.limits.sftpMs)) && !(await runsCommands(socket, this.limits.commandMs));
    } catch (error) {
      if (error instanceof TransportError) return false; // It lets nobody in now.
      throw error;
    }
  }
}

const answersSftp = async (socket: string, limitMs: number): Promise<boolean> => {
  const { duplex } = openSftpChannel(socket);
  const timer = setTimeout(() => duplex.destroy(), limitMs);
  try {
    (await openSftpClient(duplex)).destroy();
    return true;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
    duplex.destroy();
  }
};

const runsCommands = async (socket: string, limitMs: number): Promise<boolean> => {
  const { duplex } = openExecChannel(socket, COMMAND, () => undefined);
  const timer = setTimeout(() => duplex.destroy(), limitMs);
  try {
    let text = '';
    duplex.end();
    for await (const piece of duplex as AsyncIterable<Buffer>) {
      text += piece.toString('latin1');
      if (text.includes(ANSWER)) return true;
    }
    return false;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
    duplex.destroy();
  }
};
