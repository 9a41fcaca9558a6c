import { afterAll, afterEach, expect, test, vi } from 'vitest';
import { breakRule, RULES } from './support/mutations.ts';
import { createRandom } from './support/random.ts';
import { removeFolder, runSchedule } from './support/run-schedule.ts';
import { createSchedule } from './support/steps.ts';

vi.mock('../../src/marks/record-hash.ts', async (real) => (await import('./support/mutations.ts')).breakRecordHash(await real()));
vi.mock('../../src/marks/record.ts', async (real) => (await import('./support/mutations.ts')).breakRecord(await real()));
vi.mock('../../src/marks/mark.ts', async (real) => (await import('./support/mutations.ts')).breakMark(await real()));
vi.mock('../../src/identity.ts', async (real) => (await import('./support/mutations.ts')).breakIdentity(await real()));
vi.mock('../../src/core/closing.ts', async (real) => (await import('./support/mutations.ts')).breakClosing(await real()));

const MOST_SCHEDULES = Number(process.env.SCHEDULES ?? 5000);

afterEach(() => breakRule(undefined));
afterAll(removeFolder);

test.each(RULES)('without the rule "%s" a schedule fails', { timeout: 0 }, async (rule) => {
  breakRule(rule);
  let seed = 1;
  while (seed <= MOST_SCHEDULES && !(await isFalse(seed))) seed += 1;
  console.info(`${rule}: ${seed <= MOST_SCHEDULES ? `seed ${seed}` : 'never'}`);
  expect(seed).toBeLessThanOrEqual(MOST_SCHEDULES);
});

const isFalse = async (seed: number): Promise<boolean> => {
  const { violations } = await runSchedule(createSchedule(seed, createRandom(seed)));
  return violations.length > 0;
};
