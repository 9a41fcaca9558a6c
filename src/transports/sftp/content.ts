import type { FileHandle } from 'node:fs/promises';
import type { SftpClient } from '../../sftp/client.ts';
import type { OutgoingFile } from '../../transport.ts';
import type { ContentSum } from './content-sum.ts';
import type { Range } from './ranges.ts';
import type { Session } from './session.ts';

/** Content is read and sent by so much; a server may take less. */
export const CHUNK_BYTES = 128 * 1024;
export const IN_FLIGHT_BYTES = 2 * 1024 * 1024;

/** A handle of the file on one channel. */
export interface Stripe {
  readonly channel: SftpClient;
  readonly handle: Buffer;
}

export interface Written {
  /** Less than the whole file after an abort. */
  readonly there: readonly Range[];
  /** All stripes but the first are closed: nothing is to be published before. Rejects where the server has lost something. */
  readonly closed: Promise<void>;
}

export interface Content {
  readonly source: FileHandle;
  readonly file: OutgoingFile;
  /** What is to be written, in its order: the rest is there already. */
  readonly missing: readonly Range[];
  /** Gets all that is read. */
  readonly sum: ContentSum | undefined;
  /** What of it the server has confirmed so far. */
  readonly confirmed: { bytes: number };
}

export const acquireContent = async ({ bigContent, content }: Session, bytes: number): Promise<void> => {
  await bigContent.acquire(bytes);
  await content.acquire(bytes);
};

export const releaseContent = ({ bigContent, content }: Session, bytes: number): void => {
  content.release(bytes);
  bigContent.release(bytes);
};

/** Resolves when it is answered, and how long that took is noted. */
export const answered = async ({ window }: Session, write: Promise<void>): Promise<void> => {
  const sentMs = performance.now();
  await write;
  window.noteReply(sentMs, performance.now());
};
