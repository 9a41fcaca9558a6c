import { z } from 'zod';
import { parseDurationMs } from '../core/units.ts';

const DURATION = 'a duration with its unit, such as 500ms, 2s or 1m, of at most 24 days';
/** A longer timer fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

const text = z
  .string({ error: DURATION })
  .refine((written) => (parseDurationMs(written) ?? Infinity) <= MAX_TIMER_MS, { error: DURATION });

export const duration = (usual: string, what: string) =>
  text.default(usual).describe(`${what}. A duration. Default: ${usual}`);

/** null: never. */
export const durationOrNever = (usual: string | null, what: string) =>
  text.nullable().default(usual).describe(`${what}. A duration, or null: never. Default: ${usual}`);
