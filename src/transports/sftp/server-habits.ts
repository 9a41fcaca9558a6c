import { HandleLimit } from '../../sftp/open-handles.ts';
import { Extension, Status } from '../../sftp/protocol.ts';
import type { SftpClient } from '../../sftp/client.ts';
import { SftpStatusError } from '../../sftp/replies.ts';
import { CommitHabit } from './commit-habit.ts';
import { CutListings, Losses } from './losses.ts';
import type { Name, TransportContext } from '../../transport.ts';

// The server knows the request and does not do it, or does not know it. Not "Failure" of a full disk: a refusal is one each time.
const REFUSALS: ReadonlySet<number> = new Set([
  Status.PERMISSION_DENIED,
  Status.FAILURE,
  Status.BAD_MESSAGE,
  Status.OP_UNSUPPORTED,
]);

/** The server refused the request, whatever the state of the file is. */
export const isRefusal = (error: unknown): error is SftpStatusError =>
  error instanceof SftpStatusError && REFUSALS.has(error.status);

/** The refusal of a request; undefined where it is done. */
export const refusalOf = async (request: Promise<void>): Promise<SftpStatusError | undefined> => {
  try {
    await request;
    return undefined;
  } catch (error) {
    if (isRefusal(error)) return error;
    throw error;
  }
};

/** What is refused: by the server, or by what lies below one directory, which is no reason to do without it in the others. */
export class Refused {
  #isEverywhere = false;
  readonly #directories = new Set<Name>();

  /** @param targetPath "DC1/sub/file" */
  has(targetPath: Name): boolean {
    return this.#isEverywhere || (this.#directories.size > 0 && this.#directories.has(directoryOf(targetPath)));
  }

  learn({ status }: SftpStatusError, targetPath: Name): void {
    if (status === Status.OP_UNSUPPORTED) this.#isEverywhere = true;
    else this.#directories.add(directoryOf(targetPath));
  }
}

const directoryOf = (targetPath: Name): Name => targetPath.split('/', 1)[0] ?? '';

/** What was learned of a server; kept for its next connection. */
export class ServerHabits {
  readonly handles = new HandleLimit();
  readonly losses = new Losses();
  readonly listings = new CutListings();
  readonly commit = new CommitHabit();
  /** Permission bits cannot be set: times alone are. */
  readonly refusedPermissions = new Refused();
  /** fsync is announced and refused. */
  readonly refusedFsync = new Refused();
  /** posix-rename is announced and refused. */
  readonly refusedPosixRename = new Refused();
  readonly #log: TransportContext['log'];
  readonly #told = new Set<string>();
  #isStepwise = false;
  #refusesFsetstat = false;
  #writesInOrder = false;
  /** How often the server’s program has ended while a file of that name was sent. */
  readonly #endings = new Map<string, number>();

  constructor(log: TransportContext['log']) {
    this.#log = log;
  }

  /** FSETSTAT is refused: times are set by name. */
  get refusesFsetstat(): boolean {
    return this.#refusesFsetstat;
  }

  /**
   * Each step of a file waits for the reply to the one before. Requests that are sent together are executed in order by OpenSSH and by
   * whoever has its `limits` extension; others may set the time of a file, or close it, before its content is written.
   */
  isStepwise(channel: SftpClient): boolean {
    return this.#isStepwise || !channel.has(Extension.LIMITS);
  }

  /**
   * The content of a file is sent in the order of its offsets, over one channel: some servers take no other, and what they have is one
   * piece when the connection is cut. Whoever has neither `limits` nor `fsync` is no OpenSSH.
   */
  isInOrder(channel: SftpClient): boolean {
    return this.#writesInOrder || !(channel.has(Extension.LIMITS) || channel.has(Extension.FSYNC));
  }

  /** @param isSo false: that was not the reason why a WRITE was refused */
  learnInOrder(isSo: boolean): void {
    this.#writesInOrder = isSo;
  }

  learnStepwise(): void {
    this.#isStepwise = true;
  }

  learnRefusesFsetstat(): void {
    this.#refusesFsetstat = true;
    this.#isStepwise = true;
  }

  /** The server's program has ended while a file of this name was sent. True if it was not the first time. */
  noteEnding(name: string): boolean {
    const endings = (this.#endings.get(name) ?? 0) + 1;
    this.#endings.set(name, endings);
    return endings > 1;
  }

  /** Says a thing once. */
  tell(level: 'info' | 'warning', message: string): void {
    if (this.#told.has(message)) return;
    this.#told.add(message);
    this.#log(level, message);
  }
}
