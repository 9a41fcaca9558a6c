import type { Socket } from 'node:net';

/**
 * Gathers all that is written to the socket in one turn of the event loop into one system call: ssh2 writes each packet in three
 * pieces, and a burst of requests is many packets.
 */
export const gatherWrites = (socket: Socket): void => {
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  socket.write = (...args: unknown[]): boolean => {
    if (socket.writableCorked === 0) {
      socket.cork();
      process.nextTick(() => socket.uncork());
    }
    return write(...args);
  };
};
