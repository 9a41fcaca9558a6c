import type { Socket } from 'node:net';
import type { Connection } from 'ssh2';

/** What ssh2 1.17 calls for each whole packet: it begins to count unanswered keep-alives anew. */
interface Counting {
  readonly _protocol?: { readonly _onPacket?: () => void };
}

/**
 * Lets every byte that comes count as life, not only the last one of a packet: on a slow line one packet takes minutes, and the answer to a
 * keep-alive waits behind it. An ssh2 without this method stays as it is.
 */
export const letAnyByteCount = (client: Connection, socket: Socket): void => {
  socket.on('data', () => (client as Counting)._protocol?._onPacket?.());
};
