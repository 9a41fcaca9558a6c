import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { isMarker } from '../../../src/source/markers.ts';
import { checkUnchanged, readSmallFile, toSourceError } from '../../../src/transports/sftp/source.ts';
import {
  systemErrorCode,
  TransportError,
  wholeSeconds,
  type Discrepancy,
  type ExpectedFile,
  type ListedFile,
  type OutgoingFile,
  type Transport,
} from '../../../src/transport.ts';
import type { Delivered, Liar } from './lies.ts';
import type { World } from './world.ts';

const CONTENT = 'content';

export interface DestinationOptions {
  readonly inFlight: number;
  readonly lists: boolean;
  readonly readsAtOnce: boolean;
  readonly liar: Liar;
  /** Content that no file ever had was written. */
  readonly half: (path: string) => void;
  /** A file is about to be read. */
  readonly sending: (file: OutgoingFile) => void;
}

/** A destination in memory. It survives crashes of the program, and reads the source as the transports do. */
export class Destination implements Transport {
  readonly label: string;
  readonly inFlight: number;
  readonly files = new Map<string, Delivered>();
  /** Replies that are still to be lost. */
  lost = 0;
  readonly liar: Liar;
  readonly list?: NonNullable<Transport['list']>;
  readonly #world: World;
  readonly #readsAtOnce: boolean;
  readonly #half: DestinationOptions['half'];
  readonly #sending: DestinationOptions['sending'];

  constructor(label: string, world: World, options: DestinationOptions) {
    this.label = label;
    this.inFlight = options.inFlight;
    this.liar = options.liar;
    this.#world = world;
    this.#readsAtOnce = options.readsAtOnce;
    this.#half = options.half;
    this.#sending = options.sending;
    if (options.lists) this.list = (folder, visit) => this.#list(folder, visit);
  }

  async send(file: OutgoingFile): Promise<void> {
    await this.#request();
    this.#sending(file);
    const { untracedStores } = this.#world;
    const content = this.#readsAtOnce ? Buffer.from(readSmallFile(file)) : await this.#readInPieces(file);
    await this.#request();
    // What leaves no trace cannot be told, and goes again.
    if (untracedStores === this.#world.untracedStores && !this.#world.contents.has(content.toString('latin1')))
      this.#half(file.targetPath);
    this.#world.accesses?.writes();
    this.#store(file.targetPath, { content, mtimeSeconds: wholeSeconds(file.identity.mtimeNs) });
    await this.#request();
  }

  async verify(files: readonly ExpectedFile[], { checksum }: { readonly checksum: boolean }): Promise<Discrepancy[]> {
    await this.#request();
    const found: Discrepancy[] = [];
    for (const file of files) {
      const truth = this.#compare(file, checksum);
      const lie = this.liar.ofVerify(file.targetPath, truth && { isVisible: truth.detail !== CONTENT });
      if (lie === 'missing') found.push({ file, kind: 'missing', detail: 'a lie' });
      else if (lie === undefined && truth !== undefined) found.push(truth);
    }
    await this.#request();
    return found;
  }

  async tidy(): Promise<void> {
    await this.#request();
  }

  probe(): AsyncIterable<never> {
    throw new Error('no command that probes is simulated');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  async #list(folder: string, visit: (file: ListedFile) => void): Promise<void> {
    await this.#request();
    for (const [path, { content, mtimeSeconds }] of this.files) {
      const slash = path.lastIndexOf('/');
      if (path.slice(0, slash) === folder) visit({ name: path.slice(slash + 1), size: content.length, mtimeSeconds });
    }
    await this.#request();
  }

  async #request(): Promise<void> {
    await this.#world.turn();
    this.#world.point();
    if (this.lost === 0) return;
    this.lost -= 1;
    this.#loseConnection();
  }

  #loseConnection(): never {
    throw new TransportError('network', `${this.label}: the connection was lost`);
  }

  #store(path: string, sent: Delivered): void {
    const isFile = !isMarker(path.slice(path.indexOf('/') + 1));
    const lie = isFile ? this.liar.ofSend(path, sent, this.files.get(path)) : undefined;
    const stored = lie === undefined ? sent : lie.stored;
    if (stored !== undefined) this.files.set(path, stored);
    if (isFile && this.liar.losesReply()) this.#loseConnection();
  }

  #compare(file: ExpectedFile, checksum: boolean): Discrepancy | undefined {
    const there = this.files.get(file.targetPath);
    if (there === undefined) return { file, kind: 'missing', detail: 'it does not exist' };
    if (BigInt(there.content.length) !== file.size || there.mtimeSeconds !== file.mtimeSeconds)
      return { file, kind: 'different', detail: 'size or mtime' };
    if (checksum && !this.#hasContent(file, there)) return { file, kind: 'different', detail: CONTENT };
    return undefined;
  }

  async #readInPieces(file: OutgoingFile): Promise<Buffer> {
    let descriptor: number | undefined;
    try {
      descriptor = openSync(file.sourcePath, constants.O_RDONLY | constants.O_NOFOLLOW);
      checkUnchanged(file, fstatSync(descriptor, { bigint: true }));
      const content = Buffer.alloc(Number(file.identity.size));
      for (let at = 0; at < content.length;) {
        await this.#world.turn();
        const read = readSync(descriptor, content, at, content.length - at, at);
        if (read === 0) throw new TransportError('source-changed', 'it became shorter');
        at += read;
      }
      checkUnchanged(file, fstatSync(descriptor, { bigint: true }));
      return content;
    } catch (error) {
      throw toSourceError(error, file);
    } finally {
      if (descriptor !== undefined) closeSync(descriptor);
    }
  }

  #hasContent(file: ExpectedFile, there: Delivered): boolean {
    let descriptor: number | undefined;
    try {
      descriptor = openSync(file.sourcePath, constants.O_RDONLY | constants.O_NOFOLLOW);
      const content = Buffer.alloc(there.content.length);
      let at = 0;
      while (at < content.length) {
        const read = readSync(descriptor, content, at, content.length - at, at);
        if (read === 0) break;
        at += read;
      }
      return at === content.length && content.equals(there.content);
    } catch (error) {
      if (systemErrorCode(error) === undefined) throw error;
      throw new TransportError('file', `Cannot read ${file.sourcePath}`, { cause: error });
    } finally {
      if (descriptor !== undefined) closeSync(descriptor);
    }
  }
}
