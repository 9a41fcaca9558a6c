import { UserError } from '../errors.ts';
import { lockRoot } from '../lock.ts';
import type { Name } from '../name.ts';
import type { ProbeResult } from '../transport.ts';

/** Is another isocket at work on the root? That is news, no failure. */
export const checkLock = async (root: Name): Promise<ProbeResult> => {
  const what = 'lock';
  try {
    const lock = await lockRoot(root);
    await lock[Symbol.asyncDispose]();
    return { what, state: 'ok', message: 'no other isocket works on this root now' };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { what, state: 'ok', message: 'another isocket works on this root now: the daemon, or a scan of cron' };
  }
};
