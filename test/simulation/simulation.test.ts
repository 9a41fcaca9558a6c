import { afterAll, expect, test } from 'vitest';
import { createRandom } from './support/random.ts';
import { removeFolder, runSchedule, shrink } from './support/run-schedule.ts';
import { createSchedule, type Schedule } from './support/steps.ts';

// SEED=n runs one schedule and tells what happens in it; SCHEDULES=n says how many are run, from FIRST on.
const SEED = process.env.SEED;
const FIRST = Number(SEED ?? process.env.FIRST ?? 1);
const SCHEDULES = SEED === undefined ? Number(process.env.SCHEDULES ?? 2000) : 1;

afterAll(removeFolder);

const scheduleOf = (seed: number): Schedule => createSchedule(seed, createRandom(seed));

const describeFailure = async (schedule: Schedule): Promise<string> => {
  const smallest = await shrink(schedule);
  const { violations, log } = await runSchedule(smallest, { isLogging: true });
  return [`SEED=${schedule.seed}`, JSON.stringify(smallest.settings), ...violations, ...log].join('\n');
};

test('finished.watch is never false', { timeout: 1_200_000 }, async () => {
  let finishes = 0;
  for (let seed = FIRST; seed < FIRST + SCHEDULES; seed += 1) {
    const schedule = scheduleOf(seed);
    const outcome = await runSchedule(schedule, { isLogging: SEED !== undefined }).catch((error: unknown) => {
      throw new Error(`SEED=${seed}`, { cause: error });
    });
    if (SEED !== undefined) console.info(outcome.log.join('\n'));
    if (outcome.violations.length > 0) expect(await describeFailure(schedule)).toBe('no file missing or different');
    // Nor does it stay away for ever, once the parser is done.
    expect(outcome.unfinished, `SEED=${seed}: directories that were not finished`).toBe(0);
    finishes += outcome.finishes;
  }
  // Of ten schedules, one or two close no directory.
  if (SEED === undefined) expect(finishes).toBeGreaterThan(SCHEDULES / 2);
});

test('a seed is one schedule', async () => {
  const [first, second] = [
    await runSchedule(scheduleOf(7), { isLogging: true }),
    await runSchedule(scheduleOf(7), { isLogging: true }),
  ];
  expect(second).toEqual(first);
  expect(first.log.length).toBeGreaterThan(5);
});
