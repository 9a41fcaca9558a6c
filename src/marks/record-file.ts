import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { errorMessage } from '../errors.ts';

/** Called once, in words, when the record can no longer be written. */
export type OnFailure = (message: string) => void;

/** The end of a record's file: entries of four 32-bit numbers are appended, little-endian. */
export interface RecordFile {
  append(key0: number, key1: number, value0: number, value1: number): void;
  close(): void;
}

const ENTRY_BYTES = 16;
const BUFFERED_ENTRIES = 256;

/** The end of a file to which entries of one size are appended. */
export interface AppendFile {
  /** Room for one more entry: `buffer` from the returned byte on, to be filled before the turn is over. */
  take(): number;
  readonly buffer: Buffer;
  /** What was taken so far is in the file, unless its disk refused. */
  flush(): void;
  close(): void;
}

/**
 * One write a turn of the event loop, not one an entry.
 * @param end the byte behind the last whole entry: what is behind it is cut off
 */
export const openAppendFile = (
  path: string,
  end: number,
  { entryBytes, onFailure }: { readonly entryBytes: number; readonly onFailure: (error: unknown) => void },
): AppendFile => {
  const descriptor = openSync(path, 'r+');
  ftruncateSync(descriptor, end);
  const buffer = Buffer.alloc(BUFFERED_ENTRIES * entryBytes);
  const file = { position: end, buffered: 0, isScheduled: false, isBroken: false };

  const flush = (): void => {
    file.isScheduled = false;
    const length = file.buffered;
    file.buffered = 0;
    if (file.isBroken || length === 0) return;
    try {
      let written = 0;
      while (written < length)
        written += writeSync(descriptor, buffer, written, length - written, file.position + written);
      file.position += length;
    } catch (error) {
      file.isBroken = true;
      cutOff(descriptor, file.position);
      onFailure(error);
    }
  };

  return {
    buffer,
    take: () => {
      if (file.buffered === buffer.length) flush();
      const at = file.buffered;
      file.buffered += entryBytes;
      if (!file.isScheduled) {
        file.isScheduled = true;
        setImmediate(() => {
          if (file.isScheduled) flush();
        });
      }
      return at;
    },
    flush,
    close: () => {
      flush();
      closeSync(descriptor);
    },
  };
};

/** What a crash takes from the buffer are claims for the next run, no more. */
export const openRecordFile = (path: string, end: number, onFailure: OnFailure): RecordFile => {
  const file = openAppendFile(path, end, {
    entryBytes: ENTRY_BYTES,
    onFailure: (error) =>
      onFailure(
        `Cannot write the record of marks "${path}": ${errorMessage(error)}; the next run asks the destinations for what it lacks`,
      ),
  });
  return {
    append: (key0, key1, value0, value1) => {
      const { buffer } = file;
      let at = buffer.writeUInt32LE(key0 >>> 0, file.take());
      at = buffer.writeUInt32LE((key1 | 1) >>> 0, at);
      at = buffer.writeUInt32LE(value0 >>> 0, at);
      buffer.writeUInt32LE(value1 >>> 0, at);
    },
    close: () => file.close(),
  };
};

/** A torn entry at the end is harmless: whoever opens the record cuts it off. */
const cutOff = (descriptor: number, end: number): void => {
  try {
    ftruncateSync(descriptor, end);
  } catch {
    // The disk refuses this as well: the failed write is reported.
  }
};
