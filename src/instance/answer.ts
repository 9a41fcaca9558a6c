import type { Socket } from 'node:net';
import type { Activity } from './activity.ts';

/** Bounds the answer: the counts of `status` come from the disk, not from these lists. */
const MAX_NAMES = 1000;

/** Answers each client with one line of JSON and closes. What the client sends is discarded. */
export const answerWith =
  (activity: () => Activity) =>
  (socket: Socket): void => {
    const now = activity();
    const answer = { ...now, inFlight: now.inFlight.slice(0, MAX_NAMES), held: now.held.slice(0, MAX_NAMES) };
    socket.on('error', () => undefined);
    // A client that never reads must not keep this process alive.
    socket.unref();
    socket.resume().end(`${JSON.stringify(answer)}\n`);
  };
