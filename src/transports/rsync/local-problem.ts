import { isHostFailure, systemErrorOf } from '../../errors.ts';
import type { RunEnd } from './judge.ts';

/** The receiver is the one that writes: here, where files are fetched. Its lines end with the number of the error. */
const OF_RECEIVER = /^rsync: \[(?:receiver|generator)\] .* \(([1-9]\d{0,2})\)$/gim;
/** An rsync of before 3.2 does not say who wrote a line; these calls write. */
const WRITES =
  /^rsync: (?:write failed on|mkstemp|(?:recv_generator: )?mkdir|rename|close failed on) .* \(([1-9]\d{0,2})\)$/gm;

/** Pure. What the disk here refused in a run that fetched files, as a system error; undefined: nothing. */
export const localProblem = ({ stderr }: Pick<RunEnd, 'stderr'>): Error | undefined => {
  for (const [line, digits] of [...stderr.matchAll(OF_RECEIVER), ...stderr.matchAll(WRITES)]) {
    const error = systemErrorOf(Number(digits), line);
    if (isHostFailure(error)) return error;
  }
  return undefined;
};
