import type { Knowledge } from '../../marks/mark-record.ts';

/** What is known of one file. */
export interface FillFacts {
  readonly isFinished: boolean;
  readonly isMarked: boolean;
  /** What the record says of it at the destinations that have the directory. */
  readonly elsewhere: Knowledge;
  /** The record says that the destination to fill has it so. */
  readonly isHere: boolean;
  /** A process that has it open for writing. */
  readonly writer: number | undefined;
}

/**
 * `compare`: the others have it; the one to fill is asked. `ask`: the others are asked first, since no record says that they have it. `pass`: it is
 * the business of a scan, or there already.
 */
export type FillDecision = 'compare' | 'ask' | 'pass' | { readonly refusal: string };

/** Pure. A finished directory is filled whole or not at all; of another one what is sent so far. */
export const decide = ({ isFinished, isMarked, elsewhere, isHere, writer }: FillFacts): FillDecision => {
  if (!isFinished) return isMarked && elsewhere === 'confirmed' && !isHere && writer === undefined ? 'compare' : 'pass';
  if (!isMarked) return { refusal: 'it is not marked: it came, or was changed, after the directory was finished' };
  if (elsewhere === 'changed') return { refusal: 'it changed since the other destinations confirmed it' };
  if (writer !== undefined) return { refusal: `process ${writer} has it open for writing` };
  return elsewhere === 'confirmed' ? 'compare' : 'ask';
};
