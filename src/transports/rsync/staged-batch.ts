import { errorMessage, isOutOfDescriptors, outOfDescriptors, TransportError } from '../../errors.ts';
import { showName, type Name, type OutgoingFile } from '../../transport.ts';
import { holdSource, type HeldSource } from './outgoing.ts';
import type { PendingSend } from './pending-send.ts';
import { StagingTree } from './staging-tree.ts';

interface HeldSend {
  readonly send: PendingSend;
  readonly source: HeldSource;
}

/** The sends of one run: their links in a staging tree, and their source files, open until each send is settled or given back. */
export class StagedBatch implements Disposable {
  readonly tree: StagingTree;
  /** Sends that are to be part of a later run. */
  readonly unsent: PendingSend[] = [];
  readonly #held = new Map<Name, HeldSend>();

  /** Sends whose file cannot be read are rejected here. */
  constructor(stagingFolder: string, batch: readonly PendingSend[]) {
    this.tree = new StagingTree(stagingFolder);
    for (const send of batch) this.#stage(send);
  }

  /** The target paths of the sends that are held. */
  get names(): Name[] {
    return [...this.#held.keys()];
  }

  fileOf(name: Name): OutgoingFile | undefined {
    return this.#held.get(name)?.send.file;
  }

  /** undefined: there is none. */
  get largest(): OutgoingFile | undefined {
    let largest: OutgoingFile | undefined;
    for (const { send } of this.#held.values())
      if (largest === undefined || send.file.identity.size > largest.identity.size) largest = send.file;
    return largest;
  }

  get largestBytes(): number {
    return Number(this.largest?.identity.size ?? 0);
  }

  /** Makes again the links that rsync removed in lockstep. */
  relink(): void {
    this.tree.relink([...this.#held].map(([name, { source }]) => [name, source.link]));
  }

  /** Settles the sends of files that the destination has; a source that changed meanwhile is a failure. */
  confirm(names: readonly Name[]): void {
    for (const name of names) {
      this.#release(name, (send, source) => {
        try {
          source.checkUnchanged();
          send.resolve();
        } catch (error) {
          send.reject(toTransportError(error, send.file));
        }
      });
    }
  }

  /** Rejects the other sends with what `failureOf` returns; undefined: not tried, gives it back as `unsent`. */
  settleRest(failureOf: (file: OutgoingFile, source: HeldSource) => TransportError | undefined): void {
    for (const name of this.names) {
      this.#release(name, (send, source) => {
        const error = failureOf(send.file, source);
        if (error === undefined) this.unsent.push(send);
        else send.reject(error);
      });
    }
  }

  /** Closes all source files and removes the tree. Sends that are still held are not settled. */
  [Symbol.dispose](): void {
    for (const name of this.names) this.#release(name, () => undefined);
    this.tree[Symbol.dispose]();
  }

  #stage(send: PendingSend): void {
    const { file } = send;
    // Two sends to one name must run one after the other.
    if (this.#held.has(file.targetPath)) {
      this.unsent.push(send);
      return;
    }
    let source: HeldSource | undefined;
    try {
      source = holdSource(file);
      if (this.tree.link(file.targetPath, source.link)) {
        this.#held.set(file.targetPath, { send, source });
        return;
      }
      this.unsent.push(send);
    } catch (error) {
      // No descriptor is left: those that are held are sent first.
      if (isOutOfDescriptors(causeOf(error)) && this.#held.size > 0) this.unsent.push(send);
      else send.reject(toTransportError(error, file));
    }
    source?.[Symbol.dispose]();
  }

  #release(name: Name, end: (send: PendingSend, source: HeldSource) => void): void {
    const held = this.#held.get(name);
    if (held === undefined) return;
    this.#held.delete(name);
    using source = held.source;
    end(held.send, source);
  }
}

const causeOf = (error: unknown): unknown => (error instanceof TransportError ? error.cause : error);

const toTransportError = (error: unknown, file: OutgoingFile): TransportError =>
  error instanceof TransportError
    ? error
    : isOutOfDescriptors(error)
      ? outOfDescriptors(`prepare "${showName(file.sourcePath)}"`, error)
      : new TransportError('file', `Cannot prepare "${showName(file.sourcePath)}": ${errorMessage(error)}`, {
          hint: 'check that the state folder is writable and that enough files may be open (ulimit -n)',
          cause: error,
        });
