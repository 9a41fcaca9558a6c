import { createConnection } from 'node:net';
import { rootAddress } from './lock.ts';
import type { Name } from '../name.ts';
import { parseActivity, type Activity } from './activity.ts';

const TIMEOUT_MS = 1000;
/** Bounds the answer: the peer may be any program and need not end it. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** Asks the process that works on this root. undefined: there is none, or no valid answer within `timeoutMs`. */
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
      if ((bytes += chunk.length) > MAX_ANSWER_BYTES) end(undefined);
    });
    socket.on('end', () => end(parseActivity(Buffer.concat(chunks).toString('utf8'))));
  });
