import type { Socket } from 'node:net';
import type { Activity } from './activity.ts';

/** More are counted by the listing, and nobody reads so many. */
const MOST_NAMED = 1000;

/** Answers who connects with one line of JSON, and hangs up. Nothing that is sent to us is read. */
export const answerWith =
  (activity: () => Activity) =>
  (socket: Socket): void => {
    const now = activity();
    const answer = { ...now, inFlight: now.inFlight.slice(0, MOST_NAMED), held: now.held.slice(0, MOST_NAMED) };
    socket.on('error', () => undefined);
    // A reader that never reads holds no process: the socket is its own.
    socket.unref();
    socket.resume().end(`${JSON.stringify(answer)}\n`);
  };
