import { handleCommands, type HandleCommands } from './handle-commands.ts';
import type { OpenHandles } from './open-handles.ts';
import type { PacketReader } from './packet-reader.ts';
import { expectOk } from './replies.ts';
import { toError, type Pending, type RequestChannel } from './request-channel.ts';

/** Waits for the replies to all commands of a burst. A class, since one is allocated for every small file. */
class BurstReplies implements Pending {
  readonly #done = Promise.withResolvers<undefined>();
  #unanswered = 1; // The enqueueing itself, until `allEnqueued`.
  #failure: Error | undefined;
  #closing: Buffer | undefined;
  readonly #handles: OpenHandles;

  constructor(handles: OpenHandles) {
    this.#handles = handles;
  }

  /** One of the commands closes this handle. */
  closes(handle: Buffer): void {
    this.#closing = handle;
  }

  expectOneMore(): this {
    this.#unanswered += 1;
    return this;
  }

  allEnqueued(): Promise<void> {
    this.#answered();
    return this.#done.promise;
  }

  settle(reply: PacketReader): void {
    try {
      expectOk(reply);
    } catch (error) {
      this.#failure ??= toError(error);
    }
    this.#answered();
  }

  reject(error: Error): void {
    this.#failure ??= error;
    this.#answered();
  }

  #answered(): void {
    this.#unanswered -= 1;
    if (this.#unanswered > 0) return;
    if (this.#closing !== undefined) this.#handles.closed(this.#closing);
    if (this.#failure === undefined) this.#done.resolve(undefined);
    else this.#done.reject(this.#failure);
  }
}

/** `SftpClient.burst`. */
export const createBurst = (requests: RequestChannel, handles: OpenHandles) => {
  let now: BurstReplies | undefined;
  const each = handleCommands((type, encode) => {
    if (now !== undefined) requests.submit(type, encode, now.expectOneMore());
  });
  const commands: HandleCommands<void> = {
    ...each,
    close: (handle) => {
      now?.closes(handle);
      each.close(handle);
    },
  };
  return (enqueue: (commands: HandleCommands<void>) => void): Promise<void> => {
    const replies = new BurstReplies(handles);
    now = replies;
    enqueue(commands);
    now = undefined;
    return replies.allEnqueued();
  };
};
