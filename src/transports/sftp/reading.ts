import { showName, type Name, type SummedFile, type Transport } from '../../transport.ts';
import type { ReconnectingSession } from './reconnecting-session.ts';
import { remoteSumsOf, sumKey } from './remote-sums.ts';
import type { Session } from './session.ts';

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
      (live) => readSums(live, files, signal),
    ),
});

const readSums = async (
  session: Session,
  files: readonly SummedFile[],
  signal: AbortSignal,
): Promise<Map<Name, string>> => {
  const sums = new Map<Name, string>();
  const remote = await remoteSumsOf(session, signal);
  if (remote === undefined || files.length === 0) return sums;
  const at = ({ path }: SummedFile): Name => `${session.options.path}/${path}`;
  const found = await remote.read(
    files.map((file) => ({ path: at(file), size: BigInt(file.size) })),
    signal,
  );
  for (const file of files) {
    const sum = found.get(sumKey(at(file)));
    if (sum !== undefined) sums.set(file.path, sum);
  }
  return sums;
};
