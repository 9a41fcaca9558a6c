import { systemErrorCode, TransportError } from '../../errors.ts';
import { showName, type Name } from '../../name.ts';
import type { FetchedFile, IncomingFile, StoredEntry, Transport } from '../../transport.ts';
import { Incoming } from './incoming.ts';
import { asFileError, cannotKeep, isOfDisk } from './local-errors.ts';
import { syncFiles } from './sync-disk.ts';
import type { TargetTree } from './target-tree.ts';

/** A file that is to be brought back. */
export interface Wanted {
  readonly entry: StoredEntry;
  /** Below the directory. */
  readonly path: Name;
  /** What stands there is replaced. */
  readonly replaces: boolean;
}

export type Outcome =
  /** `isCompared`: its content is for sure the one there. */
  | { readonly kind: 'restored'; readonly isCompared: boolean }
  /** At the destination it is not what it was listed as. */
  | { readonly kind: 'changed'; readonly now: StoredEntry }
  | { readonly kind: 'different'; readonly reason: string }
  | { readonly kind: 'failed'; readonly error: TransportError };

export interface BatchOptions {
  readonly transport: Transport;
  readonly target: TargetTree;
  /** The path of the directory here, for messages and to sync it. */
  readonly folder: Name;
  readonly scratch: Name;
  /** The name of the temporary file of one file in one state. */
  readonly temporaryName: (entry: StoredEntry) => Name;
  /** Is the file to bear the mark? */
  readonly isMarked: (path: Name) => boolean;
  /** From `SHA256SUMS`, by path below the directory. */
  readonly manifest: ReadonlyMap<Name, string>;
  readonly signal: AbortSignal;
}

export interface Failure {
  readonly error: unknown;
}

/** What is known of a file once nothing more of it comes. */
type End = FetchedFile | TransportError;

/**
 * Fetches some files, and gives them their names: each when it is whole, is what was listed, has the content that it should have where that is
 * known, and is on stable storage. Tells what became of each; of those of which nothing is told the connection is at fault, with which it rejects.
 * What the disk here refuses for all files is a `UserError`.
 */
export class Batch {
  readonly #options: BatchOptions;
  readonly #tell: (wanted: Wanted, outcome: Outcome) => void;
  readonly #incoming = new Map<IncomingFile, { readonly file: Incoming; readonly wanted: Wanted }>();
  readonly #ends = new Map<IncomingFile, End>();
  readonly #told = new Set<Wanted>();
  #sums: Promise<ReadonlyMap<Name, string>> = Promise.resolve(new Map());
  #failure: Failure | undefined;
  /** The disk here takes nothing any more. */
  readonly #full = new AbortController();

  constructor(options: BatchOptions, files: readonly Wanted[], tell: (wanted: Wanted, outcome: Outcome) => void) {
    this.#options = options;
    this.#tell = (wanted, outcome) => {
      this.#told.add(wanted);
      tell(wanted, outcome);
    };
    for (const wanted of files) {
      const file = this.#receive(wanted);
      this.#incoming.set(file, { file, wanted });
    }
  }

  /** What is here of files of which nothing is told yet. */
  get partialBytes(): number {
    const untold = [...this.#incoming.values()].filter(({ wanted }) => !this.#told.has(wanted));
    return untold.reduce((sum, { file }) => sum + file.offset, 0);
  }

  /** Resolves with what ended it before all was told. */
  async fetch(): Promise<Failure | undefined> {
    const { signal } = this.#options;
    const files = [...this.#incoming.values()];
    for (const { file } of files) await file.resume(signal);
    this.#sums = this.#askSums();
    this.#sums.catch(() => undefined); // Reported where it is awaited.
    this.#failure = await this.#fetch();
    for (const { file } of files) if (!this.#ends.has(file)) file.pause();
    return this.#failure;
  }

  /** Gives what was fetched its names. */
  async publish(): Promise<void> {
    const far = await this.#sums;
    if (!this.#full.signal.aborted) await this.#publish(far, this.#failure === undefined);
    if (!this.#full.signal.aborted) return;
    for (const { file } of this.#incoming.values()) this.#discard(file);
    throw this.#full.signal.reason;
  }

  #receive(wanted: Wanted): Incoming {
    const { target, temporaryName, isMarked, manifest, transport, folder } = this.#options;
    const { entry, path } = wanted;
    const file = new Incoming(entry, {
      target,
      path,
      temporaryName: temporaryName(entry),
      isMarked: isMarked(path),
      isSummed: { always: manifest.has(path) && entry.size > 0, whenResumed: transport.sums !== undefined },
      refused: (error) => {
        const failure = cannotKeep(`${folder}/${path}`, error);
        if (isOfDisk(error)) this.#full.abort(failure);
        else this.#fail(file, failure.message, failure.hint);
      },
    });
    return file;
  }

  /**
   * What the destination computes meanwhile: the content of what is gone on with, where no manifest has it. What comes in one piece is what was
   * read there.
   */
  async #askSums(): Promise<ReadonlyMap<Name, string>> {
    const { transport, manifest, signal } = this.#options;
    const asked = [...this.#incoming.values()].flatMap(({ file, wanted: { entry, path } }) =>
      file.offset > 0 && !manifest.has(path) ? [entry] : [],
    );
    if (transport.sums === undefined || asked.length === 0) return new Map();
    try {
      return await transport.sums(asked, signal);
    } catch (error) {
      // A lost connection is told by what is fetched.
      if (error instanceof TransportError || signal.aborted) return new Map();
      throw error;
    }
  }

  async #fetch(): Promise<Failure | undefined> {
    const { transport, scratch, signal } = this.#options;
    const fetched = (file: IncomingFile, end: End): void => {
      const known = this.#incoming.get(file);
      if (known === undefined || this.#ends.has(file)) return;
      this.#ends.set(file, end);
      if (end instanceof TransportError) this.#fail(known.file, end.message, end.hint, end);
      else known.file.complete(end);
    };
    try {
      const either = AbortSignal.any([signal, this.#full.signal]);
      await transport.fetch?.([...this.#incoming.keys()], { fetched, scratch }, either);
      return undefined;
    } catch (error) {
      return { error };
    }
  }

  async #publish(far: ReadonlyMap<Name, string>, isWhole: boolean): Promise<void> {
    const whole: { readonly file: Incoming; readonly wanted: Wanted }[] = [];
    for (const [file, one] of this.#incoming) {
      const end = this.#ends.get(file);
      if (end === undefined) {
        if (isWhole) this.#fail(one.file, `Cannot read "${showName(file.targetPath)}": nothing came of it`, undefined);
        continue;
      }
      if (end instanceof TransportError) continue;
      const outcome = await this.#judge(one.file, one.wanted, end, far);
      if (outcome === undefined) whole.push(one);
      else {
        this.#discard(one.file);
        this.#tell(one.wanted, outcome);
      }
    }
    const files = whole.map(({ file }) => file);
    await this.#guarded(() => syncFiles(this.#options.folder, files));
    if (this.#full.signal.aborted) return;
    for (const { file, wanted } of whole) {
      const isCompared = !file.isResumed || this.#options.manifest.has(wanted.path) || far.has(wanted.entry.path);
      this.#name(file, wanted, isCompared);
    }
  }

  /** undefined: it is what it should be. */
  async #judge(
    file: Incoming,
    { entry, path }: Wanted,
    end: FetchedFile,
    far: ReadonlyMap<Name, string>,
  ): Promise<Outcome | undefined> {
    const { manifest, signal } = this.#options;
    if (end.size !== entry.size || end.mtimeSeconds !== entry.mtimeSeconds || file.offset !== entry.size)
      return { kind: 'changed', now: { ...entry, size: end.size, mtimeSeconds: end.mtimeSeconds } };
    const proven = manifest.get(path);
    const wanted = proven ?? far.get(entry.path);
    if (wanted === undefined || wanted === (await file.sum(signal)) || entry.size === 0) return undefined;
    if (proven === undefined) return { kind: 'changed', now: entry };
    return {
      kind: 'failed',
      error: new TransportError(
        'file',
        `Did not restore "${showName(entry.path)}": its content there is not the one that was delivered, as SHA256SUMS has it`,
        { hint: 'take it from another destination with --from; see what damaged it there' },
      ),
    };
  }

  #name(file: Incoming, wanted: Wanted, isCompared: boolean): void {
    try {
      file.publish(wanted);
      this.#tell(wanted, { kind: 'restored', isCompared });
    } catch (error) {
      const code = systemErrorCode(error);
      if (code === undefined) throw error;
      this.#discard(file);
      if (code === 'EEXIST') this.#tell(wanted, { kind: 'different', reason: 'it has come here meanwhile' });
      else {
        const failure = cannotKeep(`${this.#options.folder}/${wanted.path}`, error);
        this.#tell(wanted, { kind: 'failed', error: asFileError(failure.message, failure.hint, error) });
      }
    }
  }

  #fail(file: Incoming, message: string, hint: string | undefined, cause?: unknown): void {
    const known = this.#incoming.get(file);
    if (known === undefined) return;
    this.#incoming.delete(file);
    this.#discard(file);
    this.#tell(known.wanted, { kind: 'failed', error: asFileError(message, hint, cause) });
  }

  /** What the disk does not let us remove is in nobody's way. */
  #discard(file: Incoming): void {
    try {
      file.discard();
    } catch (error) {
      if (systemErrorCode(error) === undefined) throw error;
    }
  }

  async #guarded(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (systemErrorCode(error) === undefined) throw error;
      this.#full.abort(cannotKeep(this.#options.folder, error));
    }
  }
}
