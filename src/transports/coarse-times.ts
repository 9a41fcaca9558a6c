import type { ProbeResult } from '../transport.ts';

/** For `check`: the file system at the destination keeps a time that was set as another one nearby. */
export const coarseTimes = (set: number, kept: number): ProbeResult => ({
  what: 'mtime',
  state: 'warning',
  message: `the file system there does not keep every second (FAT, say): of ${set} it made ${kept}; times are compared as it keeps them`,
  hint: 'files are sent and finished all the same; what was changed within two seconds and has the same size is told by content only (verify: checksum)',
});
