import { setTimeout as delay } from 'node:timers/promises';
import { createSemaphore, type Semaphore } from '../../core/semaphore.ts';
import { TransportError } from '../../errors.ts';
import type { Name } from '../../transport.ts';
import type { TemporaryFolder } from '../../ssh/program/control-folder.ts';
import type { Closable } from '../reconnecting.ts';
import { makeStagingFolder } from '../rsync/staging-tree.ts';
import { explain, SEE_REMOTE } from './failures.ts';
import { layersOf } from './layers.ts';
import { RcError, type RcAnswer } from './rc-client.ts';
import { DESTINATION, SOURCE, startRclone, type RcloneProcess } from './rclone-process.ts';
import { refusalOf, type Refusal } from './refusal.ts';
import type { Shared } from './shared.ts';
import { traitsOf, type RemoteTraits } from './traits.ts';
import { TransferWatch } from './transfer-watch.ts';

/** Questions about files at once: each is a round trip at least. */
const QUESTIONS_AT_ONCE = 16;
/** How long a transfer that was called off may go on. */
const CALLED_OFF_MS = 5_000;
const LOOK_EVERY_MS = 20;

/** What this rclone can do. */
export interface Program {
  /** "v1.60.1" */
  readonly version: string;
  /** Asks for one file, and lists those of which it is given the names: 1.57. */
  readonly canStat: boolean;
}

/** What was found of a remote when it was reached. */
interface Remote {
  readonly traits: RemoteTraits;
  /** undefined: files may be sent to it. */
  readonly refusal: Refusal | undefined;
}

/** A running rclone that has reached the remote. */
export class Session implements Closable {
  readonly shared: Shared;
  readonly traits: RemoteTraits;
  readonly refusal: Refusal | undefined;
  readonly program: Program;
  readonly transfers: Semaphore;
  readonly questions: Semaphore = createSemaphore(() => QUESTIONS_AT_ONCE);
  readonly #process: RcloneProcess;
  readonly #watch: TransferWatch;
  #staging: TemporaryFolder | undefined;

  constructor(process: RcloneProcess, shared: Shared, { traits, refusal }: Remote, program: Program) {
    this.#process = process;
    this.shared = shared;
    this.traits = traits;
    this.refusal = refusal;
    this.program = program;
    this.transfers = createSemaphore(() => shared.options.transfers);
    this.#watch = new TransferWatch(process, shared);
  }

  /** Where folders of links are made. */
  get stagingFolder(): string {
    return (this.#staging ??= makeStagingFolder(this.shared.context.stateFolder)).path;
  }

  get closed(): boolean {
    return this.#process.ended.aborted;
  }

  get client(): RcloneProcess['client'] {
    return this.#process.client;
  }

  get log(): RcloneProcess['log'] {
    return this.#process.log;
  }

  /** A call that is watched: where nothing moves any more, rclone is ended. Rejects as `RcClient.call` does. */
  async call(path: string, input: object, signal?: AbortSignal): Promise<RcAnswer> {
    using stack = new DisposableStack();
    stack.use(this.#watch.begin());
    return await this.client.call(path, { _group: TransferWatch.GROUP, ...input }, signal);
  }

  /** A file that this process holds open, by the number of its descriptor, to a path below the destination's. After an abort nothing of it goes on. */
  async copy(descriptor: string, name: Name, remote: string, signal: AbortSignal): Promise<void> {
    using stack = new DisposableStack();
    stack.use(this.#watch.transfer(descriptor, name));
    const from = { srcFs: SOURCE, srcRemote: descriptor };
    const isOurs = (one: string): boolean => one === descriptor;
    await this.transfer('operations/copyfile', { ...from, dstFs: DESTINATION, dstRemote: remote }, isOurs, signal);
  }

  /** A call that transfers files. After an abort it rejects once nothing of it goes on. @param isOurs whether a name of rclone's is one of them */
  async transfer(path: string, input: object, isOurs: (name: string) => boolean, signal: AbortSignal): Promise<void> {
    await this.#watch.setRate();
    try {
      await this.call(path, input, signal);
    } catch (error) {
      if (signal.aborted) await this.#untilGone(isOurs);
      throw error;
    }
  }

  /** A watched transfer of content to here. */
  begin(): Disposable {
    return this.#watch.begin();
  }

  async close(): Promise<void> {
    this.#watch[Symbol.dispose]();
    await this.#process.close();
    this.#staging?.[Symbol.dispose]();
    this.#staging = undefined;
  }

  /** rclone notices that a connection was closed, and ends what it was asked for over it; or it is ended itself. */
  async #untilGone(isOurs: (name: string) => boolean): Promise<void> {
    const untilMs = performance.now() + CALLED_OFF_MS;
    while (!this.closed && performance.now() < untilMs) {
      const running = await this.#watch.transferring().catch(() => undefined);
      if (running !== undefined && ![...running.keys()].some(isOurs)) return;
      await delay(LOOK_EVERY_MS);
    }
    await this.close();
  }
}

/** Starts rclone, and asks what the remote is. @throws TransportError */
export const openSession = async (shared: Shared, signal: AbortSignal): Promise<Session> => {
  const { options, context, label } = shared;
  const process = await startRclone(options, context.stateFolder, signal);
  try {
    const { version } = await process.client.call('core/version', {}, signal);
    const traits = traitsOf(await process.client.call('operations/fsinfo', { fs: DESTINATION }, signal));
    const canStat = await hasCall(process, 'operations/stat', signal);
    const canForbidCopy = await hasCall(process, 'options/local', signal); // As old as `_config` of a call.
    const sectionOf = (name: string): Promise<RcAnswer> => process.client.call('config/get', { name }, signal);
    const refusal = refusalOf(traits, await layersOf(options.remote, sectionOf), canForbidCopy);
    const session = new Session(process, shared, { traits, refusal }, { version: String(version), canStat });
    if (context.durable && !traits.isAtomic) context.log('info', NOT_SYNCED);
    return session;
  } catch (error) {
    await process.close();
    const why = process.log.lastWords;
    const explained = explain(`use ${label}`, error);
    // It ends where it cannot read its configuration, and says why there alone.
    if (explained instanceof TransportError && explained.wasReached && why !== '')
      throw new TransportError('auth', `Cannot use ${label}: ${why}`, {
        hint: 'see that "rclone listremotes" works as this user, without a question; RCLONE_CONFIG_PASS and RCLONE_PASSWORD_COMMAND are for an encrypted rclone.conf',
      });
    // What it says of the remote as a whole is no matter of one file.
    if (explained instanceof TransportError && explained.class === 'file')
      throw new TransportError('auth', explained.message, { hint: SEE_REMOTE, cause: explained });
    throw explained;
  }
};

/** What a call lacks is told otherwise. */
const hasCall = async ({ client }: RcloneProcess, path: string, signal: AbortSignal): Promise<boolean> => {
  try {
    await client.call(path, {}, signal);
    return true;
  } catch (error) {
    if (!(error instanceof RcError)) throw error;
    return error.status !== 404;
  }
};

const NOT_SYNCED =
  'rclone does not put files on stable storage by itself: a file counts as sent when the remote has taken it and gives it its name';
