import { createConnection } from 'node:net';
import { rootAddress } from './lock.ts';
import type { Name } from '../name.ts';
import { parseActivity, type Activity } from './activity.ts';

const TIMEOUT_MS = 1000;
/** Of an answer: nobody is trusted to end his. */
const MOST_BYTES = 16 * 1024 * 1024;

/** Asks who works on this root. undefined: nobody, or nobody who answers in a second with something that can be understood. */
export const askActivity = (root: Name, timeoutMs = TIMEOUT_MS): Promise<Activity | undefined> =>
  new Promise((resolve) => {
    const socket = createConnection(rootAddress(root));
    const chunks: Buffer[] = [];
    let bytes = 0;
    const end = (answer: Activity | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => end(undefined), timeoutMs);
    socket.on('error', () => end(undefined));
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      if ((bytes += chunk.length) > MOST_BYTES) end(undefined);
    });
    socket.on('end', () => end(parseActivity(Buffer.concat(chunks).toString('utf8'))));
  });
