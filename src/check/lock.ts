import { describeHolder } from '../instance/activity.ts';
import type { LockedSite } from '../instance/address.ts';
import { askActivity } from '../instance/ask.ts';
import type { ProbeResult } from '../transport.ts';

/** Reports whether another isocket works on the site: no failure. Asks over its socket instead of acquiring the lock, which would block it. */
export const checkLock = async (site: LockedSite): Promise<ProbeResult> => {
  const activity = await askActivity(site);
  const message =
    activity === undefined
      ? 'no other isocket works on this root now'
      : `another isocket works on this root now: ${describeHolder(activity)}`;
  return { what: 'lock', state: 'ok', message };
};
