import type { ProbeResult } from '../transport.ts';

/** For `check`. @param words the server's */
export const noPermissions = (words?: string): ProbeResult => ({
  what: 'permissions',
  state: 'warning',
  message: `permissions cannot be set there${words === undefined ? '' : ` (${words})`}, as on a file system that has none`,
  hint: 'files are sent all the same, and have there what it gives them: see that nobody may read them who is not to',
});
