import type { Discrepancy, ExpectedFile, Transport } from '../../transport.ts';
import { createGatherer } from './batcher.ts';
import type { Session } from './session.ts';

interface Question {
  readonly files: readonly ExpectedFile[];
  readonly checksum: boolean;
  readonly signal: AbortSignal;
  readonly resolve: (found: Discrepancy[]) => void;
  readonly reject: (error: unknown) => void;
}

// A run costs its start, not its files: what is asked while one runs is asked in the next one.
const MOST_QUESTIONS = 64;
/** Directories that were sent together ask when each has been listed once more. */
const QUIET_MS = 60;

/** Answers `verify`: several questions in one run. */
export const createVerifier = (
  connected: () => Promise<Session>,
  /** Others are at work, whose files will be asked for soon. */
  mayLinger: () => boolean,
): Pick<Transport, 'verify'> => {
  const answer = async (questions: readonly Question[]): Promise<readonly Question[]> => {
    const live = questions.filter(({ signal, reject }) => {
      if (signal.aborted) reject(signal.reason);
      return !signal.aborted;
    });
    const [first] = live;
    if (first === undefined) return [];
    const together = live.filter(({ checksum, signal }) => checksum === first.checksum && signal === first.signal);
    try {
      const { verifyFiles } = await import('./verify.ts');
      const files = together.flatMap((question) => question.files);
      const found = await verifyFiles(await connected(), files, first, first.signal);
      const byFile = Map.groupBy(found, ({ file }) => file);
      for (const { files: own, resolve } of together) resolve(own.flatMap((file) => byFile.get(file) ?? []));
    } catch (error) {
      for (const { reject } of together) reject(error);
    }
    return live.filter((question) => !together.includes(question));
  };
  const gatherer = createGatherer<Question>({
    most: MOST_QUESTIONS,
    places: () => 2,
    worth: 0,
    quietMs: QUIET_MS,
    mayLinger,
    run: answer,
  });
  return {
    verify: async (files, { checksum }, signal) => {
      signal.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<Discrepancy[]>();
      gatherer.add({ files, checksum, signal, resolve, reject });
      return promise;
    },
  };
};
