import type { AlertsConfig } from '../../config/config.ts';
import { ALERT_KINDS, conditionsOf, type AlertKind, type Condition, type SiteFacts } from './conditions.ts';

/** A condition that was found, until somebody was told that it is over. */
export interface Raised extends Condition {
  readonly sinceMs: number;
  /** Somebody knows. */
  readonly isTold: boolean;
  /** It is over, and nobody knows yet. */
  readonly isOver: boolean;
}

/** What is kept over restarts, and between the scans of cron. */
export interface AlertState {
  readonly wholeMs: number;
  readonly downMs: ReadonlyMap<string, number>;
  readonly raised: readonly Raised[];
}

/** All that is told at once of one kind. */
export interface Notice {
  readonly kind: AlertKind;
  readonly state: 'raised' | 'over';
  readonly conditions: readonly Raised[];
}

/** Conditions, by `keyOf`. */
export interface Doubts {
  /** Found by an earlier process: this one cannot know yet that they are over. */
  readonly inherited: ReadonlySet<string>;
  /** Somebody is just being told of them. */
  readonly giving: ReadonlySet<string>;
}

const NO_DOUBTS: Doubts = { inherited: new Set(), giving: new Set() };

/** So many of one kind are kept; the others count as the same. */
const MOST_OF_A_KIND = 500;

/**
 * One look at the site: what it leads to, and what is to be told. One notice for a condition, and one when it is over, however often and by
 * whichever process it is looked at. What comes and goes before anybody was told is not told. Pure.
 */
export const decide = (
  before: AlertState,
  facts: SiteFacts,
  limits: AlertsConfig,
  nowMs: number,
  { inherited, giving }: Doubts = NO_DOUBTS,
): { readonly state: AlertState; readonly notices: readonly Notice[] } => {
  const downMs = new Map(
    facts.down.map(({ destination, sinceMs = nowMs }) => [
      destination,
      Math.min(before.downMs.get(destination) ?? sinceMs, nowMs),
    ]),
  );
  // A clock that was set back must not keep a limit from being reached.
  const wholeMs = facts.isWhole ? nowMs : Math.min(before.wholeMs, nowMs);
  const conditions = bounded(conditionsOf(facts, { downMs, wholeMs }, limits, nowMs));
  const now = new Map(conditions.map((one) => [keyOf(one), one]));
  const known = new Map(before.raised.map((one) => [keyOf(one), one]));
  const kept = before.raised.flatMap((one): Raised[] => {
    const isUnknown = inherited.has(keyOf(one)) || isHidden(one, facts);
    const still = now.get(keyOf(one)) ?? (isUnknown ? one : undefined);
    // Whoever was not told that it was over need not hear that it is there again.
    if (still !== undefined) return [{ ...one, message: one.isTold ? one.message : still.message, isOver: false }];
    return one.isTold || giving.has(keyOf(one)) ? [{ ...one, isOver: true }] : [];
  });
  const added = [...now]
    .filter(([key]) => !known.has(key))
    .map(([, condition]): Raised => {
      const sinceMs = Math.min(condition.sinceMs ?? nowMs, nowMs);
      return { ...condition, sinceMs, isTold: false, isOver: false };
    });
  const raised = [...kept, ...added];
  return { state: { wholeMs, downMs, raised }, notices: noticesOf(raised) };
};

/**
 * Nothing is known of it now: a file cannot be tried while its destination is down, nothing be seen while the root is away, and whether a destination
 * still refuses us shows when it lets us in, or not at all: it may be shut and refuse by turns.
 */
const isHidden = ({ kind, subject }: Condition, { root, down, bornMarked }: SiteFacts): boolean =>
  (kind === 'held' && down.length > 0) ||
  ((kind === 'down' || kind === 'refused') && down.some(({ destination }) => destination === subject)) ||
  (kind === 'umask' && bornMarked === undefined) ||
  (root !== undefined && ['held', 'unsent', 'silent', 'late', 'umask'].includes(kind));

/** The state once a notice was given. Pure. */
export const told = (state: AlertState, { conditions }: Notice): AlertState => {
  const keys = new Set(conditions.map(keyOf));
  const raised = state.raised
    .filter((one) => !(one.isOver && keys.has(keyOf(one))))
    .map((one) => (keys.has(keyOf(one)) ? { ...one, isTold: true } : one));
  return { ...state, raised };
};

/** Does all go well? What came late, and what was born with the mark, is no failure to send: contract.md §5, exit code. */
export const isWell = ({ raised }: AlertState): boolean =>
  raised.every(({ kind, isOver }) => isOver || kind === 'late' || kind === 'umask');

const noticesOf = (raised: readonly Raised[]): Notice[] =>
  ALERT_KINDS.flatMap((kind) =>
    (['raised', 'over'] as const).flatMap((state): Notice[] => {
      const conditions = raised.filter(
        (one) => one.kind === kind && (state === 'over' ? one.isOver : !one.isTold && !one.isOver),
      );
      return conditions.length === 0 ? [] : [{ kind, state, conditions }];
    }),
  );

const bounded = (conditions: readonly Condition[]): Condition[] =>
  ALERT_KINDS.flatMap((kind) => conditions.filter((one) => one.kind === kind).slice(0, MOST_OF_A_KIND));

/** What makes two conditions the same. */
export const keyOf = ({ kind, subject }: Pick<Condition, 'kind' | 'subject'>): string => `${kind}\0${subject}`;
