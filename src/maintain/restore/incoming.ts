import { createHash, type Hash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fsync,
  fchmodSync,
  futimesSync,
  linkSync,
  lstatSync,
  openSync,
  read,
  renameSync,
  rmSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { promisify } from 'node:util';
import { systemErrorCode } from '../../errors.ts';
import { fsPath, type Name } from '../../name.ts';
import { splitPath } from '../../source/open-beneath.ts';
import type { FetchedFile, IncomingFile, StoredEntry } from '../../transport.ts';
import { RESUME_MIN_BYTES } from './temporary-names.ts';
import type { TargetTree } from './target-tree.ts';

const WRITE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW;
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const PIECE_BYTES = 1024 * 1024;
const NO_LINKS = new Set(['EPERM', 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS', 'EMLINK', 'EINVAL', 'EACCES']);
const MARK = 0o020;
// By descriptor: a path of `TargetTree` holds for one turn.
const [readSome, syncFile] = [promisify(read), promisify(fsync)];

export interface IncomingOptions {
  readonly target: TargetTree;
  /** Below the directory. */
  readonly path: Name;
  readonly temporaryName: Name;
  /** It is to bear the mark. */
  readonly isMarked: boolean;
  /** Is its content to be compared? */
  readonly isSummed: { readonly always: boolean; readonly whenResumed: boolean };
  /** What the disk here refused, once: nothing more of the file is kept. */
  readonly refused: (error: unknown) => void;
}

/** A file that is being fetched: a temporary file in the folder where it belongs, until it is whole. */
export class Incoming implements IncomingFile {
  readonly entry: StoredEntry;
  readonly path: Name;
  readonly #options: IncomingOptions;
  readonly #temporary: Name;
  #descriptor: number | undefined;
  #hash: Hash | undefined;
  #bytes = 0;
  #isTaken = false;
  #isResumed = false;
  #hasFailed = false;

  constructor(entry: StoredEntry, options: IncomingOptions) {
    this.entry = entry;
    this.path = options.path;
    this.#options = options;
    const { folder } = splitPath(options.path);
    this.#temporary = folder === '' ? options.temporaryName : `${folder}/${options.temporaryName}`;
    if (options.isSummed.always) this.#hash = createHash('sha256');
  }

  get targetPath(): Name {
    return this.entry.path;
  }

  get size(): number {
    return this.entry.size;
  }

  get mtimeSeconds(): number {
    return this.entry.mtimeSeconds;
  }

  /** Its beginning is from an earlier attempt. */
  get isResumed(): boolean {
    return this.#isResumed;
  }

  /** Bytes that are here. */
  get offset(): number {
    return this.#bytes;
  }

  /** Goes on with what an earlier attempt left under this name, which says of which file in which state it is. */
  async resume(signal: AbortSignal): Promise<void> {
    if (this.size < RESUME_MIN_BYTES) return;
    const left = this.#options.target.stat(this.#temporary);
    if (left === undefined || !left.isFile() || left.size === 0n || left.size > BigInt(this.size)) return;
    this.#isResumed = true;
    if (this.#options.isSummed.whenResumed) this.#hash ??= createHash('sha256');
    if (this.#hash !== undefined) await this.#hashAgain(this.#hash, signal);
    this.#descriptor = openSync(this.#options.target.at(this.#temporary), WRITE_FLAGS | constants.O_APPEND);
    this.#bytes = Number(left.size);
  }

  /** Never throws: its transport goes on with the others. */
  readonly write = (piece: Buffer): void => {
    this.#bytes += piece.length;
    this.#attempt(() => {
      const descriptor = (this.#descriptor ??= this.#create());
      for (let at = 0; at < piece.length;) at += writeSync(descriptor, piece, at);
      this.#hash?.update(piece);
    });
  };

  readonly take = (path: Name): void => this.#attempt(() => this.#take(path));

  #take(path: Name): void {
    this.#close();
    const at = this.#options.target.at(this.#temporary);
    try {
      renameSync(fsPath(path), at);
    } catch (error) {
      if (systemErrorCode(error) !== 'EXDEV') throw error;
      rmSync(at, { force: true });
      copyFileSync(fsPath(path), at, constants.COPYFILE_EXCL);
      unlinkSync(fsPath(path));
    }
    this.#isTaken = true;
    this.#isResumed = false;
    this.#bytes = lstatSync(at).size;
  }

  /** It is whole: it gets its times and its bits. */
  complete(found: FetchedFile): void {
    this.#attempt(() => this.#complete(found));
  }

  #complete({ mode, mtimeSeconds }: FetchedFile): void {
    const bits = this.#options.isMarked ? mode | MARK : mode & ~MARK;
    const time = new Date(mtimeSeconds * 1000); // A time before 1970 is taken only as a Date.
    if (this.#isTaken) {
      const at = this.#options.target.at(this.#temporary);
      chmodSync(at, bits);
      utimesSync(at, time, time);
      return;
    }
    const descriptor = (this.#descriptor ??= this.#create());
    fchmodSync(descriptor, bits);
    futimesSync(descriptor, time, time);
    this.#close();
  }

  /** What is here of it stays, for a later attempt. */
  pause(): void {
    this.#close();
  }

  /** Nothing of it stays. */
  discard(): void {
    this.#close();
    rmSync(this.#options.target.at(this.#temporary), { force: true });
    this.#bytes = 0;
  }

  /** The SHA-256 of its content, which was asked for. */
  async sum(signal: AbortSignal): Promise<string | undefined> {
    if (this.#hash === undefined) return undefined;
    if (!this.#isTaken) return this.#hash.digest('hex');
    const hash = createHash('sha256');
    await this.#hashAgain(hash, signal);
    return hash.digest('hex');
  }

  async sync(): Promise<void> {
    const descriptor = openSync(this.#options.target.at(this.#temporary), READ_FLAGS);
    try {
      await syncFile(descriptor);
    } finally {
      closeSync(descriptor);
    }
  }

  /**
   * Gives it its name.
   * @param replaces over what stands there; else nothing is replaced, not even what came a moment ago
   * @throws EEXIST
   */
  publish({ replaces }: { readonly replaces: boolean }): void {
    const { target } = this.#options;
    const from = target.at(this.#temporary);
    const to = target.at(this.path);
    if (replaces) return renameSync(from, to);
    try {
      linkSync(from, to);
    } catch (error) {
      if (!NO_LINKS.has(systemErrorCode(error) ?? '')) throw error;
      // This file system knows no second name for a file.
      if (target.stat(this.path) !== undefined) throw Object.assign(new Error('it is there'), { code: 'EEXIST' });
      return renameSync(from, to);
    }
    unlinkSync(from);
  }

  #attempt(act: () => void): void {
    if (this.#hasFailed) return;
    try {
      act();
    } catch (error) {
      if (systemErrorCode(error) === undefined) throw error;
      this.#hasFailed = true;
      this.#options.refused(error);
    }
  }

  /** A temporary file that cannot be gone on with is made anew. */
  #create(): number {
    const at = this.#options.target.at(this.#temporary);
    try {
      return openSync(at, WRITE_FLAGS | constants.O_EXCL, 0o600);
    } catch (error) {
      if (systemErrorCode(error) !== 'EEXIST') throw error;
      unlinkSync(at);
      return openSync(at, WRITE_FLAGS | constants.O_EXCL, 0o600);
    }
  }

  async #hashAgain(hash: Hash, signal: AbortSignal): Promise<void> {
    const descriptor = openSync(this.#options.target.at(this.#temporary), READ_FLAGS);
    try {
      const piece = Buffer.allocUnsafe(PIECE_BYTES);
      for (;;) {
        signal.throwIfAborted();
        const { bytesRead } = await readSome(descriptor, piece, 0, piece.length, null);
        if (bytesRead === 0) return;
        hash.update(piece.subarray(0, bytesRead));
      }
    } finally {
      closeSync(descriptor);
    }
  }

  #close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}
