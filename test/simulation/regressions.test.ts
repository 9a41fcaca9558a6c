import { afterAll, expect, test } from 'vitest';
import { createRandom } from './support/random.ts';
import { removeFolder, runSchedule } from './support/run-schedule.ts';
import { createSchedule, createStep, type Schedule, type Settings, type StepKind } from './support/steps.ts';

// What random schedules found once: each with the act that mattered at every point of the pass.

const POINTS = 90;

afterAll(removeFolder);

interface Found {
  readonly title: string;
  readonly settings: Partial<Settings>;
  readonly steps: readonly (readonly [kind: StepKind, gap: number | 'pass' | 'each', what: number, how: number])[];
}

const FOUND: readonly Found[] = [
  {
    title: 'a file written while its mark is taken off is not what another destination confirmed before',
    settings: { fineness: 'distinct', verify: 'off' },
    steps: [
      ['make-directory', 0, 0, 0],
      ['write', 0, 0, 0],
      ['wait', 0, 0, 40],
      ['wait', 'pass', 0, 40],
      ['other-destinations', 0, 0, 1],
      ['write', 'each', 0, 0],
      ['finish', 'pass', 0, 0],
    ],
  },
  {
    title:
      'a file that one of two destinations lacks goes there again, although its mark is not older than a tick of the clock',
    settings: { fineness: 'jiffy', verify: 'sent', lies: [undefined, { kind: 'not-stored', skips: 0 }] },
    steps: [
      ['make-directory', 0, 0, 0],
      ['write', 0, 0, 0],
      ['other-destinations', 0, 0, 1],
      ['wait', 0, 0, 40],
      ['finish', 'each', 0, 0],
    ],
  },
];

test.each(FOUND)('$title', { timeout: 120_000 }, async ({ settings, steps }) => {
  const { seed, settings: defaults } = createSchedule(1, createRandom(1));
  for (let point = 0; point < POINTS; point += 1) {
    const schedule: Schedule = {
      seed,
      settings: {
        ...defaults,
        hasClaims: false,
        isDaemon: false,
        endsSuperseded: false,
        lies: [],
        trustsMarks: false,
        ...settings,
      },
      steps: steps.map(([kind, gap, what, how]) => ({
        ...createStep(kind, gap === 'each' ? point : gap, () => 0),
        what,
        how,
      })),
    };
    const { violations, unfinished } = await runSchedule(schedule);
    expect({ point, violations, unfinished }).toEqual({ point, violations: [], unfinished: 0 });
  }
});
