import { createConnection } from 'node:net';
import { systemErrorCode } from '../errors.ts';

/** Bounds the answer: the peer may be any program and need not end it. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** What the process behind a socket says. `refused`: nobody listens there. undefined: no whole answer within `timeoutMs`. */
export const askSocket = (address: string, timeoutMs: number): Promise<string | undefined> =>
  new Promise((resolve) => {
    const socket = createConnection(address);
    const chunks: Buffer[] = [];
    let bytes = 0;
    const end = (answer: string | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => end(undefined), timeoutMs);
    socket.on('error', (error) =>
      end(['ECONNREFUSED', 'ENOENT'].includes(systemErrorCode(error) ?? '') ? 'refused' : undefined),
    );
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      if ((bytes += chunk.length) > MAX_ANSWER_BYTES) end(undefined);
    });
    socket.on('end', () => end(Buffer.concat(chunks).toString('utf8')));
  });
