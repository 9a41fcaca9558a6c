import { createHash } from 'node:crypto';
import { lstatSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolders } from '../host/make-folders.ts';
import { systemErrorCode, TransportError } from '../errors.ts';
import { fsPath, type Name } from '../name.ts';
import type { Discrepancy, ExpectedFile, ListedFile, OutgoingFile, Transport } from '../transport.ts';
import { earlierProbes, overlapLine, removeMadeFolders, type Overlap } from './overlap.ts';

export interface ApartOptions {
  readonly root: Name;
  readonly tag: string;
  readonly statePath: string;
  /** Of the destination, as records name it. */
  readonly identity: string;
  /** Called when a file that is written at the destination appears in the root. */
  readonly onOverlap: (message: string, hint: string) => void;
}

/** Asked for to connect: whatever is wrong with the connection is told by that, as for every other request. */
const NO_FILE = '.isocket-apart.part';

/**
 * The transport, used only once it is sure that the destination and the root are not the same folder, nor one in the other: what is sent
 * would replace what it was read from, and a comparison would find everything equal. Found out as `check` does, before the first
 * request, and remembered in the state for this root and this destination.
 */
export const keptApart = (transport: Transport, options: ApartOptions): Transport => {
  const key = keyOf(options);
  if (readKnown(options.statePath).includes(key)) return transport;
  const gate = new ApartTransport(transport, options, key);
  // As the bundled transports: an object with members of its own.
  return {
    label: transport.label,
    get inFlight() {
      return transport.inFlight;
    },
    ...(transport.underWay === undefined ? {} : { underWay: transport.underWay }),
    ...(transport.isLost === undefined ? {} : { isLost: transport.isLost }),
    send: (file, signal) => gate.send(file, signal),
    verify: (files, how, signal) => gate.verify(files, how, signal),
    ...(gate.list === undefined ? {} : { list: gate.list }),
    ...readingOf(transport, gate),
    tidy: (folders, signal) => gate.tidy(folders, signal),
    probe: (signal) => transport.probe(signal),
    [Symbol.asyncDispose]: () => gate[Symbol.asyncDispose](),
  };
};

/** What is brought back would be compared with itself, and proved by itself, where both are one folder. */
const readingOf = (transport: Transport, gate: ApartTransport): Pick<Transport, 'listTree' | 'fetch' | 'sums'> => {
  const { listTree, fetch, sums } = transport;
  return {
    ...(listTree === undefined
      ? {}
      : { listTree: (folder, how, signal) => gate.run(signal, () => listTree.call(transport, folder, how, signal)) }),
    ...(fetch === undefined
      ? {}
      : { fetch: (files, how, signal) => gate.run(signal, () => fetch.call(transport, files, how, signal)) }),
    ...(sums === undefined
      ? {}
      : { sums: (files, signal) => gate.run(signal, () => sums.call(transport, files, signal)) }),
  };
};

class ApartTransport implements AsyncDisposable {
  readonly list?: NonNullable<Transport['list']>;
  readonly #inner: Transport;
  readonly #options: ApartOptions;
  readonly #key: string;
  readonly #disposed = new AbortController();
  #isApart = false;
  #checking: Promise<void> | undefined;

  constructor(inner: Transport, options: ApartOptions, key: string) {
    this.#inner = inner;
    this.#options = options;
    this.#key = key;
    const { list } = inner;
    if (list !== undefined) {
      this.list = async (folder: Name, visit: (file: ListedFile) => void, signal: AbortSignal) => {
        await this.#ready(signal);
        return list.call(inner, folder, visit, signal);
      };
    }
  }

  send(file: OutgoingFile, signal: AbortSignal): Promise<void> {
    if (this.#isApart) return this.#inner.send(file, signal); // Hot path.
    return this.#ready(signal).then(() => this.#inner.send(file, signal));
  }

  async verify(
    files: readonly ExpectedFile[],
    how: { readonly checksum: boolean },
    signal: AbortSignal,
  ): Promise<Discrepancy[]> {
    await this.#ready(signal);
    return this.#inner.verify(files, how, signal);
  }

  async tidy(folders: readonly Name[], signal: AbortSignal): Promise<void> {
    await this.#ready(signal);
    return this.#inner.tidy(folders, signal);
  }

  async run<T>(signal: AbortSignal, use: () => Promise<T>): Promise<T> {
    await this.#ready(signal);
    return use();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed.abort();
    await this.#inner[Symbol.asyncDispose]();
    await this.#checking?.catch(() => undefined);
  }

  /** The check is everybody's: a caller that is aborted ends its own wait only. */
  async #ready(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#isApart) return;
    this.#checking ??= this.#check().finally(() => {
      this.#checking = undefined;
    });
    const aborted = Promise.withResolvers<never>();
    const abort = (): void => aborted.reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    try {
      await Promise.race([this.#checking, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  async #check(): Promise<void> {
    const { signal } = this.#disposed;
    try {
      await this.#connect(signal);
      const begunMs = Date.now();
      const overlap = await this.#probe(signal);
      if (overlap?.state === 'failure') {
        removeMadeFolders(this.#options.root, overlap, begunMs);
        const { message, hint = '' } = overlap;
        this.#options.onOverlap(message, hint);
        throw new TransportError('auth', message, { hint });
      }
      // A probe that could not write says nothing: it is asked again by the next process.
      if (overlap !== undefined) remember(this.#options.statePath, this.#key);
      this.#isApart = true;
    } catch (error) {
      if (!signal.aborted) throw error;
      throw new TransportError('network', `Cannot use ${this.#inner.label}: it was closed`, { cause: error });
    }
  }

  async #connect(signal: AbortSignal): Promise<void> {
    const none = {
      sourcePath: `${this.#options.root}/${NO_FILE}`,
      targetPath: NO_FILE,
      size: 0n,
      mtimeSeconds: 0,
    };
    await this.#inner.verify([none], { checksum: false }, signal);
  }

  /** While the file that it writes exists. undefined where it could not write. */
  async #probe(signal: AbortSignal): Promise<Overlap | undefined> {
    const { root, tag } = this.#options;
    const earlier = earlierProbes(root, tag);
    let overlap: Overlap | undefined;
    for await (const { what, state } of this.#inner.probe(signal)) {
      if (what === 'write' && state === 'ok') overlap = overlapLine(root, earlier, tag);
    }
    return overlap;
  }
}

/** The root as it is now: mounted anew, or another one under its path, it is looked at again. */
const keyOf = ({ root, tag, identity }: ApartOptions): string => {
  const { dev, ino } = lstatSync(fsPath(root), { bigint: true });
  return createHash('sha256')
    .update(JSON.stringify([String(dev), String(ino), root, tag, identity]))
    .digest('hex');
};

const FILE = 'apart.json';
const MOST_KNOWN = 100;

const readKnown = (statePath: string): readonly string[] => {
  try {
    const known: unknown = JSON.parse(readFileSync(join(statePath, FILE), 'utf8'));
    return Array.isArray(known) ? known.filter((key) => typeof key === 'string') : [];
  } catch (error) {
    if (error instanceof SyntaxError || systemErrorCode(error) !== undefined) return [];
    throw error;
  }
};

const remember = (statePath: string, key: string): void => {
  const known = [...readKnown(statePath).filter((one) => one !== key), key].slice(-MOST_KNOWN);
  const temporary = join(statePath, `${FILE}.new`);
  try {
    makeFolders(statePath, 0o700);
    writeFileSync(temporary, JSON.stringify(known), { mode: 0o600 });
    renameSync(temporary, join(statePath, FILE));
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error; // It is found out again by the next process.
  }
};
