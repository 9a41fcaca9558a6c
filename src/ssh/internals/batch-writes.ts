import type { Socket } from 'node:net';

/**
 * Sends everything that is written to the socket in one turn of the event loop in one system call: ssh2 writes each packet in
 * three parts, and a burst of requests is many packets.
 */
export const batchWrites = (socket: Socket): void => {
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  socket.write = (...args: unknown[]): boolean => {
    if (socket.writableCorked === 0) {
      socket.cork();
      process.nextTick(() => socket.uncork());
    }
    return write(...args);
  };
};
