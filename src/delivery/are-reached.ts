import type { Transport } from '../transport.ts';

/** Asked for, to see whether there is an answer. */
const NO_FILE = '.isocket-none.part';

/** Whether every destination answers; where one does not, that is reported as of any request. */
export const areReached = async (destinations: readonly Transport[], signal: AbortSignal): Promise<boolean> => {
  const none = { sourcePath: NO_FILE, targetPath: NO_FILE, size: 0n, mtimeSeconds: 0 };
  const answers = destinations.map((transport) => transport.verify([none], { checksum: false }, signal));
  return (await Promise.allSettled(answers)).every(({ status }) => status === 'fulfilled');
};
