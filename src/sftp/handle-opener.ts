import type { OpenHandles } from './open-handles.ts';
import type { PacketReader } from './packet-reader.ts';
import { packetName, Status } from './protocol.ts';
import { readHandle, SftpStatusError } from './replies.ts';
import { toError, type Encode, type RequestChannel } from './request-channel.ts';

// What says itself why no handle was given: it is not that there are too many.
const OTHER_REASONS: ReadonlySet<number> = new Set([
  Status.NO_SUCH_FILE,
  Status.PERMISSION_DENIED,
  Status.BAD_MESSAGE,
  Status.OP_UNSUPPORTED,
]);

/** From 256 handles to one. */
const MAX_HALVINGS = 9;

const mayBeTooMany = (error: unknown): boolean => error instanceof SftpStatusError && !OTHER_REASONS.has(error.status);

interface Opening {
  readonly type: number;
  /** For messages. */
  readonly name: string;
  readonly encode: Encode;
  readonly undo: (() => Promise<void>) | undefined;
}

/** Opens files and folders, as many at once as the server allows. */
export class HandleOpener {
  readonly #requests: RequestChannel;
  readonly #handles: OpenHandles;

  constructor(requests: RequestChannel, handles: OpenHandles) {
    this.#requests = requests;
    this.#handles = handles;
  }

  /**
   * Hot path: where the server says how many handles it allows, there is one promise.
   * @param undo removes a new file: some servers make it, and then have no handle for it
   */
  open(type: number, encode: Encode, name = packetName(type), undo?: () => Promise<void>): Promise<Buffer> {
    const acquired = this.#handles.acquire();
    const opened =
      acquired === undefined
        ? this.#request(type, encode, name)
        : acquired.then(() => this.#request(type, encode, name));
    return this.#handles.isTold
      ? opened
      : opened.catch((error: unknown) => this.#openWithFewer({ type, name, encode, undo }, error));
  }

  #request(type: number, encode: Encode, name: string): Promise<Buffer> {
    return this.#requests.request(type, encode, this.#decode, name);
  }

  // Version 3 has one status, "Failure", for too many handles and for much else: with half as many open, and half of that, the reason shows.
  async #openWithFewer({ type, name, encode, undo }: Opening, refusal: unknown): Promise<Buffer> {
    let error = refusal;
    let takeBack = (): void => undefined;
    let others = this.#handles.inUse;
    for (let halvings = 0; halvings < MAX_HALVINGS && others > 0 && mayBeTooMany(error); halvings += 1) {
      const restore = this.#handles.limit.refused(others);
      const before = takeBack;
      takeBack = (): void => {
        restore();
        before();
      };
      await this.#handles.acquire();
      const besides = this.#handles.inUse - 1;
      try {
        await undo?.().catch(() => undefined); // It is seldom there.
        const handle = await this.#request(type, encode, name);
        this.#handles.limit.exceeded(others);
        return handle;
      } catch (again) {
        error = again;
        others = besides;
      }
    }
    takeBack();
    throw error;
  }

  readonly #decode = (reply: PacketReader): Buffer => {
    let handle: Buffer;
    try {
      handle = readHandle(reply);
    } catch (error) {
      this.#handles.release();
      throw error;
    }
    try {
      this.#handles.opened(handle);
    } catch (error) {
      this.#requests.close(toError(error));
      throw error;
    }
    return handle;
  };
}
