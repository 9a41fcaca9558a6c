import type { Discrepancy, ExpectedFile, Transport } from '../../transport.ts';
import { Batcher } from './batcher.ts';
import type { Session } from './session.ts';

interface VerifyRequest {
  readonly files: readonly ExpectedFile[];
  readonly checksum: boolean;
  readonly signal: AbortSignal;
  readonly resolve: (found: Discrepancy[]) => void;
  readonly reject: (error: unknown) => void;
}

// A run costs its start, not its files: requests that come while one runs share the next one.
const MAX_REQUESTS = 64;
/** Directories that were sent together are verified after each was listed again: a few ms apart. */
const QUIET_MS = 60;

/** Implements `verify`: several requests share one run. */
export const createVerifier = (
  connected: () => Session | Promise<Session>,
  /** True while sends are under way: their files will be verified soon, so wait for more requests. */
  mayLinger: () => boolean,
): Pick<Transport, 'verify'> => {
  const run = async (requests: readonly VerifyRequest[]): Promise<readonly VerifyRequest[]> => {
    const live = requests.filter(({ signal, reject }) => {
      if (signal.aborted) reject(signal.reason);
      return !signal.aborted;
    });
    const [first] = live;
    if (first === undefined) return [];
    const together = live.filter(({ checksum, signal }) => checksum === first.checksum && signal === first.signal);
    try {
      const { verifyFiles } = await import('./verify.ts');
      const files = together.flatMap((request) => request.files);
      const found = await verifyFiles(await connected(), files, first, first.signal);
      const byFile = Map.groupBy(found, ({ file }) => file);
      for (const { files: own, resolve } of together) resolve(own.flatMap((file) => byFile.get(file) ?? []));
    } catch (error) {
      for (const { reject } of together) reject(error);
    }
    return live.filter((request) => !together.includes(request));
  };
  const batcher = new Batcher<VerifyRequest>({
    maxItems: MAX_REQUESTS,
    slots: () => 2,
    minimumFill: 0,
    quietMs: QUIET_MS,
    mayLinger,
    run,
  });
  return {
    verify: async (files, { checksum }, signal) => {
      signal.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<Discrepancy[]>();
      batcher.add({ files, checksum, signal, resolve, reject });
      return promise;
    },
  };
};
