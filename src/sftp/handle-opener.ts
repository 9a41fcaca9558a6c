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

/** Others may be quicker to get what was closed. */
const MAX_ATTEMPTS = 32;

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
    const opening = { type, name, encode, undo };
    const { isTold } = this.#handles;
    const request = (): Promise<Buffer> => (isTold ? this.#requestTold(opening) : this.#request(type, encode, name));
    const acquired = this.#handles.acquire();
    const opened = acquired === undefined ? request() : acquired.then(request);
    return isTold ? opened : opened.catch((error: unknown) => this.#openWithFewer(opening, error));
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

  /** How many it allows it says a round trip after the first files were opened: they may be too many. */
  #requestTold(opening: Opening): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const settle = (reply: PacketReader): void => {
        try {
          resolve(this.#decode(reply));
        } catch (error) {
          if (error instanceof SftpStatusError) error.request = opening.name;
          if (this.#handles.inUse > 0 && mayBeTooMany(error)) this.#openLater(opening, error).then(resolve, reject);
          else reject(toError(error));
        }
      };
      this.#requests.submit(opening.type, opening.encode, { settle, reject });
    });
  }

  /** Once more each time that another one is closed. */
  async #openLater({ type, name, encode, undo }: Opening, refusal: unknown): Promise<Buffer> {
    let error = refusal;
    for (let attempts = 0; attempts < MAX_ATTEMPTS && mayBeTooMany(error); attempts += 1) {
      await this.#handles.released();
      await undo?.().catch(() => undefined);
      const acquired = this.#handles.acquire();
      if (acquired !== undefined) await acquired;
      try {
        return await this.#request(type, encode, name);
      } catch (again) {
        error = again;
      }
    }
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
