import type { Socket } from 'node:net';
import type { ServerChannel } from 'ssh2';
import { plainMessage } from '../errors.ts';
import { MalformedPacketError, createPacketSplitter } from '../sftp/packet-reader.ts';
import type { ActionLog } from './client-log.ts';
import type { ChangeRules } from './change-rules.ts';
import type { ConfinedFolder } from './confined-folder.ts';
import { roomOfProcess } from './handle-room.ts';
import { createHandles, type Handles } from './handles.ts';
import { ReplyOutput } from './reply-output.ts';
import { RequestQueue } from './request-queue.ts';
import { createRequestServer, MAX_HANDLES } from './requests.ts';

export interface SftpSessionOptions {
  readonly channel: ServerChannel;
  /** The connection's. */
  readonly socket: Socket;
  /** The session disposes of it. */
  readonly folder: ConfinedFolder;
  readonly rules: ChangeRules;
  readonly log: ActionLog;
  /** Is called when the client asks for something. */
  readonly onActivity: () => void;
  readonly warn: (message: string) => void;
}

/**
 * Serves SFTP on a channel: one request after the other, replies in the same order, those to one piece of input in one write; commits and
 * sums are answered when they are done.
 * While a request waits (fsync), or the client does not read its replies, input is paused: the SSH window then fills and the
 * client waits.
 */
export class SftpSession {
  readonly #channel: ServerChannel;
  readonly #folder: ConfinedFolder;
  readonly #warn: (message: string) => void;
  readonly #log: ActionLog;
  readonly #onActivity: () => void;
  readonly #handles: Handles = createHandles(MAX_HANDLES, roomOfProcess);
  readonly #output: ReplyOutput;
  readonly #queue: RequestQueue;
  readonly #closed = Promise.withResolvers<undefined>();
  #isUpdateScheduled = false;
  #isInputEnded = false;
  #isEnded = false;

  constructor({ channel, socket, folder, rules, log, onActivity, warn }: SftpSessionOptions) {
    this.#channel = channel;
    this.#folder = folder;
    this.#warn = warn;
    this.#log = log;
    this.#onActivity = onActivity;
    const output = new ReplyOutput(channel, socket, () => this.#continue());
    const aside = (work: Promise<void>): void => this.#queue.putAside(work);
    const isOver = (): boolean => this.#isEnded;
    const context = { folder, handles: this.#handles, rules, log, reply: output.writer, aside, isOver };
    const serve = createRequestServer(context);
    this.#output = output;
    this.#queue = new RequestQueue({
      serve: (packet) => {
        const later = serve(packet);
        output.flushIfLarge();
        return later;
      },
      isBlocked: () => output.isStalled || this.#isEnded,
      onServed: () => {
        if (this.#isEnded && !this.#queue.isServing) this.#release();
        else if (!this.#isEnded) this.#continue();
      },
      onAsideServed: () => {
        if (!this.#isEnded) this.#scheduleUpdate();
        else if (!this.#queue.isServing) this.#release();
      },
    });
    this.#listen();
  }

  /** Resolves when the session has closed all its files. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Whether a file is open for writing, or something is asked. */
  get isBusy(): boolean {
    return !this.#isEnded && (this.#handles.isWriting() || this.#queue.isServing || !this.#queue.isEmpty);
  }

  /** Ends without serving the queued requests. The request in progress is finished. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#output.close();
    this.#queue.clear();
    // Discards the remaining input; with unread input ssh2 would never close the channel.
    this.#channel.resume();
    if (!this.#queue.isServing) this.#release();
  }

  #listen(): void {
    const split = createPacketSplitter((packet) => this.#queue.accept(packet));
    this.#channel.on('data', (chunk: Buffer) => {
      if (this.#isEnded) return;
      this.#onActivity();
      this.#guard(() => {
        split(chunk);
        if (this.#queue.mustWait) this.#channel.pause();
        this.#scheduleUpdate();
      });
    });
    this.#channel.on('end', () => {
      this.#isInputEnded = true;
      this.#scheduleUpdate();
    });
    this.#channel.on('error', (error: Error) => {
      this.#warn(`a session failed: ${error.message}`);
      this.end();
    });
    this.#channel.on('close', () => this.end());
  }

  /** Serves what waited for an event. */
  #continue(): void {
    this.#guard(() => {
      this.#queue.serveWaiting();
      this.#update();
    });
  }

  /** Sends the replies, and pauses, resumes or ends the input. */
  #update(): void {
    this.#output.flush();
    if (this.#isEnded) return;
    if (this.#queue.mustWait) this.#channel.pause();
    else if (this.#isInputEnded && this.#queue.isEmpty && !this.#queue.isServing) this.#finish(0);
    else this.#channel.resume();
  }

  /** Updates once for all SSH packets of one socket read, so that their replies share a packet, too. */
  #scheduleUpdate(): void {
    if (this.#isUpdateScheduled) return;
    this.#isUpdateScheduled = true;
    process.nextTick(() => {
      this.#isUpdateScheduled = false;
      this.#continue();
    });
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      const what = error instanceof MalformedPacketError ? 'malformed SFTP packet' : 'internal error';
      this.#warn(`closed a session: ${what}: ${plainMessage(error)}`);
      this.#output.flush();
      this.#finish(1);
    }
  }

  /** As OpenSSH's sftp-server: an exit status, then the end of the channel. */
  #finish(status: number): void {
    if (this.#isEnded) return;
    this.#channel.exit(status);
    this.#channel.end();
    this.end();
  }

  /** Not while fsync runs: its descriptor number could be reused for another file meanwhile. */
  #release(): void {
    this.#handles.closeAll((path, written) => this.#log.wrote(path, written, 'cut'));
    this.#folder[Symbol.dispose]();
    this.#closed.resolve(undefined);
  }
}
