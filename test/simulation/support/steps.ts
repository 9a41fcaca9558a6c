import { LIES, type Lie, type LieKind } from './lies.ts';
import { below, pick } from './random.ts';
import type { Fineness } from './clock.ts';

export const DESTINATIONS = ['A', 'B', 'C'] as const;

/** What the parser does, and what happens to it and to the program. */
export const PARSER_STEPS = [
  'make-directory',
  'make-folder',
  'write',
  'append',
  'rewrite',
  'rewrite-keeping-times',
  'append-keeping-times',
  'set-time',
  'open',
  'map',
  'store',
  'release',
  'replace',
  'rename-file',
  'rename-folder',
  'exchange-files',
  'exchange-folders',
  'link',
  'remove',
  'remove-folder',
  'finish',
] as const;
/** What makes marks that no record explains: contents under one name then differ in size or second (contract.md §3). */
export const CLAIM_STEPS = [
  'rename-directory',
  'exchange-directories',
  'move-out',
  'move-in',
  'remove-directory',
  'lose-state',
  'other-site',
] as const;
export const WORLD_STEPS = [
  'wait',
  'set-clock-back',
  'cut',
  'crash',
  'restart',
  'other-destinations',
  'lose-events',
] as const;

export type StepKind = (typeof PARSER_STEPS)[number] | (typeof CLAIM_STEPS)[number] | (typeof WORLD_STEPS)[number];

export interface Step {
  /** How many points of the program pass before it, after the step before; `pass`: the program's pass ends. */
  readonly gap: number | 'pass';
  readonly kind: StepKind;
  /** Which file, folder or destination it is done to. */
  readonly what: number;
  readonly how: number;
}

export interface Settings {
  readonly fineness: Fineness;
  readonly hasBirthTimes: boolean;
  readonly renameMovesCtime: boolean;
  readonly reusesInodes: boolean;
  /** No mark without a record comes about, so that contents may be alike in size and second. */
  readonly hasClaims: boolean;
  /** Files are born with the mark although contents may be alike: only where nothing else lets a claim come about. */
  readonly isBornMarked?: boolean;
  /** The work on a directory lasts from pass to pass, and close events are heard. */
  readonly isDaemon: boolean;
  readonly newest: 'birth' | 'name';
  readonly verify: 'sent' | 'all' | 'checksum' | 'off';
  readonly announce: boolean;
  readonly inFlight: number;
  readonly listsAtDestination: boolean;
  readonly readsAtOnce: boolean;
  /** The last directories are closed by a newer one, not by finished.parse. */
  readonly endsSuperseded: boolean;
  /** What each destination tells falsely, once. */
  readonly lies: readonly (Lie | undefined)[];
  /** `source.trustMarks`. */
  readonly trustsMarks: boolean;
}

export interface Schedule {
  readonly seed: number;
  readonly settings: Settings;
  readonly steps: readonly Step[];
  /** So many passes are run, and steps come at their points alone, not before a pass. */
  readonly passes?: number;
}

/** Each schedule knows half of the steps only: what some of them do is not undone by the others. */
const chooseKinds = (hasClaims: boolean, random: () => number): StepKind[] => [
  ...[...PARSER_STEPS, ...WORLD_STEPS, ...(hasClaims ? CLAIM_STEPS : [])].filter(() => random() < 0.4),
  ...(['write', 'write', 'rewrite', 'finish', 'wait', 'wait'] as const),
];

/** What to lie about with "equal" comes seldom. */
const createLie = (random: () => number): Lie => {
  const kind = pick<LieKind>(random, [...LIES, 'equal']);
  return { kind, skips: kind === 'equal' ? 0 : below(random, 6) };
};

export const createStep = (kind: StepKind, gap: number | 'pass', random: () => number): Step => ({
  gap,
  kind,
  what: below(random, 64),
  how: below(random, 64),
});

export const createSchedule = (seed: number, random: () => number): Schedule => {
  const chance = (probability: number): boolean => random() < probability;
  const settings: Settings = {
    fineness: pick(random, ['distinct', 'jiffy', 'jiffy', 'second', 'second']),
    hasBirthTimes: chance(0.6),
    renameMovesCtime: chance(0.8),
    reusesInodes: chance(0.5),
    hasClaims: chance(0.5),
    isDaemon: chance(0.4),
    newest: pick(random, ['birth', 'name']),
    verify: pick(random, ['sent', 'sent', 'sent', 'all', 'checksum', 'off']),
    announce: chance(0.2),
    inFlight: pick(random, [1, 2, 4]),
    listsAtDestination: chance(0.5),
    readsAtOnce: chance(0.5),
    endsSuperseded: chance(0.3),
    lies: DESTINATIONS.map(() => (chance(0.35) ? createLie(random) : undefined)),
    trustsMarks: chance(0.12),
  };
  const kinds = chooseKinds(settings.hasClaims, random);
  const gap = (): number | 'pass' => {
    const kind = random();
    return kind < 0.3 ? 0 : kind < 0.6 ? below(random, 6) : kind < 0.85 ? below(random, 60) : 'pass';
  };
  const step = (kind: StepKind, at: number | 'pass'): Step => createStep(kind, at, random);
  const steps = [step('make-directory', 0), step('write', 0), step('write', 0)];
  for (let left = 3 + below(random, 18); left > 0; left -= 1) steps.push(step(pick(random, kinds), gap()));
  return { seed, settings, steps };
};
