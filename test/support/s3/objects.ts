import { createHash, randomBytes } from 'node:crypto';
import {
  createWriteStream,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  utimesSync,
  type Stats,
} from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';

export class S3Error extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string) {
    super(code);
    this.status = status;
    this.code = code;
  }
}

export type Metadata = Readonly<Record<string, string>>;

/** Where rclone keeps the time of a file. */
const MTIME = 'x-amz-meta-mtime';

export interface ReceivedPart {
  readonly path: string;
  /** In hexadecimal digits. */
  readonly md5: string;
}

/**
 * The objects of all buckets, as files of a folder: BUCKET/KEY. One appears when it is whole. The time in its metadata is the file's own, so
 * that a test may look at it, and set it.
 */
export class Objects implements Disposable {
  readonly #root: string;
  readonly #incoming: string;
  /** By the path and the state of the file: what a test has put there has none. */
  readonly #metadata = new Map<string, Metadata>();

  constructor(root: string) {
    this.#root = root;
    this.#incoming = mkdtempSync(`${root}.incoming-`);
  }

  path(name: string): string {
    return join(this.#root, name);
  }

  find(name: string): Stats | undefined {
    try {
      const found = lstatSync(this.path(name), { throwIfNoEntry: false });
      return found?.isFile() === true ? found : undefined;
    } catch {
      return undefined; // A file has the name of a folder above it, or the name is too long for one.
    }
  }

  headers(name: string, stats: Stats): Metadata {
    const kept = this.#metadata.get(stateOf(this.path(name), stats));
    const size = { 'content-length': String(stats.size), 'last-modified': new Date(stats.ctimeMs).toUTCString() };
    if (kept !== undefined) return { ...size, ...kept };
    const etag = `"${createHash('md5').update(readFileSync(this.path(name))).digest('hex')}"`; // prettier-ignore
    return { ...size, etag, [MTIME]: (stats.mtimeMs / 1000).toFixed(6) };
  }

  hasBucket(bucket: string): boolean {
    return lstatSync(this.path(bucket), { throwIfNoEntry: false })?.isDirectory() === true;
  }

  makeBucket(bucket: string): void {
    mkdirSync(this.path(bucket), { recursive: true });
  }

  temporary(): string {
    return join(this.#incoming, randomBytes(8).toString('hex'));
  }

  /** Reads a body. @throws S3Error where it is not whole, or not what its sum says */
  async receive(message: IncomingMessage): Promise<ReceivedPart> {
    const path = this.temporary();
    const sum = createHash('md5');
    message.on('data', (piece: Buffer) => sum.update(piece));
    await pipeline(message, createWriteStream(path));
    const md5 = sum.digest();
    const { 'content-length': length, 'content-md5': wanted } = message.headers;
    if (lstatSync(path).size !== Number(length)) throw new S3Error(400, 'IncompleteBody');
    if (wanted !== undefined && wanted !== md5.toString('base64')) throw new S3Error(400, 'BadDigest');
    return { path, md5: md5.toString('hex') };
  }

  publish(name: string, from: string, metadata: Metadata): void {
    const path = this.path(name);
    try {
      mkdirSync(dirname(path), { recursive: true });
      const { [MTIME]: mtime } = metadata;
      if (mtime !== undefined) utimesSync(from, Number(mtime), Number(mtime));
      renameSync(from, path);
    } catch (error) {
      rmSync(from, { force: true });
      throw new S3Error(409, `KeyConflict ${String(error)}`);
    }
    this.#metadata.set(stateOf(path, lstatSync(path)), metadata);
  }

  remove(name: string): void {
    if (this.find(name) === undefined) return;
    rmSync(this.path(name));
    removeEmptyFolders(dirname(this.path(name)), this.path(name.slice(0, name.indexOf('/'))));
  }

  /** In any order. */
  *keys(bucket: string, prefix: string): Generator<string> {
    const folders = [prefix.slice(0, prefix.lastIndexOf('/') + 1)];
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      for (const entry of entriesOf(this.path(`${bucket}/${folder}`))) {
        const key = folder + entry.name;
        if (entry.isDirectory()) folders.push(`${key}/`);
        else if (entry.isFile() && key.startsWith(prefix)) yield key;
      }
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.#incoming, { recursive: true, force: true });
  }
}

const stateOf = (path: string, { ino, size, mtimeMs, ctimeMs }: Stats): string =>
  `${path}\0${ino}\0${size}\0${mtimeMs}\0${ctimeMs}`;

const entriesOf = (folder: string) => {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
};

const removeEmptyFolders = (folder: string, top: string): void => {
  try {
    for (let one = folder; one !== top; one = dirname(one)) rmdirSync(one);
  } catch {
    // It has something in it.
  }
};
