import { closeSync, type Dir } from 'node:fs';
import { Status } from '../sftp/protocol.ts';
import { HandleRoom } from './handle-room.ts';
import { RefusedError } from './refused-error.ts';

/** What a client has open: a descriptor, and for OPENDIR the listing, which continues where the last READDIR stopped. */
export interface OpenHandle {
  readonly fd: number;
  readonly listing?: Dir;
  /** Whether the file may be changed through this handle now. Used by the append-only rules; missing means no. */
  readonly mayChange?: () => boolean;
  /** Is called once, before the descriptor is closed. It must not throw. */
  readonly onClose?: () => void;
  /** As the client named it, where it is open for writing. */
  readonly path?: Buffer;
  /** Bytes so far. */
  written?: number;
  /** A write did not succeed: the file is not what its client wanted it to be. */
  hasFailed?: true;
  /** Gives the file its final name, after CLOSE. @throws where it cannot: then `discard` is called */
  readonly publish?: () => void;
  /** The file was not closed by its client, or not published. It must not throw. */
  readonly discard?: () => void;
}

/** The open handles of one channel. */
export interface Handles {
  /** Before anything is opened, which may create or empty a file. @throws RefusedError when too many are open */
  readonly assertRoom: () => void;
  /** Takes ownership of the descriptor. */
  readonly add: (handle: OpenHandle) => Buffer;
  /** @throws RefusedError where this channel has no such handle open */
  readonly get: (id: Buffer) => OpenHandle;
  /** @throws RefusedError as `get`, or the system's error: close may report an earlier failed write (NFS, quotas) */
  readonly close: (id: Buffer) => OpenHandle;
  /** @param onCut is called for each that was open for writing */
  readonly closeAll: (onCut?: (path: Buffer, written: number) => void) => void;
  /** Is a file open for writing? */
  readonly isWriting: () => boolean;
}

/** @param room of all sessions together */
export const createHandles = (max: number, room = new HandleRoom(max)): Handles => {
  const open = new Map<number, OpenHandle>();
  let last = 0;

  const keyOf = (id: Buffer): number => (id.length === 4 ? id.readUInt32BE() : 0);
  const get = (id: Buffer): OpenHandle => {
    const handle = open.get(keyOf(id));
    if (!handle) throw new RefusedError(Status.FAILURE, 'no such handle');
    return handle;
  };

  return {
    get,
    assertRoom: () => {
      if (open.size >= max) throw new RefusedError(Status.FAILURE, `more than ${max} open handles`);
      if (room.isFull) throw new RefusedError(Status.FAILURE, 'too many open handles, of all clients together');
    },
    add: (handle) => {
      // Numbers are not reused: a late request for a closed handle must not reach another file.
      do last = last >= 0xffffffff ? 1 : last + 1;
      while (open.has(last));
      open.set(last, handle);
      room.take(descriptorsOf(handle));
      const id = Buffer.allocUnsafe(4);
      id.writeUInt32BE(last);
      return id;
    },
    close: (id) => {
      const handle = get(id);
      open.delete(keyOf(id));
      room.leave(descriptorsOf(handle));
      try {
        release(handle);
        // Many clients close a file whatever became of their writes.
        if (handle.hasFailed === true && handle.publish !== undefined)
          throw new RefusedError(Status.FAILURE, 'a write failed: the file does not get its name');
        handle.publish?.();
      } catch (error) {
        handle.discard?.();
        throw error;
      }
      return handle;
    },
    isWriting: () => [...open.values()].some(({ path }) => path !== undefined),
    closeAll: (onCut) => {
      for (const handle of open.values()) {
        room.leave(descriptorsOf(handle));
        try {
          release(handle);
        } catch {
          // There is no client left to report it to, and the descriptor is released even when close fails.
        }
        handle.discard?.();
        if (handle.path !== undefined) onCut?.(handle.path, handle.written ?? 0);
      }
      open.clear();
    },
  };
};

/** A listing has one of its own. */
const descriptorsOf = ({ listing }: OpenHandle): number => (listing === undefined ? 1 : 2);

const release = ({ fd, listing, onClose }: OpenHandle): void => {
  onClose?.();
  try {
    listing?.closeSync();
  } finally {
    closeSync(fd);
  }
};
