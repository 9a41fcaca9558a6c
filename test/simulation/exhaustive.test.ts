import { afterAll, expect, test } from 'vitest';
import { removeFolder, runSchedule } from './support/run-schedule.ts';
import type { Settings, Step, StepKind } from './support/steps.ts';

// Every interleaving of two files, one folder rename, one rewrite, one crash and one finish with the points of two passes: where the
// program reads, writes, asks, reports or gives way.

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
};

/** Of all points every so many: 1 is every single one. */
const STRIDE = Number(process.env.STRIDE ?? 16);
/** More than a pass with two files has. */
const POINTS = 96;

afterAll(removeFolder);

const act = (kind: StepKind, gap: Step['gap'], what = 0, how = 0): Step => ({ gap, kind, what, how });

// A directory with the folder "x": the file "a" in it, and "b" beside it.
const BEGINNING = [
  act('make-directory', 0),
  act('make-folder', 0, 0, 0),
  act('write', 0, 4, 0),
  act('write', 0, 0, 1),
  act('wait', 0, 0, 40),
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

const TARGETS: Partial<Record<string, readonly [what: number, how: number]>> = {
  'rename-folder': [0, 2],
  rewrite: [4, 0],
};

function* placements(count: number, from = 0): Generator<number[]> {
  if (count === 0) yield [];
  else
    for (let at = from; at <= POINTS; at += STRIDE) for (const rest of placements(count - 1, at)) yield [at, ...rest];
}

test.each(ORDERS.map((order) => ({ order, title: order.join(', ') })))(
  '$title at every point',
  { timeout: 1_200_000 },
  async ({ order }) => {
    let schedules = 0;
    for (const places of placements(order.length)) {
      const steps = order.map((kind, index) => {
        const [what, how] = TARGETS[kind] ?? [0, 0];
        return act(kind, (places[index] ?? 0) - (places[index - 1] ?? 0), what, how);
      });
      const { violations, unfinished } = await runSchedule({
        seed: 1,
        settings: SETTINGS,
        steps: [...BEGINNING, ...steps],
      });
      expect({ places, violations, unfinished }).toEqual({ places, violations: [], unfinished: 0 });
      schedules += 1;
    }
    expect(schedules).toBeGreaterThan(0);
  },
);
