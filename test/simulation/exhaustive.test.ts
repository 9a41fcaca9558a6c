import { afterAll, expect, test } from 'vitest';
import { commute, dependsOn } from './support/accesses.ts';
import { removeFolder, runSchedule, type Outcome } from './support/run-schedule.ts';
import type { Settings, Step, StepKind } from './support/steps.ts';

// Every interleaving of two files, one folder rename, one rewrite, one crash and one finish with the points of two passes: the one that
// is cut off and the one that recovers. (PASSES=3: with those of one more.)
//
// An act may come at every point where the program reads, writes, asks, reports or gives way: 3 * 10^7 schedules. Most of them are one
// and the same. An act that is moved across a stretch of the program (what it does between two points) that neither reads nor writes
// what the act writes leaves all that anyone sees as it is, and the program at the same point. So each act is moved towards the
// beginning until it meets the act before it, or a stretch that it does not commute with, and only these schedules are run: each that is
// left out differs from one of them in nothing. Two acts that commute come in one order at one point; the other order is left out.
//
// What this rests on: what a stretch reads and writes is not assumed but recorded (support/accesses.ts), in the run of the acts before,
// as inodes, single names of a folder, and all names of a folder. The end of the process commutes with what leaves no trace outside its
// memory. A stretch in which the clock moves, or finished.watch appears (everything is held against everything then), commutes with
// nothing. Chance begins anew with each pass, so that it does not tell two schedules apart. Times are stamps that only grow: an act that
// is moved gets another stamp, but stays before and after the same changes of its inodes. The program's own order of its two sends is
// one of those that it may have: they touch different inodes, names and entries.

const SETTINGS: Settings = {
  fineness: 'distinct',
  hasBirthTimes: true,
  renameMovesCtime: false,
  reusesInodes: false,
  hasClaims: false,
  isDaemon: false,
  newest: 'birth',
  verify: 'sent',
  announce: false,
  inFlight: 2,
  listsAtDestination: false,
  readsAtOnce: true,
  endsSuperseded: false,
  lies: [],
  trustsMarks: false,
};
const PASSES = Number(process.env.PASSES ?? 2);

afterAll(removeFolder);

interface Act {
  readonly kind: StepKind;
  /** The number of the point, from 1 on. */
  readonly at: number;
}

const step = (kind: StepKind, gap: Step['gap'], what = 0, how = 0): Step => ({ gap, kind, what, how });

// A directory with the folder "x": the file "a" in it, and "b" beside it.
const BEGINNING = [
  step('make-directory', 0),
  step('make-folder', 0, 0, 0),
  step('write', 0, 4, 0),
  step('write', 0, 0, 1),
  step('wait', 0, 0, 40),
];

const ORDERS: readonly (readonly StepKind[])[] = (() => {
  const kinds: readonly StepKind[] = ['rename-folder', 'rewrite', 'crash', 'finish'];
  const permute = (rest: readonly StepKind[]): StepKind[][] =>
    rest.length === 0
      ? [[]]
      : rest.flatMap((kind) => permute(rest.filter((one) => one !== kind)).map((tail) => [kind, ...tail]));
  // The parser does nothing more to what it finished.
  return permute(kinds).filter((order) =>
    order.slice(order.indexOf('finish')).every((kind) => kind === 'finish' || kind === 'crash'),
  );
})();

const TARGETS: Partial<Record<StepKind, readonly [what: number, how: number]>> = {
  'rename-folder': [0, 2],
  rewrite: [4, 0],
};

const run = (acts: readonly Act[]): Promise<Outcome> => {
  const steps = acts.map(({ kind, at }, index) => {
    const [what, how] = TARGETS[kind] ?? [0, 0];
    return step(kind, at - (acts[index - 1]?.at ?? 0), what, how);
  });
  const schedule = { seed: 1, settings: SETTINGS, steps: [...BEGINNING, ...steps], passes: PASSES };
  return runSchedule(schedule, { hasAccesses: true, isLogging: true });
};

/** Acts that commute come in this order at one point. */
const RANKS: readonly StepKind[] = ['rename-folder', 'rewrite', 'finish', 'crash'];

/** The points at which an act makes a difference, after these acts. */
const places = ({ stretches, footprints }: Outcome, kind: StepKind, last: Act | undefined): number[] => {
  const footprint = footprints[kind];
  const isMirrored =
    last !== undefined && RANKS.indexOf(last.kind) > RANKS.indexOf(kind) && commute(footprints[last.kind], footprint);
  const from = last?.at ?? 1;
  const found = isMirrored ? [] : [from];
  for (let at = from + 1; at < stretches.length; at += 1) {
    const before = stretches[at - 1];
    if (before !== undefined && dependsOn(footprint, before)) found.push(at);
  }
  return found;
};

/** Runs what follows after these acts. Returns how many schedules that were. */
const explore = async (acts: readonly Act[], [kind, ...rest]: readonly StepKind[]): Promise<number> => {
  const outcome = await run(acts);
  const { violations, unfinished } = outcome;
  expect({ acts, violations, unfinished }).toEqual({ acts, violations: [], unfinished: 0 });
  if (kind === undefined) return 1;
  let schedules = 0;
  for (const at of places(outcome, kind, acts.at(-1))) schedules += await explore([...acts, { kind, at }], rest);
  return schedules;
};

test.each(ORDERS.map((order) => ({ order, title: order.join(', ') })))(
  '$title at every point',
  { timeout: 1_200_000 },
  async ({ order }) => {
    expect(await explore([], order)).toBeGreaterThan(10);
  },
);

test.each(RANKS)(
  '"%s" at any point is as at the one before that it is moved to',
  { timeout: 120_000 },
  async (kind) => {
    const reduced = places(await run([]), kind, undefined);
    const { stretches } = await run([]);
    // What the process told that ends leaves no trace.
    const told = async (at: number): Promise<string[]> => {
      const { log } = await run([{ kind, at }]);
      const ended = log.findIndex((line) => line.includes(' crash '));
      const from = log.findIndex((line, index) => index > ended && line.includes(' pass '));
      return (
        log
          .slice(ended === -1 ? 0 : from)
          // A pass that has nothing to do tells that it has found all: an act at its very beginning or end is in one more or one fewer.
          .filter((line) => line.includes('{') && !line.includes('found-all'))
          .map((line) => line.replace(/^ *\d+/, ''))
      );
    };
    let same: string[] = [];
    for (let at = 1; at < stretches.length; at += 1) {
      const now = await told(at);
      if (reduced.includes(at)) same = now;
      expect({ at, told: now }).toEqual({ at, told: same });
    }
    expect(reduced.length).toBeLessThan(stretches.length / 2);
  },
);
