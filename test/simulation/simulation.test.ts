import { afterAll, expect, test } from 'vitest';
import { createRandom } from './support/random.ts';
import { removeFolder, runSchedule, shrink } from './support/run-schedule.ts';
import { createSchedule, type Schedule } from './support/steps.ts';

// SEED=n runs one schedule; SCHEDULES=n says how many, from FIRST on.
const SEED = process.env.SEED;
const FIRST = Number(SEED ?? process.env.FIRST ?? 1);
const FAILURES = Number(process.env.FAILURES ?? 1);
const SCHEDULES = SEED === undefined ? Number(process.env.SCHEDULES ?? 5000) : 1;

afterAll(removeFolder);

const describeFailure = async (schedule: Schedule): Promise<string> => {
  const smallest = process.env.LOG === undefined ? await shrink(schedule) : schedule;
  const { violations, log } = await runSchedule(smallest, { isLogging: true });
  return [`SEED=${schedule.seed}`, JSON.stringify(smallest.settings), ...violations, ...log].join('\n');
};

test('finished.watch is never false', { timeout: 0 }, async () => {
  const failures: string[] = [];
  let [finishes, unfinished, points] = [0, 0, 0];
  for (let seed = FIRST; seed < FIRST + SCHEDULES && failures.length < FAILURES; seed += 1) {
    const schedule = createSchedule(seed, createRandom(seed));
    const outcome = await runSchedule(schedule, { isLogging: process.env.LOG !== undefined }).catch((error: unknown) => {
      throw new Error(`SEED=${seed}`, { cause: error });
    });
    finishes += outcome.finishes;
    unfinished += outcome.unfinished;
    if (outcome.unfinished > 0 && process.env.VERBOSE !== undefined) console.info(`unfinished: SEED=${seed}`);
    points += outcome.points;
    if (outcome.violations.length > 0 || process.env.LOG !== undefined) failures.push(await describeFailure(schedule));
  }
  console.info(`${SCHEDULES} schedules, ${points} points, ${finishes} directories finished, ${unfinished} not`);
  expect(failures.join('\n\n')).toBe('');
});
