import { showName, type Transport } from '../../transport.ts';
import type { ReconnectingSession } from './reconnecting-session.ts';
import { readSums } from './remote-sums.ts';

/** What `isocket list` and `isocket restore` need: the way back. */
export const createReading = (
  session: ReconnectingSession,
): Required<Pick<Transport, 'listTree' | 'fetch' | 'sums'>> => ({
  listTree: (folder, options, signal) =>
    session.run(
      () => ({ action: `list "${showName(folder)}"` }),
      signal,
      async (live) => {
        const { listTree } = await import('./list-tree.ts');
        await listTree(live, folder, options, signal);
      },
    ),
  fetch: (files, { fetched }, signal) => {
    const left = new Set(files);
    return session.run(
      () => ({ action: 'fetch files' }),
      signal,
      async (live) => {
        const { fetchFiles } = await import('./fetch.ts');
        const note: typeof fetched = (file, end) => {
          left.delete(file);
          fetched(file, end);
        };
        await fetchFiles(live, left, note, signal);
      },
    );
  },
  sums: (files, signal) =>
    session.run(
      () => ({ action: 'compute sums' }),
      signal,
      (live) => readSums(live.channels, live.options.path, files, signal),
    ),
});
