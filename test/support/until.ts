import { setImmediate as nextTurn } from 'node:timers/promises';

/** Waits for what comes within moments. The limit is that of the test. */
export const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await nextTurn();
};
